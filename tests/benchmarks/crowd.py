"""The report of a large archive, made of a small one's posteriors over and over: time and memory.

    python tests/benchmarks/crowd.py RUN OUT --n 36000

RUN is a run folder with an archive; OUT is the run folder to make, with as many clusters in 38 galaxies.
"""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
import xarray as xr

from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.known import known_variables
from hpcflow.model.prior import Parameter
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive
from million import MIB, watch
from printed import table

GALAXIES = 38


def crowd(ds: xr.Dataset, path: Path, n: int) -> None:
    """Write an archive of n clusters that are those of another, scattered over galaxies and a little in place."""
    rng = np.random.default_rng(1)
    row = rng.integers(0, ds.sizes["cluster"], n)
    small = ds.drop_vars(["theta", "log_q", "log_weight"], errors="ignore").load()
    unit = dict(pair.split(": ") for pair in ds["theta"].attrs["units"].split(", "))
    parameters = [Parameter(name, *bounds[:2], unit[name], bounds[2]) for name, bounds in ds.attrs["prior"].items()]
    catalogue = Catalogue(
        galaxy=np.sort(np.array([f"NGC{1000 + i}" for i in rng.integers(0, GALAXIES, n)])),
        cluster_id=np.arange(n).astype(np.str_),
        ra=30 + rng.normal(0, 0.02, n),
        dec=10 + rng.normal(0, 0.02, n),
        distance=small["distance"].values[row],
        cluster_class=small["cluster_class"].values[row].astype(np.int64),
        bands=tuple(str(band) for band in ds["band"].values),
        flux=small["flux"].values[row],
        sigma=small["sigma"].values[row],
        reason=small["reason"].values[row],
        published={
            p.name: small["published"].values[row, d] + 0.05 * rng.standard_normal(n) for d, p in enumerate(parameters)
        },
    )
    archive = PosteriorArchive.create(
        path,
        known=known_variables(catalogue, 0.0, parameters),
        bands=catalogue.bands,
        samples=ds.sizes["sample"],
        modes=ds.sizes["mode"],
        parameters=parameters,
        attrs={"seed": 1},
        weighted="log_weight" in ds,
        given=SCALE.given,
    )
    by_sample = {name: ds[name].values for name in ("theta", "log_q", "log_weight") if name in ds}
    for partition in archive.partitions:
        rows = row[partition.start : partition.stop]
        arrays = {name: small[name].values[rows] for name in archive.written if name in small}
        archive.write(partition, arrays | {name: values[rows] for name, values in by_sample.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--n", type=int, default=36_000)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    shutil.copy(asked.run / "run.yaml", asked.out / "run.yaml")
    path = Run(asked.out).posteriors
    if not path.exists():
        crowd(xr.open_zarr(Run(asked.run).posteriors, chunks=None), path, asked.n)
    code = "import sys, pathlib; from hpcflow.stages.report import make_report; make_report(pathlib.Path(sys.argv[1]))"
    found = watch([sys.executable, "-c", code, str(asked.out)], asked.out / "report.log")
    page = (asked.out / "report" / "index.html").stat().st_size
    seen = [f"{found.wall_s:.0f} s", f"{found.cpu_s:.0f} s", f"{found.peak / MIB:.0f} MiB", f"{page / MIB:.1f} MiB"]
    header = ["clusters", "wall time", "processor time", "memory at most", "the page"]
    print(table(header, [[f"{asked.n:,}", *seen]]))


if __name__ == "__main__":
    main()
