"""What can go wrong for a user, and the exit code that says so."""

__all__ = [
    "DamagedRunError",
    "DiskFullError",
    "DivergedError",
    "FailedPartitionsError",
    "FetchError",
    "HpcflowError",
    "InputError",
    "Interrupted",
    "LostRankError",
    "MiscalibratedError",
    "SchedulerError",
]


class HpcflowError(Exception):
    """Anything the user can mend; its text is one sentence: what, where, what to do."""

    exit_code = 2


class InputError(HpcflowError):
    """A config, catalogue, table or run folder is not what it has to be; nothing was written."""


class FailedPartitionsError(HpcflowError):
    """Some partitions were set aside with their reasons; all the others are finished."""

    exit_code = 1


class FetchError(HpcflowError):
    """A file could not be fetched; those that came before it are kept."""

    exit_code = 1


class DamagedRunError(HpcflowError):
    """What a run keeps is not what was written; what its stages can make anew is marked as missing."""

    exit_code = 1


class DivergedError(HpcflowError):
    """Training lost its way again and again, however small its steps; nothing of it is kept."""

    exit_code = 1


class Interrupted(HpcflowError):  # noqa: N818  # nothing is wrong: it was asked for
    """A stage was asked to stop, and has saved what it needs to go on."""

    exit_code = 1


class LostRankError(HpcflowError):
    """A process that works together with this one is gone."""

    exit_code = 1


class DiskFullError(HpcflowError):
    """There is no room for results; what is finished is kept."""

    exit_code = 1


class MiscalibratedError(HpcflowError):
    """A flow is not as right as `validate.require` wants it; the record of what was found is kept."""

    exit_code = 1


class SchedulerError(HpcflowError):
    """The cluster's scheduler does not answer, or not in time; what is finished is kept."""

    exit_code = 1
