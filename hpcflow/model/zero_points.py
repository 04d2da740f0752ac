"""Zero points of magnitudes."""

from pathlib import Path

__all__ = ["AB_ZERO_MJY", "PUBLISHED", "VEGA_TO_AB"]

TABLE = Path(__file__).parent.parent / "data" / "zero_points.txt"

AB_ZERO_MJY = 3631e3  # Oke & Gunn 1983, ApJ 266, 713

# m_AB = m_Vega + offset: differences of the Vega and AB zero points that STScI publishes for each instrument,
# for the detectors and epochs of LEGUS (Calzetti et al. 2015, AJ 149, 51; Adamo et al. 2017, ApJ 841, 131).
PUBLISHED = {
    "WFC3_UVIS.F275W": 1.495,
    "WFC3_UVIS.F336W": 1.181,
    "WFC3_UVIS.F438W": -0.158,
    "WFC3_UVIS.F555W": -0.028,
    "WFC3_UVIS.F814W": 0.418,
    "ACS_WFC.F435W": -0.1085,
    "ACS_WFC.F555W": -0.0092,
    "ACS_WFC.F814W": 0.4237,
}


def _read_table() -> dict[str, float]:
    lines = TABLE.read_text(encoding="ascii").splitlines()
    return {curve: float(offset) for curve, offset in (line.split() for line in lines if not line.startswith("#"))}


# Of all curves that ship; where nothing is published above, it was computed from a spectrum of Vega.
VEGA_TO_AB = _read_table() | PUBLISHED
