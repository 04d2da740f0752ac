"""Try a simulator of one's own on a few draws from the prior, before anything is written."""

import time
from collections.abc import Iterator

import numpy as np

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import rng_for
from hpcflow.config.load import Config
from hpcflow.sources.own.own import OWN, build_own
from hpcflow.stages.build import build_simulated, simulated_names

__all__ = ["rehearse"]

DRAWS = 100


def rehearse(config: Config) -> Iterator[str]:
    """Yield what a simulator of one's own does with a hundred draws from the prior; nothing for other simulators.

    Raises:
        InputError: if it cannot be used: it raises, hangs, has no usable flux at all, or gives other fluxes the second
            time.
    """
    if config.source != OWN:
        return
    model, prior, names = config.model, build_simulated(config), simulated_names(config)
    theta = prior.sample(DRAWS, rng_for(config.simulate.seed, "rehearsal"))[:, prior.index(names)]
    simulator = build_own(
        simulator=model.simulator,
        bands=model.bands,
        parameters=names,
        timeout_s=config.simulate.timeout_s,
        deaths=0,
    )
    try:
        begun = time.monotonic()
        first = simulator(theta)
        each = (time.monotonic() - begun) / DRAWS
        reasons = dict(simulator.reasons)
        again = simulator(theta[::-1])[::-1]
    except RuntimeError as e:
        raise InputError(f"model.simulator: {model.simulator} fails on draws from the prior ({e}); correct it") from e
    failed = int((~np.isfinite(first).all(axis=1)).sum())
    said = "; ".join(f"{reason} ({count})" for reason, count in reasons.items())
    if failed == DRAWS:
        raise InputError(f"model.simulator: {model.simulator} fails on every draw from the prior: {said}; correct it")
    if not np.array_equal(first, again, equal_nan=True):
        raise InputError(
            f"model.simulator: {model.simulator} gives other fluxes for the same parameters, or in another order; "
            "draw nothing at random in it, and leave noise to hpcflow"
        )
    yield f"{model.simulator}: {1e3 * each:.3g} ms a row, so {_span(each * config.simulate.n)} of one processor for all"
    if failed:
        yield f"{failed} of {DRAWS} draws from the prior cannot be simulated: {said}"


def _span(seconds: float) -> str:
    """Return a time in words.

    >>> _span(7200)
    '2 hours'
    """
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size or (unit == "minutes" and seconds >= 60):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
