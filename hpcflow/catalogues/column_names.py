"""What the name of a column says about photometry: its filter and camera, flux or magnitude, unit, or an error."""

import re
from dataclasses import dataclass

__all__ = ["CAMERAS", "ColumnName", "parse_name"]

# Words for cameras, and how the names of their curves begin. The more specific ones come later, and prevail.
CAMERAS = {
    "acs": "ACS_",
    "wfc3": "WFC3_",
    "wfc": "ACS_WFC",
    "acswfc": "ACS_WFC",
    "uvis": "WFC3_UVIS",
    "uvis1": "WFC3_UVIS",
    "uvis2": "WFC3_UVIS",
    "wfc3uvis": "WFC3_UVIS",
    "ir": "WFC3_IR",
    "wfc3ir": "WFC3_IR",
    "hrc": "ACS_HRC",
    "sbc": "ACS_SBC",
    "wfpc2": "WFPC2",
    "stis": "STIS",
    "nicmos": "NICMOS",
    "nircam": "NIRCAM",
    "niriss": "NIRISS",
    "miri": "MIRI",
}
ERRORS = ("err", "error", "errors", "unc", "uncertainty", "sig", "sigma", "std", "rms")
MAGNITUDES = ("mag", "mags", "magnitude")
FLUXES = ("flux", "fluxes", "fnu")
UNITS = {"vega": "Vega", "ab": "AB", "jy": "Jy", "mjy": "mJy", "ujy": "uJy", "njy": "nJy"}
SILENT = ("hst", "jwst", "phangs", "legus", "tot", "total", "phot", "obs")  # they change nothing

_FILTER = re.compile(r"(?<!\d)F\d{3,4}(?:LP|W2|[WMNX])", re.IGNORECASE)
_WORDS = "|".join(sorted((*ERRORS, *MAGNITUDES, *FLUXES, *UNITS, *SILENT), key=len, reverse=True))
_GLUED = re.compile(rf"[ed]?(?:{_WORDS})+")


@dataclass(frozen=True)
class ColumnName:
    """What a column's name says.

    Attributes:
        name: the name itself.
        filter_name: the one filter in it, in capitals.
        camera: how the name of the camera's curves begins; empty if no camera is named.
        kind: "flux", "magnitude", or empty if neither is said.
        unit: the unit as `units.to_mjy` takes it, or empty.
        error: whether it is the error of a flux or magnitude.
        rest: words whose meaning is unknown.
    """

    name: str
    filter_name: str
    camera: str = ""
    kind: str = ""
    unit: str = ""
    error: bool = False
    rest: frozenset[str] = frozenset()


def parse_name(name: str) -> ColumnName | None:
    """Return what a column's name says, or None if it does not name exactly one filter.

    >>> parse_name("PHANGS_F555W_VEGA_TOT")
    ColumnName(name='PHANGS_F555W_VEGA_TOT', filter_name='F555W', camera='', kind='magnitude', unit='Vega', \
error=False, rest=frozenset())
    >>> parse_name("e_F435Wmag").error, parse_name("wfc3_uvis_f275w").camera, parse_name("F555W-F814W")
    (True, 'WFC3_UVIS', None)
    """
    found = list(_FILTER.finditer(name))
    if len(found) != 1:
        return None
    around = f"{name[: found[0].start()]} {name[found[0].end() :]}".lower()
    tokens = re.findall(r"[0-9a-z]+", re.sub("[\u00b5\u03bc]", "u", around))  # two characters that look like mu
    cameras = [token for token in CAMERAS if token in tokens]
    words, rest = set[str](), set[str]()
    for token in tokens:
        if token in ("e", "d"):
            words.add("err")
        elif token == "m":
            words.add("mag")
        elif _GLUED.fullmatch(token):
            words |= {*re.findall(_WORDS, token), *(["err"] if not re.match(_WORDS, token) else [])}
        elif token not in CAMERAS:
            rest.add(token)
    units = {UNITS[word] for word in words if word in UNITS}
    return ColumnName(
        name,
        found[0][0].upper(),
        camera=CAMERAS[cameras[-1]] if cameras else "",
        kind=_kind(words, units),
        unit=units.pop() if len(units) == 1 else "",
        error=not words.isdisjoint(ERRORS),
        rest=frozenset(rest),
    )


def _kind(words: set[str], units: set[str]) -> str:
    if units & {"AB", "Vega"} or words & set(MAGNITUDES):
        return "magnitude"
    return "flux" if units or words & set(FLUXES) else ""
