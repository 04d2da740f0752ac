"""Tables of the agreement of posteriors with published fits and with the truth, by galaxy and band set."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from astropy.table import Table
from numpy.typing import NDArray

from hpcflow.calibration.recovery import CATASTROPHIC_DEX, best_mode
from hpcflow.store.flags import Reason
from hpcflow.store.kind import close, leading
from hpcflow.store.summary import has_posterior

__all__ = [
    "UV_ERROR",
    "clusters_against_published",
    "groups",
    "multimodal",
    "published_table",
    "truth_table",
    "uv_lost",
]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

LEVELS = (0.68, 0.95, 0.997)
UV_ERROR = 0.4  # relative error of a band below 350 nm above which a cluster's age rests on the other bands
UV = ("F275W", "F336W")
SECOND = 0.05  # smallest share of samples of a mode that counts


def groups(archive: xr.Dataset) -> Iterator[tuple[str, str, Bools]]:
    """Yield groups of clusters with a posterior: all, with and without missing bands, each band set, each galaxy.

    Yields:
        kind of the group, its name, and a mask (N,) of the clusters in it.
    """
    have = has_posterior(archive)
    yield "all", "all", have
    missing = (~archive["observed"].values & (archive["reason"].values != Reason.NO_BAND)).any(axis=1)
    # bands of other instruments are not missing
    yield "bands", "none missing", have & ~missing
    yield "bands", "some missing", have & missing
    meanings = str(archive["band_set"].attrs["flag_meanings"]).split()
    for number, name in enumerate(meanings):
        yield "band set", name, have & (archive["band_set"].values == number)
    for name in np.unique(archive["galaxy"].values).tolist():
        yield "galaxy", name, have & (archive["galaxy"].values == name)


def multimodal(archive: xr.Dataset) -> Bools:
    """Return which posteriors (N,) allow another value of the leading parameter, such as another age.

    In these a mode with at least the share `SECOND` of the samples is not close to the MAP (within 0.3 dex of age).
    """
    first = leading(archive.attrs)
    age, limit = archive["parameter"].values.tolist().index(first), close(archive.attrs, first)
    with np.errstate(invalid="ignore"):
        away = np.abs(archive["mode"].values[:, :, age] - archive["map"].values[:, None, age]) > limit
        return np.asarray((away & (archive["mode_share"].values >= SECOND)).any(axis=1))


def uv_lost(archive: xr.Dataset) -> Bools:
    """Return which clusters (N,) have a relative error above `UV_ERROR` in a near-ultraviolet band in use."""
    columns = [i for i, band in enumerate(archive["band"].values.tolist()) if str(band).endswith(UV)]
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(archive["sigma"].values / archive["flux"].values)[:, columns]
    return np.asarray((error > UV_ERROR).any(axis=1))


def published_table(archive: xr.Dataset) -> Table:
    """Return a table with a row for each group of clusters and each published parameter.

    Columns: of, group, parameter, clusters; bias and spread: median and half the central 68 % range of MAP minus
    published value; close and close_best: share of published values within 0.3 dex or 0.1 mag of the MAP and of the
    nearest mode; inside_68, _95, _997: share of published values in these central intervals of our marginals;
    ours_inside: share of our MAPs within one published standard deviation; widths: median deviation of the MAP in our
    standard deviations; chi2 and chi2_published: medians of the reduced chi^2; uv_lost: number of clusters with a UV
    error above 40 %.

    Args:
        archive: dataset from `summarise`.
    """
    rows = []
    lost, nearest = uv_lost(archive), {}
    for d, name in enumerate(archive["parameter"].values.tolist()):
        published, error = archive["published"].values[:, d], archive["published_error"].values[:, d]
        nearest[name] = best_mode(archive, archive["published"].values, name)[:, d]
        best, std = archive["map"].values[:, d], archive["std"].values[:, d]
        away, rank = best - published, 2 * np.abs(archive["published_rank"].values[:, d] - 0.5)
        for of, group, chosen in groups(archive):
            use = chosen & np.isfinite(away)
            if not use.any():
                continue
            quoted = use & np.isfinite(error) & (error > 0)
            low, middle, high = np.quantile(away[use], (0.16, 0.5, 0.84))
            limit = close(archive.attrs, name)
            row = {
                "of": of,
                "group": group,
                "parameter": name,
                "clusters": int(use.sum()),
                "bias": middle,
                "spread": (high - low) / 2,
                "close": _share(np.abs(away[use]) <= limit),
                "close_best": _share(np.abs(nearest[name] - published)[use] <= limit),
            }
            for level in LEVELS:
                row[f"inside_{100 * level:g}".replace(".", "")] = _share(rank[use] <= level)
            row |= {
                "ours_inside": _share((np.abs(away) <= error)[quoted]),
                "widths": float(np.median((np.abs(away) / std)[use])),
                "chi2": _median(archive["chi2_map"].values[use]),
                "chi2_published": _median(archive["published_chi2"].values[use]),
                "uv_lost": int((use & lost).sum()),
            }
            rows.append(row)
    return Table(rows=rows) if rows else Table()


def clusters_against_published(archive: xr.Dataset) -> Table:
    """Return a table with a row for each cluster that has a posterior and a published fit.

    Columns by parameter: published, published_error, map, nearest (mode), std, deviation in standard deviations, inside
    (level of the smallest central interval of our marginal with the published value); chi2, chi2_published, uv_lost
    and multimodal.

    Args:
        archive: dataset from `summarise`.
    """
    use = has_posterior(archive) & np.isfinite(archive["published"].values).any(axis=1)
    table = Table({name: archive[name].values[use] for name in ("galaxy", "cluster_id")})
    for d, name in enumerate(archive["parameter"].values.tolist()):
        published, best = archive["published"].values[:, d], archive["map"].values[:, d]
        std = archive["std"].values[:, d]
        columns = {
            "published": published,
            "published_error": archive["published_error"].values[:, d],
            "map": best,
            "nearest": best_mode(archive, archive["published"].values, name)[:, d],
            "std": std,
            "deviation": (best - published) / std,
            "inside": 2 * np.abs(archive["published_rank"].values[:, d] - 0.5),
        }
        for key, values in columns.items():
            table[f"{name}_{key}"] = np.asarray(values)[use]
    table["chi2"], table["chi2_published"] = archive["chi2_map"].values[use], archive["published_chi2"].values[use]
    table["uv_lost"], table["multimodal"] = uv_lost(archive)[use], multimodal(archive)[use]
    return table


def truth_table(archive: xr.Dataset, truth: Floats) -> Table:
    """Return a table of the recovery of the truth, with a row for each group of clusters.

    Columns: of, group, clusters; close: share of MAP ages within 0.3 dex; catastrophic and catastrophic_best: share of
    ages wrong by ten times or more, of the MAP and of the mode nearest in age; marked: share of the catastrophic MAPs
    whose posterior is multimodal, NaN if there are none; multimodal: share of all clusters; by parameter: bias and
    spread of the MAP, and covers_68 and flow_68: share of truths in the central 68 % interval of the posterior and,
    where samples were weighted, of the flow's own samples.

    Args:
        archive: dataset from `summarise`.
        truth: (N, D) true parameters, NaN where unknown.
    """
    names = archive["parameter"].values.tolist()
    away = archive["map"].values - truth
    best = best_mode(archive, truth) - truth
    several, age, rows = multimodal(archive), names.index(leading(archive.attrs)), []
    inside = {
        short: (truth >= archive[name].values[:, 0]) & (truth <= archive[name].values[:, 2])
        for name, short in (("quantile", "covers_68"), ("quantile_flow", "flow_68"))
        if name in archive
    }
    for of, group, chosen in groups(archive):
        use = chosen & np.isfinite(truth).all(axis=1)
        if not use.any():
            continue
        wrong = use & (np.abs(away[:, age]) >= CATASTROPHIC_DEX)
        row: dict[str, object] = {
            "of": of,
            "group": group,
            "clusters": int(use.sum()),
            "close": _share(np.abs(away[use, age]) <= close(archive.attrs, names[age])),
            "catastrophic": _share(wrong[use]),
            "catastrophic_best": _share(np.abs(best[use, age]) >= CATASTROPHIC_DEX),
            "marked": _share(several[wrong]),
            "multimodal": _share(several[use]),
        }
        for d, name in enumerate(names):
            low, middle, high = np.quantile(away[use, d], (0.16, 0.5, 0.84))
            row |= {f"{name}_bias": middle, f"{name}_spread": (high - low) / 2}
            row |= {f"{name}_{short}": _share(values[use, d]) for short, values in inside.items()}
        rows.append(row)
    return Table(rows=rows) if rows else Table()


def _share(which: Bools) -> float:
    return float(which.mean()) if len(which) else float("nan")


def _median(values: Floats) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")
