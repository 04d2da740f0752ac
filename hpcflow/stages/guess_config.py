"""A config for a catalogue: what is guessed from the file, and the model and settings of a shipped config."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcflow.base.atomic import write_whole
from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.guess import Guess, Told, guess
from hpcflow.catalogues.plain import FORMATS
from hpcflow.config.check import checked
from hpcflow.config.load import Config, dump_yaml, load_yaml, override, parse_config
from hpcflow.config.sections import Infer
from hpcflow.stages.flow_bands import in_bands, known_to
from hpcflow.stages.infer import read_catalogues
from hpcflow.stages.init import shipped_configs
from hpcflow.stages.same_model import trained_config
from hpcflow.stages.which import flow_named

__all__ = ["GuessedConfig", "guess_config", "write_config"]

BASE = "legus-ngc1566"  # the shipped config whose priors, noise and settings are taken over
MISSING = 0.05  # so that a cluster may lack bands
MARGIN = 1.25  # by which the range of distances exceeds those of the catalogue, where the base's is too narrow


@dataclass(frozen=True)
class GuessedConfig:
    """A config for a catalogue.

    Attributes:
        raw: its plain values, as a user would write them.
        config: the same, checked.
        words: what was guessed, in aligned lines.
    """

    raw: dict[str, Any]
    config: Config
    words: tuple[str, ...]


def guess_config(path: Path, overrides: Sequence[str] = ()) -> GuessedConfig:
    """Return a config for a catalogue; nothing is written.

    Args:
        path: the catalogue.
        overrides: what the user says, as `section.key=value`; it prevails over what is guessed.

    Raises:
        InputError: if the catalogue cannot be read, or something in it can be guessed in no way or in several.
    """
    said: dict[str, Any] = {}
    override(said, overrides)
    found, flow = guess(path, _told(said)), said.get("infer", {}).get("flow")
    base = load_yaml(shipped_configs()[BASE])
    if flow is None:
        raw = _raw(path, found, base)
        raw["infer"]["posterior"] = "exact"  # which needs neither a library nor a flow
        raw["observe"]["missing"] = MISSING
    else:
        trained = trained_config(flow_named(flow))
        found = known_to(flow, trained, found)
        raw = _raw(path, found, base | in_bands(trained, found.bands))
    override(raw, overrides)
    bands = parse_config(raw).model.bands
    if columns := raw["infer"].get("columns"):  # of other bands, where the user has named some
        raw["infer"]["columns"] = {key: of for key, of in columns.items() if isinstance(of, str) or key in bands}
    catalogue = read_catalogues(parse_config(raw))
    if flow is None and "distance_mpc" not in said.get("observe", {}):
        raw["observe"]["distance_mpc"] = _distances(catalogue, raw["observe"]["distance_mpc"])
    config = parse_config(raw)
    return GuessedConfig(raw, config, tuple(_aligned(_words(config, found, catalogue))))


def write_config(guessed: GuessedConfig, folder: Path) -> Path:
    """Write a guessed config into a folder, with how it was guessed as a comment, and return its path.

    Raises:
        InputError: if the file exists already; nothing is written.
    """
    target = folder / f"{guessed.config.name}.yaml"
    if target.exists():
        raise InputError(f"{target} exists already; remove it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    comment = "".join(f"# {line}\n" for line in ("Guessed from a catalogue:", *guessed.words))
    sections = re.sub(r"\n(?=\w)", "\n\n", dump_yaml(guessed.raw, compact=True))
    write_whole(target, comment + sections)
    return target


def _told(said: dict[str, Any]) -> Told:
    """Return what the user has said of the catalogue.

    Raises:
        InputError: if it is not of the right kind.
    """
    try:
        infer = checked(Infer, said.get("infer", {}))
    except InputError as e:
        raise InputError(f"infer.{e}") from e
    model = said.get("model")
    bands = model.get("bands", {}) if isinstance(model, dict) else {}
    if not isinstance(bands, dict) or not all(isinstance(curve, str) for curve in bands.values()):
        raise InputError(f"model.bands must be a mapping of labels to curves, not {bands!r:.80}")
    return Told(
        format=infer.format,
        galaxy=infer.galaxy,
        unit=infer.unit if "unit" in said.get("infer", {}) else None,
        distance_mpc=infer.distance_mpc,
        columns=infer.columns.model_dump(exclude_none=True) if infer.columns else {},
        bands=bands,
    )


def _raw(path: Path, found: Guess, base: dict[str, Any]) -> dict[str, Any]:
    """Return the plain values of a config for a catalogue, and for what follows from no catalogue those of another."""
    read = {"format": found.format, "galaxy": found.galaxy, "unit": found.unit, "columns": dict(found.columns)}
    infer: dict[str, Any] = {"catalogues": [str(path)], **{key: value for key, value in read.items() if value}}
    if found.format == "table":
        infer["classes"] = None  # classes of other people may mean anything
    observe = dict(base["observe"])
    if found.band_sets:
        observe["band_sets"] = [list(labels) for labels in found.band_sets]
    model = base["model"] | {"bands": dict(found.bands)}
    return base | {"name": _name(path), "model": model, "observe": observe, "infer": infer | base["infer"] | infer}


def _name(path: Path) -> str:
    """Return a name for the run of a catalogue: that of the file, as far as a run can have it.

    >>> _name(Path("my clusters.fits.gz"))
    'my-clusters'
    """
    endings = [suffix for suffix in FORMATS if path.name.lower().endswith(suffix)] or [path.suffix]
    stem = path.name[: len(path.name) - max(map(len, endings))]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip("._-") or "catalogue"


def _distances(catalogue: Catalogue, usual: Sequence[float]) -> list[float]:
    """Return a range in Mpc that holds the usual one and the distances of the catalogue, those known."""
    near, far = np.nanmin(catalogue.distance), np.nanmax(catalogue.distance)
    low = usual[0] if near >= usual[0] else float(f"{near / MARGIN:.2g}")
    high = usual[1] if far <= usual[1] else float(f"{far * MARGIN:.2g}")
    return [low, high]


def _words(config: Config, found: Guess, catalogue: Catalogue) -> Iterator[tuple[str, ...]]:
    """Yield what was guessed, in cells: what it is about, and what was found."""
    path, infer = config.infer.catalogues[0], config.infer
    columns = infer.columns.model_dump(exclude_none=True) if infer.columns else {}
    classes = "" if infer.classes is None else f" of class {' and '.join(map(str, infer.classes))} (infer.classes)"
    yield "catalogue", f"{path}: {infer.format}, {len(catalogue):,} clusters{classes}"
    yield "galaxies", _galaxies(catalogue)
    named = ", ".join(f"{key} = {name}" for key, name in columns.items() if isinstance(name, str))
    if named:
        yield "columns", named
    yield "unit", {"legus": "Vega"}.get(found.format.partition("-")[0]) or found.unit or "in the headers of the columns"
    for label, counts in catalogue.counts().items():
        own = columns.get(label, ())
        lost = "".join(f", {n:,} {reason.lower().replace('_', ' ')}" for reason, n in counts.items() if reason != "OK")
        yield "band", label, *own, config.model.bands[label], f"{counts.get('OK', 0):,} usable{lost}"
    for note in (*found.notes, *catalogue.notes):
        yield "note", note
    for name, why in found.left_out.items():
        yield "left out", f"{name}: {why}"


def _galaxies(catalogue: Catalogue) -> str:
    """Say which galaxies there are, and how far away."""
    names, known = np.unique(catalogue.galaxy).tolist(), catalogue.distance[np.isfinite(catalogue.distance)]
    low, high = (f"{end:.4g}" for end in (known.min(), known.max()))
    far = f"at {low} Mpc" if low == high else f"at {low} to {high} Mpc"
    return f"{', '.join(names) if len(names) < 4 else f'{len(names)} galaxies'} {far}"


def _aligned(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows of cells as lines; the cells of bands, which have several, stand below each other."""
    rows = list(rows)
    bands = [row for row in rows if len(row) > 2]
    widths = [max(map(len, cells)) for cells in zip(*bands, strict=True)]
    first = max(len(row[0]) for row in rows)
    for row in rows:
        rest = (
            row[1:] if len(row) == 2 else [cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        yield "  ".join([row[0].ljust(first), *rest]).rstrip()
