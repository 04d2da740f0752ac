"""Colours of the table that ships beside CIGALE's own, by age.

    python tests/benchmarks/colours.py COLOURS.csv

COLOURS.csv is what CIGALE computes without dust at Z = 0.02: age in Myr, then NUV-B, NUV-U, U-B, B-V and V-I in Vega
magnitudes, with NUV F275W, U F336W, B F438W, V F555W and I F814W of WFC3/UVIS.
"""

import argparse
from pathlib import Path

import numpy as np

from hpcflow.sources.cluster.simulators import build_ssp
from printed import table

BANDS = {"NUV": "F275W", "U": "F336W", "B": "F438W", "V": "F555W", "I": "F814W"}
COLOURS = ("NUV-B", "NUV-U", "U-B", "B-V", "V-I")
# Vega less AB: CIGALE's, but for B-V, which is STScI's.
ZERO = {"NUV-B": -1.6683, "NUV-U": -1.6683 + 1.3184, "U-B": -1.3184, "B-V": 0.130, "V-I": 0.4502}
AGES_MYR = ((1, 3), (4, 10), (11, 50), (51, 300), (301, 1000), (1001, 5000), (5001, 13750))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("colours", type=Path)
    age, *theirs = np.loadtxt(parser.parse_args().colours, delimiter=",", unpack=True)
    simulator = build_ssp(
        ssp="bc03_miles_kroupa",
        bands={name: f"WFC3_UVIS.{band}" for name, band in BANDS.items()},
        parameters=("log_age", "ebv"),
        fixed={},
        ages="cigale",
        extinction="odonnell94",
    )
    flux = simulator(np.stack([np.log10(age) + 6, np.zeros(len(age))], axis=1))
    magnitude = dict(zip(BANDS, -2.5 * np.log10(flux.T), strict=True))
    rows = []
    for low, high in AGES_MYR:
        here, cells = (age >= low) & (age <= high), [f"{low}-{high}"]
        for name, other in zip(COLOURS, theirs, strict=True):
            blue, red = name.split("-")
            apart = (magnitude[blue] - magnitude[red] + ZERO[name] - other)[here]
            cells.append(f"{np.sqrt((apart**2).mean()):.2f} ({apart.mean():+.2f})")
        rows.append(cells)
    print(table(["age [Myr]", *COLOURS], rows))


if __name__ == "__main__":
    main()
