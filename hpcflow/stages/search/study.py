"""The trials of a search, in a journal that many processes may write at once (the only optuna import).

A tree-structured Parzen estimator (Bergstra et al. 2011) proposes the values of trials, and Hyperband (Li et al. 2018,
arXiv:1603.06560) stops poor ones early. Each trial fills one of the slots 0 .. N - 1; a slot is missing until a trial
in it finishes, however many were killed before. The journal is lines of JSON; nothing is pickled.
"""

import math
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hpcflow.base.errors import HpcflowError, InputError
from hpcflow.base.partitions import rng_for
from hpcflow.config.load import Axis
from hpcflow.stages.search.results import Trial

if TYPE_CHECKING:
    from optuna import Trial as OpenTrial
    from optuna.samplers import TPESampler
    from optuna.trial import FrozenTrial

__all__ = ["Objective", "Report", "Study", "import_optuna", "mend"]

NAME = "hpcflow"
JOURNAL = "journal.log"
KEEP = 3  # one trial in so many continues at each rung of Hyperband;
RUNGS = 3  # its brackets begin to stop trials at 1/9 and 1/3 of the steps; the last stops none
SLOT, REASON = "slot", "reason"

Report = Callable[[int, float], None]  # step, validation NLL in nats
Objective = Callable[[dict[str, Any], Report], float]  # values by dotted key -> lowest NLL


def import_optuna() -> ModuleType:
    """Import optuna, an optional dependency, and return it.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import optuna
    except ImportError as e:
        raise InputError(
            'a search needs optuna, which is not installed; run pip install "starcluster-hpcflow[search]"'
        ) from e
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


class Study:
    """A study in a folder; every process that works on it opens its own.

    Args:
        folder: where the journal is or will be.
        seed: seed of all random numbers.
        steps: number of steps of a trial that is not stopped early.

    Raises:
        InputError: if optuna is not installed, or the journal cannot be read.
    """

    def __init__(self, folder: Path, seed: int, steps: int) -> None:
        self._optuna, self._seed, self._steps = import_optuna(), seed, steps
        journal = self._optuna.storages.journal
        path = str((folder / JOURNAL).resolve())
        pruner = self._optuna.pruners.HyperbandPruner(
            min_resource=max(1, steps // KEEP ** (RUNGS - 1)), max_resource=steps, reduction_factor=KEEP
        )
        try:
            storage = self._optuna.storages.JournalStorage(
                journal.JournalFileBackend(path, journal.JournalFileOpenLock(path))
            )
            self._study = self._optuna.create_study(
                study_name=NAME, storage=storage, pruner=pruner, direction="minimize", load_if_exists=True
            )
        except (ValueError, KeyError) as e:
            raise InputError(f"{path} is damaged ({e}); remove {folder} to start a new search") from e

    def trials(self) -> list[Trial]:
        """Return all trials, in the order in which they began."""
        return [_plain(trial) for trial in self._study.get_trials(deepcopy=False)]

    def fail_running(self) -> int:
        """Mark trials whose processes are gone as failed, and return their number; no trial may be running."""
        running = [trial for trial in self.trials() if trial.state == "running"]
        for trial in running:
            self._set_aside(trial)
        return len(running)

    def attempt(self, slot: int, space: Mapping[str, Axis], objective: Objective) -> None:
        """Run a trial in a slot, unless one is finished there.

        Args:
            slot: the slot to fill; only one process at a time may work on it.
            space: values to choose from, by dotted key.
            objective: the function to minimise. If it diverges, the trial counts as pruned.

        Raises:
            Exception: whatever the objective raises; the next attempt chooses other values.
        """
        before = [trial for trial in self.trials() if trial.slot == slot]
        if any(trial.finished for trial in before):
            return
        for trial in before:
            if trial.state == "running":
                self._set_aside(trial)
        # A killed trial is repeated with the same values; one that raised is not, because it would raise again.
        raised = sum(REASON in trial.user_attrs for trial in self._study.trials if trial.user_attrs.get(SLOT) == slot)
        self._study.sampler = self._sampler(slot, raised)
        asked = self._study.ask()
        asked.set_user_attr(SLOT, slot)
        states = self._optuna.trial.TrialState
        try:
            value = objective({key: _suggest(asked, key, axis) for key, axis in space.items()}, self._report(asked))
        except Exception as e:
            diverged = isinstance(e, HpcflowError) and not isinstance(e, InputError)
            if diverged or isinstance(e, self._optuna.TrialPruned):
                self._study.tell(asked, state=states.PRUNED)
                return
            asked.set_user_attr(REASON, f"{type(e).__name__}: {e}")
            self._study.tell(asked, state=states.FAIL)
            raise
        self._study.tell(asked, value)

    def _report(self, asked: "OpenTrial") -> Report:
        def report(step: int, nll: float) -> None:
            asked.report(nll, step)
            # A trial that reached its last step is complete, however it compares with others.
            if not math.isfinite(nll) or (step < self._steps and asked.should_prune()):
                raise self._optuna.TrialPruned

        return report

    def _sampler(self, slot: int, raised: int) -> "TPESampler":
        seed = int(rng_for(self._seed, "search", slot, raised).integers(2**32))
        with warnings.catch_warnings():
            # Running trials count as poor ones, so that workers do not all choose similar values.
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            return self._optuna.samplers.TPESampler(seed=seed, constant_liar=True)

    def _set_aside(self, trial: Trial) -> None:
        self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)


def mend(folder: Path) -> None:
    """Remove what a process killed while writing may have left; no trial may be running.

    Its lock would delay the next writer by half a minute, and its half line would corrupt the next line.
    """
    path = folder / JOURNAL
    path.with_name(f"{JOURNAL}.lock").unlink(missing_ok=True)
    if not path.is_file():
        return
    written = path.read_bytes()
    if not written.endswith(b"\n"):
        os.truncate(path, written.rfind(b"\n") + 1)


def _suggest(asked: "OpenTrial", key: str, axis: Axis) -> Any:
    if axis.low is None or axis.high is None:
        return asked.suggest_categorical(key, axis.choices)
    if isinstance(axis.low, int) and isinstance(axis.high, int):
        return asked.suggest_int(key, axis.low, axis.high, log=axis.log)
    return asked.suggest_float(key, axis.low, axis.high, log=axis.log)


def _plain(trial: "FrozenTrial") -> Trial:
    names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    return Trial(
        number=trial.number,
        slot=trial.user_attrs.get(SLOT),
        state=names.get(trial.state.name, "running"),
        value=trial.value,
        steps=trial.last_step or 0,
        seconds=trial.duration.total_seconds() if trial.duration else None,
        values=dict(trial.params),
    )
