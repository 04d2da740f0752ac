"""A kind of source that hpcflow does not know: a damped oscillation, looked at six times ("bands") after a delay."""

from collections import Counter
from typing import Any

import numpy as np

from hpcflow.model.scale import Given, Scale
from hpcflow.sources.source import Declared, Engine, Source

__all__ = ["BANDS", "OSCILLATION", "Oscillator"]

TIMES = np.arange(1.0, 7.0)
BANDS = {f"t{time:g}": "" for time in TIMES}


class Oscillator:
    """exp(-damping t) (1.5 + cos(frequency t + phase)) at the times t, the delay later."""

    def __init__(self, *, bands: Any, parameters: tuple[str, ...], **_: Any) -> None:
        self.parameters, self.bands = parameters, tuple(bands)
        self.provenance = {"simulator": "oscillation"}
        self.reasons = Counter[str]()

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        of = dict(zip(self.parameters, theta.astype(np.float64).T[..., None], strict=True))
        time = TIMES + of["delay"]
        wave = 1.5 + np.cos(of["frequency"] * time + of["phase"])
        return np.exp(-of["damping"] * time) * wave


OSCILLATION = Source(
    name="oscillation",
    plural="damped oscillations",
    parameters=(
        Declared("log_amplitude", -1.0, 1.0, long_name="log10 of the amplitude", short="log amplitude"),
        Declared("frequency", 0.2, 1.4, "Hz", edges=(0.6, 1.0)),
        Declared("damping", 0.05, 0.5, "Hz"),
        Declared("phase", 0.0, 6.283, "rad"),
    ),
    scale=Scale("log_amplitude", (Given("delay", 0.0, 1.0, "s", "time before the first look", simulated=True),)),
    leading="frequency",
    simulators={"oscillation": Engine(Oscillator)},
    planes={"frequency-damping": ("frequency", "damping")},
)
