"""What gas does to the fluxes of clusters, and how near it is to that of bagpipes.

python tests/benchmarks/gas.py brightens
python tests/benchmarks/gas.py bagpipes
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.filters import shipped_curves
from hpcflow.sources.cluster.gas_table import load_gas
from hpcflow.sources.cluster.simulators import build_ssp
from printed import table

BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")
METALLICITIES = (0.004, 0.008, 0.02)
AGES_MYR = (1, 2, 4, 6, 8, 10)
BAGPIPES = Path(__file__).parents[1] / "sources" / "cluster" / "bagpipes_gas.csv"

Floats = NDArray[np.floating]


def fluxes(bands: list[str], metallicity: float, log_age: float, log_u: float) -> tuple[Floats, Floats]:
    """Return the fluxes (B,) of a cluster without gas, and of one whose gas absorbs everything."""
    simulator = build_ssp(
        ssp="bc03_miles_kroupa",
        bands={band: band for band in bands},
        parameters=("log_age", "covering_factor"),
        fixed={"ebv": 0.0, "metallicity": metallicity, "log_u": log_u},
        ages="continuous",
        extinction="odonnell94",
    )
    none, full = simulator(np.array([[log_age, 0.0], [log_age, 1.0]]))
    return none, full


def brightens() -> str:
    """Return by how many magnitudes gas brightens clusters, at log U = -3 and without dust."""
    rows = []
    for metallicity in METALLICITIES:
        for age in AGES_MYR:
            none, full = fluxes([f"WFC3_UVIS.{band}" for band in BANDS], metallicity, 6 + np.log10(age), -3.0)
            rows.append([f"{metallicity:g}", age, *(f"{value:.2f}" for value in 2.5 * np.log10(full / none))])
    return table(["Z", "age [Myr]", *BANDS], rows)


def bagpipes() -> str:
    """Return the largest difference from bagpipes in each band, as a share of the flux of stars and gas."""
    gas, bands = load_gas(), shipped_curves()
    worst = dict.fromkeys(bands, 0.0)
    with BAGPIPES.open() as file:
        models = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    for model in models:
        place = int(np.abs(gas.ionising_t_myr - model["age_myr"]).argmin())
        t_myr, z = gas.ionising_t_myr[place], int(np.abs(gas.metallicity - model["metallicity"]).argmin())
        none, full = fluxes(bands, model["metallicity"], 6 + np.log10(t_myr), model["log_u"])
        ours = (full - none) * model["ionising_w"] / gas.ionising[z, place]  # of bagpipes' age bin
        for band, own, stars in zip(bands, ours, none, strict=True):
            worst[band] = max(worst[band], abs(own - model[band]) / (stars + model[band]))
    names = {"WFC3_UVIS": "WFC3/UVIS", "ACS_WFC": "ACS/WFC", "WFC3_IR": "WFC3/IR", "NIRCAM": "NIRCam"}
    rows = []
    for camera, name in names.items():
        mine = [f"{b.split('.')[1]} {1e4 * value:.1f}" for b, value in worst.items() if b.startswith(camera)]
        rows.append([name, ", ".join(mine)])
    return table(["camera", "filter and difference [1e-4]"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("brightens", "bagpipes"))
    print({"brightens": brightens, "bagpipes": bagpipes}[parser.parse_args().what]())


if __name__ == "__main__":
    main()
