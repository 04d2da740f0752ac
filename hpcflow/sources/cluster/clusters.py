"""Star clusters as a kind of source."""

from hpcflow.sources.cluster.parameters import EBV, LOG_AGE, LOG_MASS, PARAMETERS, SCALE
from hpcflow.sources.cluster.priors import PRIORS
from hpcflow.sources.cluster.simulators import SIMULATORS, build_derived
from hpcflow.sources.source import Source

__all__ = ["CLUSTER"]

CLUSTER = Source(
    name="cluster",
    plural="star clusters",
    parameters=PARAMETERS,
    scale=SCALE,
    leading=LOG_AGE,
    simulators=SIMULATORS,
    in_galaxies=True,
    absolute_mag=(-13.5, -2.5),
    priors=PRIORS,
    planes={"age-mass": (LOG_AGE, LOG_MASS), "age-reddening": (LOG_AGE, EBV)},
    examples={"young": 6.6, "intermediate": 8.0, "old": 9.8},
    derive=build_derived,
)
