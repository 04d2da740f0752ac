"""Tables of what finished runs hold, one column for each run.

    python tests/benchmarks/tables.py calibration|fits|archive RUN ...
    python tests/benchmarks/tables.py recovery RUN

Where no run is named, those of HPCFLOW_RUNS are taken, as PATH lists folders. `recovery` has a row for each group of
clusters instead, and reads what `hpcflow compare RUN` has written.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from astropy.table import Table
from numpy.typing import NDArray

from grid_fit import Fit, grid_fit
from hpcflow.calibration import findings
from hpcflow.calibration.agreement import published_table
from hpcflow.calibration.record import ValidationStore
from hpcflow.calibration.verdicts import judge
from hpcflow.config.load import load_yaml
from hpcflow.model.observe import Photometry
from hpcflow.stages.build import build_prior, build_simulator
from hpcflow.stages.run import Run
from hpcflow.store.flags import POOR_CHI2, Refined
from hpcflow.store.summary import has_posterior, summarise
from printed import table

__all__ = ["RUNS", "archive", "calibration", "fit_of", "fits", "recovery", "size", "whole"]

Column = dict[str, str]

RUNS = [Path(run) for run in os.environ.get("HPCFLOW_RUNS", "").split(os.pathsep) if run]
NO_REFERENCE = {"NGC1566"}  # its published fits miss the measured F814W by 0.34 mag
WHOLES = {"regions": "regions of highest density", "tarp": "TARP"}


def calibration(run: Run) -> Column:
    """Return what training took and `hpcflow validate` found."""
    flow, history = json.loads((run.flow / "flow.json").read_text()), pd.read_csv(run.flow / "history.csv")
    last = history.iloc[-1]
    found = {
        "version": version(run),
        "weights": f"{flow['weights']:,}",
        "training: steps, examples": f"{last['step']:,.0f}, {last['examples'] / 1e6:.1f} million",
        "wall time": f"{last['seconds'] / 60:.1f} min",
    }
    with ValidationStore.open(run.validation).dataset() as ds:
        verdicts = judge(ds, flow["config"]["validate"]["require"] or {})
        found["held-out pairs, samples each"] = f"{ds.sizes['simulation']:,}, {ds.attrs['samples']}"
        found["negative log-likelihood, nats"] = _with_error(findings.negative_log_likelihood(ds))
        if whole_gap := findings.gap(ds):
            found["gap to the exact posterior, nats"] = _with_error(whole_gap)
        for part in findings.gap_parts(ds):
            given = f" given {', '.join(part.given)}" if part.given else ""
            found[f"gap, {part.of}{given}"] = _with_error(part)
        inside = findings.coverage(ds)
        found[f"coverage of the 68 % intervals ({', '.join(one.of for one in inside)})"] = (
            f"{', '.join(f'{100 * one.value:.1f}' for one in inside)} +- {100 * max(one.error for one in inside):.1f} %"
        )
        ranks = max(one.value for one in findings.ecdf(ds))
        found["ranks off by, the worst of six statistics"] = f"{ranks:.4f}"
        for one in findings.wholes(ds):
            found[f"coverage of {WHOLES[one.key]} off by"] = f"{one.value:.4f}"
        for one in findings.distances(ds):
            if one.key == "c2st":
                found["classifier between flow and exact samples, accuracy"] = _with_error(one)
        found["requirements met"] = f"{sum(verdict.good for verdict in verdicts)} of {len(verdicts)}"
    return found


def _with_error(found: findings.Finding) -> str:
    return f"{found.value:.3f} +- {found.error:.3f}"


def fits(run: Run) -> Column:
    """Return how well clusters are fitted, beside an exhaustive grid fit, and how they agree with published fits."""
    archive = summarise(xr.open_zarr(run.posteriors, chunks=None))
    have, every = has_posterior(archive), whole(archive)
    ours, best = (chi2[every & have] for chi2 in (archive["chi2_map"].values, fit_of(run, archive).chi2))
    found = {
        "version": version(run),
        "clusters with all bands; of these with a posterior": f"{every.sum()}; {(every & have).sum()}",
        "with a band missing; of these with a posterior": f"{(~every).sum()}; {(~every & have).sum()}",
        "median reduced chi^2 of the MAP; of the grid fit": _each("{:.3f}", np.median(ours), np.median(best)),
        "quartiles": _each("{:.2f}, {:.2f}", np.quantile(ours, [0.25, 0.75]), np.quantile(best, [0.25, 0.75])),
        f"above {POOR_CHI2:g}": _each("{:.1f} %", 100 * np.mean(ours > POOR_CHI2), 100 * np.mean(best > POOR_CHI2)),
    }
    if "efficiency" in archive:
        low, middle, high = 100 * np.nanquantile(archive["efficiency"].values, [0.16, 0.5, 0.84])
        refined = archive["refined"].values
        again, grid = ((refined == kind).sum() for kind in (Refined.MORE_SAMPLES, Refined.EXACT_GRID))
        found["efficiency of the samples, median (16, 84 %)"] = f"{middle:.0f} % ({low:.0f}, {high:.0f})"
        found["clusters sampled again; on the exact grid"] = f"{again}; {grid}"
    published = published_table(archive)
    compared = len(published) and not set(archive["galaxy"].values.tolist()) & NO_REFERENCE
    for row in published[published["of"] == "all"] if compared else []:
        found[f"MAP close to the published {row['parameter']}; nearest mode"] = _each(
            "{:.0f} %", 100 * row["close"], 100 * row["close_best"]
        )
    return found


def whole(archive: xr.Dataset) -> NDArray[np.bool_]:
    """Return which clusters (N,) lack no band that any has."""
    observed = archive["observed"].values
    return np.asarray(observed.sum(axis=1) == observed.sum(axis=1).max())


def fit_of(run: Run, archive: xr.Dataset) -> Fit:
    """Return the grid fit of an archive's clusters."""
    seen = (archive[name].values for name in ("flux", "sigma", "observed"))
    photometry = Photometry(*seen, archive["distance"].values[:, None])
    return grid_fit(photometry, build_simulator(run.config()), build_prior(run.config()))


