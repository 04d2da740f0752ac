"""The config of those who have none: that of a shipped run, or of a flow that is named, in the bands that they have."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.config.load import load_yaml
from hpcflow.stages.flow_bands import in_bands
from hpcflow.stages.init import shipped_configs
from hpcflow.stages.same_model import trained_config
from hpcflow.stages.which import flow_named

__all__ = ["default_config", "widened"]

BASE = "legus-ngc1566"  # the shipped config whose priors, noise and settings are taken over
MISSING = 0.05  # so that a cluster may lack bands
MARGIN = 1.25  # by which the range of distances exceeds those of a catalogue, where the usual one is too narrow


def default_config(bands: Mapping[str, str] | None = None, flow: str | None = None) -> dict[str, Any]:
    """Return the plain values of a config for some bands.

    Args:
        bands: label -> curve; if None, those of the flow or the shipped run.
        flow: the flow whose model and observations are taken, as `infer.flow` names it; if None the posterior is exact.

    Raises:
        InputError: if there is no such flow, or it does not know a band.
    """
    base = load_yaml(shipped_configs()[BASE])
    if flow is not None:
        trained = trained_config(flow_named(flow))
        plain = {key: value for key, value in trained.plain().items() if key in ("source", "model", "observe")}
        taken = plain if bands is None else in_bands(trained, bands)
        return base | taken | {"infer": base["infer"] | {"flow": flow}}
    model = base["model"] | ({} if bands is None else {"bands": dict(bands)})
    observe = base["observe"] | {"missing": MISSING}
    # The exact posterior needs neither a library nor a flow.
    return base | {"model": model, "observe": observe, "infer": base["infer"] | {"posterior": "exact"}}


def widened(usual: Sequence[float], distance: NDArray[np.floating]) -> list[float]:
    """Return a range in Mpc that holds the usual one and distances (N,), those known.

    >>> widened([1, 30], np.array([0.5, 12.0, np.nan]))
    [0.4, 30]
    """
    near, far = np.nanmin(distance), np.nanmax(distance)
    low = usual[0] if near >= usual[0] else float(f"{near / MARGIN:.2g}")
    high = usual[1] if far <= usual[1] else float(f"{far * MARGIN:.2g}")
    return [low, high]
