"""Which filter curves are meant by the names of bands."""

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from hpcflow.base.errors import InputError
from hpcflow.catalogues.column_names import parse_name
from hpcflow.model.filters import shipped_curves

__all__ = ["named_bands"]

_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")  # for a label


def named_bands(
    bands: Sequence[str] | Mapping[str, str], known: Mapping[str, str], shipped: bool = False
) -> dict[str, str]:
    """Return label -> curve of the bands that are named.

    Args:
        bands: names of bands, of filters or of curves; or a mapping of labels to these.
        known: label -> curve of the bands to choose among.
        shipped: whether every curve that ships, and every file of a curve, may be chosen too.

    Raises:
        InputError: if a name is not known, may mean several curves, or occurs twice.

    >>> named_bands(["F275W", "acs f435w"], {"F275W": "WFC3_UVIS.F275W", "B": "ACS_WFC.F435W"})
    {'F275W': 'WFC3_UVIS.F275W', 'acs_f435w': 'ACS_WFC.F435W'}
    """
    if isinstance(bands, str):
        raise InputError(f"bands is the text {bands!r}; give a list of names, one for each band")
    named = dict(bands) if isinstance(bands, Mapping) else {_UNFIT.sub("_", name): name for name in bands}
    if len(named) < len(bands):
        raise InputError(f"bands names one band twice ({', '.join(map(str, bands))}); name each once")
    curves = [*known.values(), *(shipped_curves() if shipped else ())]
    return {label: known[name] if name in known else _curve(name, curves, shipped) for label, name in named.items()}


def _curve(name: str, curves: Collection[str], files: bool) -> str:
    """Return the curve of a name among others."""
    if name in curves or (files and Path(name).is_file()):
        return name
    column = parse_name(name)
    start, end = (column.camera, f".{column.filter_name}") if column else ("", f".{name}")
    alike = sorted({curve for curve in curves if curve.startswith(start) and curve.endswith(end)})
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise InputError(f"the band {name} may be {' or '.join(alike)}; name one of these")
    near = get_close_matches(name, [*curves, *(curve.partition(".")[2] for curve in curves)])
    remedy = f"did you mean {near[0]}?" if near else f"those known are {', '.join(dict.fromkeys(curves))}"
    raise InputError(f"the band {name} is not known here; {remedy}")
