"""What can be said against a cluster's posterior, as CF flags: one bit each, with a meaning."""

from enum import IntEnum, IntFlag

__all__ = ["Classifier", "Flag", "Reason", "flag_attributes", "reason_attributes"]


class Reason(IntEnum):
    """Why a band of a cluster is not used; OK where it is."""

    OK = 0
    NO_COVERAGE = 1
    NOT_DETECTED = 2
    NOT_FINITE = 3
    NEGATIVE = 4
    BAD_ERROR = 5
    NO_BAND = 6


class Classifier(IntEnum):
    """Who classified a cluster."""

    UNKNOWN = 0
    HUMAN = 1
    MACHINE = 2


class Flag(IntFlag):
    """Bits of the archive's `flag`; 0 is a cluster with nothing to say against it."""

    MISSING_BAND = 1
    NOT_DETECTED = 2
    BAD_VALUE = 4
    TOO_FEW_BANDS = 8
    ERROR_OUTSIDE_TRAINING = 16
    DISTANCE_OUTSIDE_TRAINING = 32
    FLUX_OUTSIDE_TRAINING = 64
    BANDS_OUTSIDE_TRAINING = 128
    POOR_FIT = 256
    FAILED = 512
    LOW_EFFICIENCY = 1024
    UNLIKELY = 2048
    UPPER_LIMIT = 4096


MEANINGS = {
    Flag.MISSING_BAND: "a band of the model has no coverage or is not in the catalogue",
    Flag.NOT_DETECTED: "a band's flux is not positive or is marked as not detected; the band is left out",
    Flag.BAD_VALUE: "a band's flux or error is not a usable number; the band is left out",
    Flag.TOO_FEW_BANDS: "fewer than two usable bands: no posterior",
    Flag.ERROR_OUTSIDE_TRAINING: "no error the flow was trained on explains a band's flux and error within 3 sigma",
    Flag.DISTANCE_OUTSIDE_TRAINING: "the distance is outside the range the flow was trained on",
    Flag.FLUX_OUTSIDE_TRAINING: "a flux is fainter or brighter than any in training by more than 3 sigma",
    Flag.BANDS_OUTSIDE_TRAINING: "the flow was never trained without this cluster's missing bands: no posterior",
    Flag.POOR_FIT: "the reduced chi^2 of the re-simulated MAP is above 10",
    Flag.FAILED: "the computation failed: no posterior",
    Flag.LOW_EFFICIENCY: "fewer than 100 effective samples: the flow is far from the exact posterior here",
    Flag.UNLIKELY: "predictive p-value below 0.001: the model hardly makes such photometry",
    Flag.UPPER_LIMIT: "a band is not detected and counts as an upper limit: its flux may be zero or negative",
}


def flag_attributes() -> dict[str, object]:
    """Return the CF attributes of a flag variable (CF conventions, sect. 3.5)."""
    return {
        "flag_masks": [int(flag) for flag in Flag],
        "flag_meanings": " ".join(str(flag.name).lower() for flag in Flag),
        "comment": "; ".join(f"{int(flag)}: {MEANINGS[flag]}" for flag in Flag),
    }


def reason_attributes() -> dict[str, object]:
    """Return the CF attributes of a variable that holds a `Reason` per band."""
    return {
        "flag_values": [int(reason) for reason in Reason],
        "flag_meanings": " ".join(reason.name.lower() for reason in Reason),
    }
