"""Errors that users can act on, and their exit codes."""

import signal

__all__ = [
    "DamagedRunError",
    "DivergedError",
    "FailedPartitionsError",
    "FetchError",
    "HpcflowError",
    "InputError",
    "Interrupted",
    "LimitError",
    "LostRankError",
    "MiscalibratedError",
    "SchedulerError",
]


class HpcflowError(Exception):
    """Anything that the user can fix; the text is one sentence: what is wrong, where, and what to do."""

    exit_code = 2


class InputError(HpcflowError):
    """A config, catalogue, table or run folder cannot be used; nothing was written."""


class FailedPartitionsError(HpcflowError):
    """Some partitions were set aside with their reasons; all the others are finished."""

    exit_code = 1


class FetchError(HpcflowError):
    """A file could not be fetched; earlier ones are kept."""

    exit_code = 1


class DamagedRunError(HpcflowError):
    """A run's stores are not what was written; damaged partitions are marked as missing, to be computed again."""

    exit_code = 1


class DivergedError(HpcflowError):
    """Training diverged repeatedly, however small its steps; nothing of it is kept."""

    exit_code = 1


class Interrupted(HpcflowError):  # noqa: N818  # nothing is wrong: it was asked for
    """A stage was asked to stop, and saved what it needs to resume.

    Args:
        sentence: what was stopped, and how to go on.
        number: the signal that asked; with Ctrl-C, the exit code is that of the shell's own commands.
    """

    def __init__(self, sentence: str, number: int) -> None:
        super().__init__(sentence)
        self.exit_code = 130 if number == signal.SIGINT else 1


class LostRankError(HpcflowError):
    """Another process of this training has died."""

    exit_code = 1


class LimitError(HpcflowError):
    """The machine allows less than is needed: room on the disk, memory, open files; finished results are kept."""


class MiscalibratedError(HpcflowError):
    """A flow does not meet `validate.require`; the record of its calibration is kept."""

    exit_code = 1


class SchedulerError(HpcflowError):
    """The cluster's scheduler does not answer in time; finished results are kept."""

    exit_code = 1
