"""Zero points of magnitudes."""

__all__ = ["AB_ZERO_MJY", "VEGA_TO_AB"]

AB_ZERO_MJY = 3631e3  # Oke & Gunn 1983, ApJ 266, 713

# m_AB = m_Vega + offset: differences of the Vega and AB zero points that STScI publishes for each instrument,
# for the detectors and epochs of LEGUS (Calzetti et al. 2015, AJ 149, 51; Adamo et al. 2017, ApJ 841, 131).
VEGA_TO_AB = {
    "WFC3_UVIS.F275W": 1.495,
    "WFC3_UVIS.F336W": 1.181,
    "WFC3_UVIS.F438W": -0.158,
    "WFC3_UVIS.F555W": -0.028,
    "WFC3_UVIS.F814W": 0.418,
    "ACS_WFC.F435W": -0.1085,
    "ACS_WFC.F555W": -0.0092,
    "ACS_WFC.F814W": 0.4237,
}
