"""The coded values and flags of the archive, the thresholds of the flags, and their CF attributes."""

from enum import IntEnum, IntFlag
from typing import Any

__all__ = [
    "ERROR_MARGIN",
    "LARGEST_ERROR",
    "LEAST_BANDS",
    "LEAST_EFFECTIVE",
    "LEAST_P",
    "MEANINGS",
    "MOST_SCATTER",
    "POOR_CHI2",
    "PRESSED",
    "PRIOR_MARGIN",
    "SPELT",
    "Classifier",
    "Flag",
    "Reason",
    "Refined",
    "flag_attributes",
    "value_attributes",
]

# The thresholds are defined only here: code that sets flags imports them, and the meanings below quote them.
LEAST_BANDS = 2  # usable bands
MOST_SCATTER = 3.0  # standard deviations from the nearest true flux beyond which a flux counts as unexplained
POOR_CHI2 = 10.0  # reduced chi^2
LEAST_EFFECTIVE = 100.0  # effective samples; with fewer, weighted quantiles err by a tenth of a standard deviation
LEAST_P = 1e-3  # predictive p-value
LARGEST_ERROR = 0.35  # relative error above which log-normal noise is far from what catalogues have
PRESSED = 0.5  # fraction of the posterior next to an edge of training that counts as pressed against it
PRIOR_MARGIN = 0.02  # fraction of the prior's range that is next to its edge
ERROR_MARGIN = 0.1  # relative distance from the largest or smallest error in training that is next to it


class Reason(IntEnum):
    """Why a band of a cluster is not used, or OK if it is."""

    OK = 0
    NO_COVERAGE = 1
    NOT_DETECTED = 2
    NOT_FINITE = 3
    NEGATIVE = 4
    BAD_ERROR = 5
    NO_BAND = 6
    FAINT = 7


class Classifier(IntEnum):
    """Who classified a cluster."""

    UNKNOWN = 0
    HUMAN = 1
    MACHINE = 2


class Refined(IntEnum):
    """Where a cluster's values come from, if not from its first samples and their weights."""

    NONE = 0
    MORE_SAMPLES = 1
    EXACT_GRID = 2
    UNWEIGHTED = 3  # the model cannot produce any of the flow's samples


class Flag(IntFlag):
    """Bits of the archive's `flag`; 0 if no warning applies."""

    MISSING_BAND = 1
    NOT_DETECTED = 2
    BAD_VALUE = 4
    TOO_FEW_BANDS = 8
    ERROR_OUTSIDE_TRAINING = 16
    GIVEN_OUTSIDE_TRAINING = 32
    FLUX_OUTSIDE_TRAINING = 64
    BANDS_OUTSIDE_TRAINING = 128
    POOR_FIT = 256
    FAILED = 512
    LOW_EFFICIENCY = 1024
    UNLIKELY = 2048
    UPPER_LIMIT = 4096
    NOT_GIVEN = 8192
    PRIOR_EDGE = 16384
    LARGEST_ERROR_EDGE = 32768
    SMALLEST_ERROR_EDGE = 65536
    IMPOSSIBLE = 131072
    UNSEEN_FILTER = 262144


SPELT = ("no", "one", "two", "three", "four", "five")
MEANINGS = {
    Flag.MISSING_BAND: "a band of the model has no coverage or is not in the catalogue",
    Flag.NOT_DETECTED: (
        "a band's flux is not positive, is marked as undetected or, under log-normal noise, has an error above "
        f"{LARGEST_ERROR:.0%}; the band is left out"
    ),
    Flag.BAD_VALUE: "a band's flux or error is not a usable number; the band is left out",
    Flag.TOO_FEW_BANDS: f"fewer than {SPELT[LEAST_BANDS]} usable bands: no posterior",
    Flag.ERROR_OUTSIDE_TRAINING: (
        "a band's relative error is outside the range in training; under log-normal noise, no error in that range "
        f"explains its flux and error within {MOST_SCATTER:g} sigma"
    ),
    Flag.GIVEN_OUTSIDE_TRAINING: "what is given, such as the distance, is outside the range the flow was trained on",
    Flag.FLUX_OUTSIDE_TRAINING: (
        f"a flux is fainter or brighter than any in training by more than {MOST_SCATTER:g} sigma"
    ),
    Flag.BANDS_OUTSIDE_TRAINING: "the flow was never trained without this cluster's missing bands: no posterior",
    Flag.POOR_FIT: f"the reduced chi^2 of the re-simulated MAP is above {POOR_CHI2:g}",
    Flag.FAILED: "the computation failed: no posterior",
    Flag.LOW_EFFICIENCY: (
        f"fewer than {LEAST_EFFECTIVE:g} effective samples: the flow is far from the exact posterior here"
    ),
    Flag.UNLIKELY: f"predictive p-value below {LEAST_P:g}: the model rarely produces such photometry",
    Flag.UPPER_LIMIT: "a band is undetected and counts as an upper limit: its flux may be zero or negative",
    Flag.NOT_GIVEN: "what else posteriors depend on, such as the distance, is unknown: no posterior until it is given",
    Flag.PRIOR_EDGE: (
        f"more than {PRESSED:.0%} of the posterior lies within {PRIOR_MARGIN:.0%} of the prior's range from one of its "
        "bounds; prior_edge says from which"
    ),
    Flag.LARGEST_ERROR_EDGE: (
        f"in some band, more than {PRESSED:.0%} of the posterior needs a true relative error within {ERROR_MARGIN:.0%} "
        "of the largest in training"
    ),
    Flag.SMALLEST_ERROR_EDGE: (
        f"in some band, more than {PRESSED:.0%} of the posterior needs a true relative error within {ERROR_MARGIN:.0%} "
        "of the smallest in training"
    ),
    Flag.IMPOSSIBLE: "no source within the priors can have such photometry: no posterior",
    Flag.UNSEEN_FILTER: (
        "the flow was not trained with the filter of a band, and knows it only by the fluxes of models in it"
    ),
}


def flag_attributes() -> dict[str, Any]:
    """Return the CF attributes of a variable that holds a `Flag` (CF conventions, sect. 3.5)."""
    return {
        "flag_masks": [int(flag) for flag in Flag],
        "flag_meanings": " ".join(str(flag.name).lower() for flag in Flag),
        "comment": "; ".join(f"{int(flag)}: {MEANINGS[flag]}" for flag in Flag),
    }


def value_attributes(values: type[IntEnum]) -> dict[str, Any]:
    """Return the CF attributes of a variable that holds one of several values.

    >>> value_attributes(Refined)
    {'flag_values': [0, 1, 2, 3], 'flag_meanings': 'none more_samples exact_grid unweighted'}
    """
    return {
        "flag_values": [int(value) for value in values],
        "flag_meanings": " ".join(value.name.lower() for value in values),
    }
