"""Write pcigale's own SSP tables and filter curves as files that hpcflow reads.

Run it with the Python in which pcigale is installed; it does not import hpcflow:

    PYTHON hpcflow/data/export_cigale.py OUT --ssp bc03 --imf 1 --filters hst.wfc3.F275W hst.wfc3.F336W

writes OUT/bc03.npz (`t_myr`, `wl_nm`, `metallicity`, `spec` in W/nm per solar mass formed) and one OUT/FILTER.txt
(Angstrom, photon throughput) per filter. pcigale's database contains pickles, which only pcigale opens.
"""

import argparse
import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["export_filter", "export_ssp", "main"]


def export_ssp(module: str, imf: int, out: Path) -> Path:
    """Write all metallicities of an SSP module (bc03, m2005, ...) and return the file."""
    sed_modules = importlib.import_module("pcigale.sed_modules")
    listed = importlib.import_module(f"pcigale.sed_modules.{module}").Module
    types = getattr(listed, "parameter_list", None) or listed.parameters
    options = re.search(r"options\s*=\s*([^)]*)", str(types["metallicity"][0]))
    if not options:
        raise SystemExit(f"{module} does not list its metallicities; use another version of pcigale")
    metallicity = [float(z) for z in options[1].split("&")]
    ssps = [_arrays(sed_modules.get_module(module, imf=imf, metallicity=z).ssp) for z in metallicity]
    t_myr, wl_nm, _ = ssps[0]
    path = out / f"{module}.npz"
    np.savez(path, t_myr=t_myr, wl_nm=wl_nm, metallicity=metallicity, spec=np.stack([spec for *_, spec in ssps]))
    return path


def export_filter(name: str, out: Path) -> Path:
    """Write a filter as wavelength [Angstrom] and photon throughput and return the file."""
    data = importlib.import_module("pcigale.data")
    if hasattr(data, "SimpleDatabase"):
        with data.SimpleDatabase("filters") as base:
            found = base.get(name=name)
        wl_nm, throughput = found.wl, found.tr
    else:
        with data.Database() as base:
            found = base.get_filter(name)
        wl_nm, throughput = found.trans_table
    path = out / f"{name}.txt"
    np.savetxt(path, np.stack([wl_nm * 10.0, np.maximum(throughput, 0.0)], axis=1), fmt="%.17g")
    return path


def main() -> None:
    """Write the tables and filters named on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--ssp", help="SSP module: bc03, m2005, ...")
    parser.add_argument("--imf", type=int, default=1, help="CIGALE's number for the IMF")
    parser.add_argument("--filters", nargs="*", default=[], help="CIGALE's filter names")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.ssp:
        print(export_ssp(asked.ssp, asked.imf, asked.out))
    for name in asked.filters:
        print(export_filter(name, asked.out))


def _arrays(ssp: Any) -> tuple[Any, Any, Any]:
    """Return ages [Myr], wavelengths [nm] and spectra (W, T), whose names differ between versions of pcigale."""
    return tuple(  # type: ignore[return-value]
        next(np.asarray(getattr(ssp, name)) for name in names if hasattr(ssp, name))
        for names in (("t", "time_grid"), ("wl", "wavelength_grid"), ("spec", "lumin_table", "spec_table"))
    )


if __name__ == "__main__":
    main()
