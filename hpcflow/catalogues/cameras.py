"""Which curve a filter of a catalogue has, where two cameras have filters of the same name."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from hpcflow.catalogues.column_names import ColumnName, parse_name
from hpcflow.model.filters import load_curve, shipped_curves

__all__ = ["Curves", "labels_of"]

ACS, UVIS = "ACS_WFC", "WFC3_UVIS"
# Filters that both cameras have, and those that show which of the two it was. F435W comes first, because F275W and
# F336W are UVIS's also where ACS took the other bands.
OF_BOTH = ("F475W", "F502N", "F555W", "F606W", "F625W", "F658N", "F775W", "F814W", "F850LP")
SIGNS = {"F435W": ACS, "F438W": UVIS, "F336W": UVIS, "F275W": UVIS}


@dataclass(frozen=True)
class Curves:
    """The curves of a catalogue's filters.

    Args:
        told: label -> curve, as the user says.
        sign: the filter that shows which camera took those that both have; empty if none does.

    >>> names = [parse_name(name) for name in ("F435W", "F555W", "UVIS_F555W", "F656N")]
    >>> curves = Curves.among(names, {})
    >>> [curves.of(name) for name in names]
    ['ACS_WFC.F435W', 'ACS_WFC.F555W', 'WFC3_UVIS.F555W', None]
    """

    told: Mapping[str, str]
    sign: str

    @classmethod
    def among(cls, names: Iterable[ColumnName], told: Mapping[str, str]) -> "Curves":
        """Return the curves of filters that are in one catalogue; those of one camera show which camera it was."""
        filters = {name.filter_name for name in names}
        contradictory = filters >= {"F435W", "F438W"}
        return cls(told, "" if contradictory else next((sign for sign in SIGNS if sign in filters), ""))

    @property
    def camera(self) -> str:
        """How the curves begin of filters that both cameras have; empty if that is not known."""
        return SIGNS.get(self.sign, "")

    def of(self, name: ColumnName) -> str | None:
        """Return the curve of a column, or None if none is told or shipped."""
        for label, curve in self.told.items():
            known = parse_name(label)
            if known and (known.filter_name, known.camera) == (name.filter_name, name.camera):
                return curve
        start, end = self._start(name), f".{name.filter_name}"
        return next((curve for curve in shipped_curves() if curve.startswith(start) and curve.endswith(end)), None)

    def words(self, name: ColumnName) -> str:
        """Return the camera of a column, if it is known, and the filter."""
        return f"{self._start(name).strip('_')} {name.filter_name}".strip()

    def unsure(self, names: Iterable[ColumnName]) -> list[str]:
        """Return the filters of columns that may be of either camera, for all that is told or named."""
        either = (name for name in names if name.filter_name in OF_BOTH and not name.camera)
        return [name.filter_name for name in either if self.of(name) not in self.told.values()]

    def _start(self, name: ColumnName) -> str:
        return name.camera or (self.camera if name.filter_name in OF_BOTH else "")


def labels_of(curves: Collection[str], told: Mapping[str, str]) -> dict[str, str]:
    """Return curve -> label by wavelength: the told one, else the filter, of ACS with the camera where UVIS has it too.

    >>> labels_of(["ACS_WFC.F555W", "WFC3_UVIS.F275W", "WFC3_UVIS.F555W"], {"WFC3_UVIS.F275W": "NUV"})
    {'WFC3_UVIS.F275W': 'NUV', 'WFC3_UVIS.F555W': 'F555W', 'ACS_WFC.F555W': 'ACS_F555W'}
    """
    labels = {}
    for curve in sorted(curves, key=lambda curve: load_curve(curve).pivot_nm):
        camera, _, name = curve.partition(".")
        doubled = camera == ACS and f"{UVIS}.{name}" in curves
        labels[curve] = told.get(curve, f"ACS_{name}" if doubled else name)
    return labels
