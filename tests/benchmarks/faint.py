"""Are posteriors right where bands are faint? Shares of truths inside intervals, by the largest error of a cluster.

    hpcflow mock CONFIG --out DIR --set mock.n=2000
    hpcflow infer CONFIG DIR/mock.fits --run RUN
    python tests/benchmarks/faint.py RUN/posteriors.zarr DIR/mock_truth.fits

Samples are weighted from the flat prior to the population that the mock was drawn from; only then do 68 % intervals
hold 68 % of truths. Globulars are left out, because their metallicity is not the model's.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from astropy.table import Table
from numpy.typing import NDArray

from hpcflow.calibration.recovery import join_truth
from hpcflow.catalogues.plain import strings
from hpcflow.sources.cluster.population import Population
from hpcflow.stages.mock import recognised
from hpcflow.store.flags import Flag, Reason
from printed import table

__all__ = ["Judged", "judge", "ranks"]

NAMES = ("log_age", "log_mass", "ebv")
WRONG_DEX = 1.0
OUTSIDE = 0.997
SAYS_NOTHING = Flag.MISSING_BAND | Flag.UPPER_LIMIT | Flag.PRIOR_EDGE  # that a posterior is to be doubted
FEW = 20  # effective samples
BLOCK = 100  # clusters read at once
Floats = NDArray[np.floating]
Rows = NDArray[np.bool_]


class Judged(NamedTuple):
    """What is found for one kind of cluster: their number and shares of them; `few` have few effective samples."""

    clusters: int
    holds_68: float
    holds_95: float
    failed: float
    few: float


def judge(archive: xr.Dataset, truth: Floats) -> dict[str, Judged]:
    """Return what is found, by the largest relative error of a cluster's bands, systematic included.

    A posterior has failed without a flag if its MAP is more than 1 dex from the true age, the true age is outside the
    central 99.7 %, and no flag doubts it.

    Args:
        archive: posteriors under a prior that is flat in log_age, log_mass and ebv.
        truth: (N, 3) of these, NaN for clusters that are left out.
    """
    rank, effective = ranks(archive, truth)
    age = archive["map"].sel(parameter="log_age").values
    doubted = (archive["flag"].values & ~np.int64(SAYS_NOTHING)) != 0
    wrong = (np.abs(age - truth[:, 0]) > WRONG_DEX) & ~_inside(rank, OUTSIDE)
    each = np.stack([_inside(rank, 0.68), _inside(rank, 0.95), wrong & ~doubted, effective < FEW], axis=1)
    known = np.isfinite(rank)
    return {name: _judged(each[kind & known]) for name, kind in _kinds(archive).items()}


def _judged(rows: Rows) -> Judged:
    shares = rows.mean(axis=0).tolist() if len(rows) else [np.nan] * rows.shape[1]
    return Judged(len(rows), *shares)


def ranks(archive: xr.Dataset, truth: Floats, flat: bool = False) -> tuple[Floats, Floats]:
    """Return the share of each cluster's weighted samples that are younger than the truth, and their effective number.

    Args:
        archive: as for `judge`.
        truth: (N, 3).
        flat: whether to leave the flat prior as it is.

    Returns:
        two (N,), NaN where there is no truth or no posterior.
    """
    n = archive.sizes["cluster"]
    rank, effective = np.full(n, np.nan), np.full(n, np.nan)
    for start in range(0, n, BLOCK):
        here = slice(start, min(start + BLOCK, n))
        block = archive.isel(cluster=here)
        theta = [block["theta"].sel(parameter=name).values.astype(np.float64) for name in NAMES]
        with np.errstate(invalid="ignore", divide="ignore"):
            log_prior = Population().log_density(*theta) + np.log(recognised(theta[0]))
            weight, lost = _normalised(0 * theta[0] if flat else log_prior)
            younger = (weight * (theta[0] < truth[here, :1])).sum(axis=1)
        good = np.isfinite(theta[0]).all(axis=1) & np.isfinite(truth[here]).all(axis=1)
        rank[here] = np.where(good, younger, np.nan)
        effective[here] = np.where(good, np.where(lost, 0, 1 / (weight**2).sum(axis=1)), np.nan)
    return rank, effective


def _normalised(log_weight: Floats) -> tuple[Floats, Rows]:
    """Return weights (N, S) of sum 1, and which clusters (N,) have none above zero and get equal ones."""
    highest = log_weight.max(axis=1, keepdims=True)
    lost = ~np.isfinite(highest[:, 0])
    weight = np.exp(np.where(lost[:, None], 0.0, log_weight - highest))
    return weight / weight.sum(axis=1, keepdims=True), lost


def _inside(rank: Floats, level: float) -> Rows:
    """Return which truths (N,) lie in the central interval of a level."""
    return np.asarray(np.abs(rank - 0.5) <= level / 2)


def _kinds(archive: xr.Dataset) -> Mapping[str, Rows]:
    """Return the clusters (N,) of each kind."""
    flux, sigma = archive["flux"].values, archive["sigma"].values
    with np.errstate(invalid="ignore", divide="ignore"):
        negative = ((flux < 0) | (archive["reason"].values == Reason.NEGATIVE)).any(axis=1)
        worst = np.nan_to_num(np.where(flux > 0, sigma / flux, 0.0)).max(axis=1)
    return {
        "all": np.full(len(flux), True),
        "all bands with r* < 0.35": ~negative & (worst < 0.35),
        "r* 0.35-0.5 in the worst band": ~negative & (worst >= 0.35) & (worst < 0.5),
        "some band with r* > 0.5": ~negative & (worst >= 0.5),
        "a negative flux": negative,
    }


def known_truth(archive: xr.Dataset, path: Path) -> Floats:
    """Return the truth (N, 3) of the archive's clusters that are no globulars."""
    truth = join_truth(archive.sel(parameter=list(NAMES)), [path])
    told = Table.read(path)
    if "component" in told.colnames:
        told = told[strings(told["component"]) == "globular"]
        globulars = set(zip(*(strings(told[name]).tolist() for name in ("galaxy", "cluster_id")), strict=True))
        mine = zip(archive["galaxy"].values.tolist(), archive["cluster_id"].values.tolist(), strict=True)
        truth[[key in globulars for key in mine]] = np.nan
    return truth


def printed(found: Mapping[str, Judged]) -> str:
    """Return the table of what was found."""
    whole = max(found["all"].clusters, 1)
    header = [
        "",
        "clusters",
        "share",
        "holds 68 %",
        "holds 95 %",
        "fails without a flag",
        f"fewer than {FEW} effective",
    ]
    return table(
        header,
        (
            [name, one.clusters, f"{100 * one.clusters / whole:.1f} %", *(f"{100 * share:.1f} %" for share in one[1:])]
            for name, one in found.items()
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("truth", type=Path)
    asked = parser.parse_args()
    archive = xr.open_zarr(asked.archive)
    print(printed(judge(archive, known_truth(archive, asked.truth))))


if __name__ == "__main__":
    main()
