"""A simulator of your own: replace this afterglow of an explosion by whatever you look at.

hpcflow calls it with many rows at once, in a process of its own. A row that raises, or whose fluxes are not positive
and finite, counts as failed. The same parameters must give the same fluxes: noise, and what scales all fluxes, are
added later.
"""

import numpy as np

NU = np.array([6.3, 4.8, 3.9, 3.3])  # frequencies of the bands in 1e14 Hz


class Afterglow:
    """A power law in frequency whose light rises and falls, as a log-normal, with the time since the explosion."""

    parameters = ("slope", "log_time", "width")  # columns of theta, as named in the config
    bands = ("g", "r", "i", "z")  # columns of the fluxes

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """Return fluxes (N, 4) in mJy at the reference distance, for theta (N, 3)."""
        slope, log_time, width = theta.T[:, :, None]
        light = np.exp(-0.5 * (log_time / width) ** 2)
        return light * (NU / 4.0) ** -slope
