"""What a record of calibration says, in numbers: loss, gap to the exact posterior, coverage."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.store.ranks import ecdf_difference
from hpcflow.store.strata import strata
from hpcflow.store.validation import ValidationStore

__all__ = ["Excursion", "Finding", "coverage", "describe", "excursions", "gap", "negative_log_likelihood", "statistics"]


class Finding(NamedTuple):
    """A mean with its standard error, over n simulations."""

    mean: float
    error: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} +- {self.error:.3f}"


class Excursion(NamedTuple):
    """How far ranks are from uniform: the largest ECDF difference, and the share of it outside its 1-99 % band."""

    largest: float
    outside: float


def describe(path: Path) -> Iterator[str]:
    """Say what a record of calibration holds, a line at a time."""
    with ValidationStore.open(path).dataset() as ds:
        nll = negative_log_likelihood(ds)
        yield f"negative log-likelihood {nll} nats, of {nll.n} held-out simulations"
        found = gap(ds)
        if found:
            whole, *parts = ((name, value) for name, value in found.items())
            yield f"gap to the exact posterior {whole[1]} nats, of {whole[1].n}"
            yield from (f"gap, {name}: {value}" for name, value in parts)
        else:
            yield f"gap not computed: {ds.attrs['exact_says'] if not ds.attrs['exact'] else 'nothing is finished'}"
        for name, (largest, outside) in excursions(ds).items():
            yield f"ranks of {name}: ECDF off by {largest:.4f} at most, {100 * outside:.0f} % outside the 1-99 % band"
        for name, (share, error) in coverage(ds).items():
            yield f"the 68 % interval of {name} holds {100 * share:.1f} +- {100 * error:.1f} % of the truths"


def negative_log_likelihood(ds: xr.Dataset) -> Finding:
    """Return the mean of -log q of the truths, in nats per simulation."""
    return _finding(-ds["log_q"].values.astype(float))


def gap(ds: xr.Dataset) -> dict[str, Finding]:
    """Return the mean of log p - log q: of all, of each parameter given those before it, and of every stratum.

    Empty where no exact density was computed.
    """
    compared = ds.isel(simulation=np.flatnonzero(np.isfinite(ds["log_p"].values)))
    if not compared.sizes["simulation"]:
        return {}
    parts = compared["gap"].sel(parameter=compared["gap"].attrs["order"])
    whole = parts.values.astype(float).sum(axis=1)
    found = {"all": _finding(whole)}
    names: list[str] = []
    for name, values in zip(parts["parameter"].values.tolist(), parts.values.T.astype(float), strict=True):
        found[f"{name} | {', '.join(names)}" if names else name] = _finding(values)
        names.append(name)
    log_age = compared["truth"].sel(parameter="log_age").values
    kinds = strata(compared["error"].values, log_age, compared["bands"].values.astype(int))
    return found | {name: _finding(whole[rows]) for name, rows in kinds.items() if rows.sum() > 1}


def statistics(validation: xr.Dataset) -> dict[str, NDArray[np.floating]]:
    """Return the ranks (N,) of each parameter and, where they are there, of the products of two.

    These are the six statistics of Walter et al. 2026, sect. 3.1.
    """
    found = {str(name): validation["rank"].sel(parameter=name).values for name in validation["parameter"].values}
    if "rank_product" in validation:
        product = validation["rank_product"]
        found |= {str(name): product.sel(statistic=name).values for name in product["statistic"].values}
    return found


def excursions(ds: xr.Dataset) -> dict[str, Excursion]:
    """Return for each of the six statistics how far its ranks are from uniform."""
    found = {}
    for name, rank in statistics(ds).items():
        _, difference, low, high = ecdf_difference(rank, int(ds.attrs["samples"]))
        found[name] = Excursion(
            float(np.abs(difference).max()), float(((difference < low) | (difference > high)).mean())
        )
    return found


def coverage(ds: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Return by parameter the share of truths inside the central 68 % interval, and its standard error."""
    low, high = (ds["quantile"].values[:, i] for i in (0, 2))
    inside = ((ds["truth"].values > low) & (ds["truth"].values < high)).mean(axis=0)
    n, names = ds.sizes["simulation"], ds["parameter"].values.tolist()
    return {name: (float(p), float(np.sqrt(p * (1 - p) / n))) for name, p in zip(names, inside, strict=True)}


def _finding(values: NDArray[np.floating]) -> Finding:
    n = len(values)
    return Finding(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"), n)
