"""The light of gas as bagpipes has it, for tests; run it with a Python that has bagpipes 1.3.6 (the extra `tables`).

    PYTHONPATH=. PYTHON tests/benchmarks/bagpipes_gas.py tests/sources/cluster/bagpipes_gas.csv

A row is a burst of bagpipes, which is the mean over an age bin: its ionising light in W, and the fluxes in mJy at 10 pc
of its gas if that absorbs everything, both per solar mass formed. Bagpipes puts a line into the nearest pixel, so it is
given three pixels at each line, 1e-5 apart.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from hpcflow.model.filters import band_weights, load_curve, shipped_curves

AGES_MYR = 10 ** np.array([0.0, 0.3, 0.6, 1.0])  # of the Cloudy grid
METALLICITIES, SOLAR = (0.004, 0.008, 0.02), 0.02
LOG_U = (-3.0, -2.25)
LYMAN = 911.8  # Angstrom
WATT = 1e-7  # erg/s
BESIDE = 1e-5


def main(out: str) -> None:
    from bagpipes import config, model_galaxy  # not installed where tests are collected

    native = config.wavelengths
    lines = np.concatenate([config.line_wavs * (1 + side * BESIDE) for side in (-1, 0, 1)])
    wavelengths = np.union1d(native, lines)
    model_galaxy._get_wavelength_sampling = lambda self: wavelengths

    def spectrum(age_myr: float, metallicity: float, **nebular: dict[str, float]) -> np.ndarray:
        burst = {"age": age_myr / 1e3, "massformed": 0.0, "metallicity": metallicity / SOLAR}
        components = {"redshift": 0.0, "t_bc": 0.02, "burst": burst, **nebular}
        return model_galaxy(components, spec_wavs=wavelengths).spectrum_full * WATT  # per Angstrom

    weights = {band: band_weights(load_curve(band), wavelengths / 10) for band in shipped_curves()}
    rows: list[list[str]] = [["age_myr", "metallicity", "log_u", "ionising_w", *weights]]
    for metallicity in METALLICITIES:
        for age in AGES_MYR:
            stars = spectrum(age, metallicity)
            ionising = np.trapezoid(np.interp(native, wavelengths, stars)[native <= LYMAN], native[native <= LYMAN])
            for log_u in LOG_U:
                gas = 10 * (spectrum(age, metallicity, nebular={"logU": log_u}) - stars)  # per nm
                fluxes = [w @ gas for w in weights.values()]
                rows.append([f"{value:.7g}" for value in (age, metallicity, log_u, ionising, *fluxes)])
    with Path(out).open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1])
