"""What a record of calibration says, in numbers: loss, gap to the exact posterior, coverage."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.store.strata import strata
from hpcflow.store.validation import ValidationStore

__all__ = ["Finding", "coverage", "describe", "gap", "negative_log_likelihood"]


class Finding(NamedTuple):
    """A mean with its standard error, over n simulations."""

    mean: float
    error: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} +- {self.error:.3f}"


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
    return found | {name: _finding(whole[rows]) for name, rows in kinds.items()}


def coverage(ds: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Return by parameter the share of truths inside the central 68 % interval, and its standard error."""
    low, high = (ds["quantile"].values[:, i] for i in (0, 2))
    inside = ((ds["truth"].values > low) & (ds["truth"].values < high)).mean(axis=0)
    n, names = ds.sizes["simulation"], ds["parameter"].values.tolist()
    return {name: (float(p), float(np.sqrt(p * (1 - p) / n))) for name, p in zip(names, inside, strict=True)}


def _finding(values: NDArray[np.floating]) -> Finding:
    n = len(values)
    return Finding(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"), n)