def archive(run: Run) -> Column:
    """Return what an archive takes on disk."""
    ds = xr.open_zarr(run.posteriors, chunks=None)
    clusters = ds.sizes["cluster"]
    each = {name: size(run.posteriors / name)[0] / clusters for name in ("theta", "log_q", "log_weight") if name in ds}
    total, files = size(run.posteriors)
    return {
        "version": version(run),
        "clusters; samples of each": f"{clusters:,}; {ds.sizes['sample']:,}",
        **{f"bytes a cluster: {name}": f"{value:,.0f}" for name, value in each.items()},
        "bytes a cluster: everything": f"{total / clusters:,.0f}",
        "files": f"{files:,}",
    }


def size(folder: Path) -> tuple[int, int]:
    """Return the bytes and the number of the files of values below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "zarr.json"]
    return sum(path.stat().st_size for path in files), len(files)


def recovery(run: Run) -> str:
    """Return how well the truth is found, by group of clusters, as `hpcflow compare` has written it."""
    path = run.path / "report" / "tables" / "recovery.ecsv"
    if not path.exists():
        sys.exit(f"{path} is missing: run `hpcflow compare {run.path}` on a mock whose truth lies beside it")
    found = Table.read(path)
    names = [name.removesuffix("_bias") for name in found.colnames if name.endswith("_bias")]
    header = ["", "clusters", "MAP age within 0.3 dex", "wrong by 10 times or more", "nearest mode", "multimodal"]
    header += [f"coverage of 68 % ({', '.join(names)})", "of weighted samples"]
    rows = []
    for row in found[found["of"] != "galaxy"]:
        inside = [
            ", ".join(f"{100 * row[f'{name}_{kind}']:.0f}" for name in names if f"{name}_{kind}" in found.colnames)
            for kind in ("covers_68", "weighted_68")
        ]
        shares = [f"{100 * row[name]:.1f} %" for name in ("close", "catastrophic", "catastrophic_best", "multimodal")]
        rows.append([row["group"], row["clusters"], *shares, *inside])
    return table(header, rows)


def version(run: Run) -> str:
    """Return the commit that a run was made with."""
    return str(load_yaml(run.path / "run.yaml")["provenance"]["git"])[:7]


def side_by_side(columns: Mapping[str, Column]) -> str:
    """Return a table of columns by their names; what one of them lacks is a dash."""
    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = ([name, *(column.get(name, "-") for column in columns.values())] for name in names)
    return table(["", *(f"`{name}`" for name in columns)], rows)


def _each(form: str, *values: Iterable[float] | float) -> str:
    return "; ".join(form.format(*np.atleast_1d(value)) for value in values)


COLUMNS: dict[str, Callable[[Run], Column]] = {"calibration": calibration, "fits": fits, "archive": archive}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*COLUMNS, "recovery"])
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", default=RUNS)
    asked = parser.parse_args()
    if not asked.runs:
        parser.error("name a run folder, or set HPCFLOW_RUNS")
    runs = [Run(path) for path in asked.runs]
    if asked.name != "recovery":
        print(side_by_side({run.path.name: COLUMNS[asked.name](run) for run in runs}))
    elif len(runs) == 1:
        print(recovery(runs[0]))
    else:
        parser.error("recovery takes one run")


if __name__ == "__main__":
    main()
