"""How posteriors agree with published fits and with the truth, in numbers: for all clusters, galaxies and band sets."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from astropy.table import Table
from numpy.typing import NDArray

from hpcflow.calibration.recovery import CATASTROPHIC_DEX, CLOSE_DEX, best_mode
from hpcflow.store.flags import Reason
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
CLOSE = {"log_age": CLOSE_DEX, "log_mass": CLOSE_DEX, "ebv": 0.1}
UV_ERROR = 0.4  # relative error of a band bluewards of 350 nm above which a cluster's age rests on the others
UV = ("F275W", "F336W")
SECOND = 0.05  # share of samples of a mode that counts


def groups(archive: xr.Dataset) -> Iterator[tuple[str, str, Bools]]:
    """Give sets of clusters with a posterior: all, with and without missing bands, each band set, each galaxy.

    Yields:
        what the set is of, its name, and which clusters (N,) are in it.
    """
    have = has_posterior(archive)
    yield "all", "all", have
    missing = (~archive["observed"].values & (archive["reason"].values != Reason.NO_BAND)).any(axis=1)
    # bands of other instruments are not missed
    yield "bands", "none missing", have & ~missing
    yield "bands", "some missing", have & missing
    meanings = str(archive["band_set"].attrs["flag_meanings"]).split()
    for number, name in enumerate(meanings):
        yield "band set", name, have & (archive["band_set"].values == number)
    for name in np.unique(archive["galaxy"].values).tolist():
        yield "galaxy", name, have & (archive["galaxy"].values == name)


def multimodal(archive: xr.Dataset) -> Bools:
    """Return which posteriors (N,) say themselves that the age may be another.

    A mode with `SECOND` of their samples or more is farther than 0.3 dex in age from the MAP.
    """
    age = archive["parameter"].values.tolist().index("log_age")
    with np.errstate(invalid="ignore"):
        away = np.abs(archive["mode"].values[:, :, age] - archive["map"].values[:, None, age]) > CLOSE_DEX
        return np.asarray((away & (archive["mode_share"].values >= SECOND)).any(axis=1))


def uv_lost(archive: xr.Dataset) -> Bools:
    """Return which clusters (N,) have an error above `UV_ERROR` in a band of the near ultraviolet that was used."""
    columns = [i for i, band in enumerate(archive["band"].values.tolist()) if str(band).endswith(UV)]
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(archive["sigma"].values / archive["flux"].values)[:, columns]
    return np.asarray((error > UV_ERROR).any(axis=1))


def published_table(archive: xr.Dataset) -> Table:
    """Return a row for each group of clusters and each parameter that was published.

    Columns: of, group, parameter, clusters; bias and spread: median and half the central 68 % of MAP less published;
    close and close_best: share within 0.3 dex or 0.1 mag of the MAP and of the mode nearest to the published value;
    inside_68, _95, _997: share of published values in those central parts of our marginals; ours_inside: share of our
    MAPs within one published standard deviation; widths: median deviation of the MAP in our standard deviations; chi2
    and chi2_published: medians of the reduced chi^2; uv_lost: clusters with a UV error above 40 %.

    Args:
        archive: as `summarise` makes it.
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
            limit = CLOSE.get(name, np.inf)
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
    """Return a row for each cluster with a posterior and a published fit: both, their deviation, and what marks it.

    Columns by parameter: published, published_error, map, nearest (mode), std, deviation in standard deviations, inside
    (the smallest central part of our marginal that holds the published value); chi2, chi2_published, uv_lost and
    multimodal.

    Args:
        archive: as `summarise` makes it.
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
    """Return a row for each group of clusters: how well their truth is found.

    Columns: of, group, clusters; close: share of MAP ages within 0.3 dex; catastrophic and catastrophic_best: share
    wrong by ten times or more of the MAP and of the mode nearest in age; marked: of the former, the share whose
    posterior is multimodal, NaN where there are none; multimodal: the share of all; by parameter: bias and spread of
    the MAP, covers_68: share of truths in the central 68 % of the samples; weighted_68: of the weighted ones.

    Args:
        archive: as `summarise` makes it.
        truth: (N, D) true parameters, NaN where unknown.
    """
    names = archive["parameter"].values.tolist()
    away = archive["map"].values - truth
    best = best_mode(archive, truth) - truth
    several, age, rows = multimodal(archive), names.index("log_age"), []
    inside = {
        short: (truth >= archive[name].values[:, 0]) & (truth <= archive[name].values[:, 2])
        for name, short in (("quantile", "covers_68"), ("weighted_quantile", "weighted_68"))
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
            "close": _share(np.abs(away[use, age]) <= CLOSE_DEX),
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
