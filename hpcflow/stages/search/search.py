"""`hpcflow search`: try settings of training on the run's library, and write the best as a config."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpcflow.base.atomic import write_whole
from hpcflow.base.errors import HpcflowError, InputError
from hpcflow.base.lock import alone
from hpcflow.base.partitions import Partition, partitions
from hpcflow.compute.once import once_per_worker
from hpcflow.compute.where import Where
from hpcflow.config.load import Config, difference, dump_yaml, load_config, with_values
from hpcflow.stages.loop import run_missing
from hpcflow.stages.progress import log, log_to
from hpcflow.stages.run import STAGES, Run
from hpcflow.stages.search.results import Trial, best_trials, trials_csv
from hpcflow.stages.search.space import space_of
from hpcflow.stages.search.study import Report, Study, import_optuna, mend
from hpcflow.stages.search.trial import train_trial
from hpcflow.store.simulations import SimulationStore

__all__ = ["BEST", "search"]

CONFIG, TRIALS, BEST = "config.yaml", "trials.csv", "best.yaml"
SECTIONS = (*STAGES["train"], "search")  # trials of one search are comparable only if these agree


def search(config: Config, run: Run, count: int, where: Where) -> list[Trial]:
    """Bring the run's search to `count` finished trials, and write the best one's config.

    Nothing of the run is frozen by it. A trial that was killed is begun again; one that raises is tried with other
    values. With one worker the values tried are the same every time; with more they depend on which trials were
    finished when the next one was asked for, and so on the speed of the machine.

    Args:
        config: what to search, and everything that is not searched.
        run: where the library is; the search is kept in its `search` folder.
        count: finished trials that there shall be, with those of before.
        where: workers are, which try one at a time each.

    Returns:
        All trials, in the order in which they began.

    Raises:
        InputError: if optuna or the library is missing, the config is not that of the library or of the search
            begun there, or another search is at work there; nothing is written.
        FailedPartitionsError: if trials raised.
        HpcflowError: if no trial was trained to its end.
    """
    import_optuna()
    _refuse_without_library(config, run)
    _refuse_another_search(config, run)
    run.search.mkdir(exist_ok=True)
    with alone(run.search / "lock", "search"), log_to(run.log("search")):
        write_whole(run.search / CONFIG, dump_yaml(_resolved(config)))
        mend(run.search)
        study = _open(config, run)
        if gone := study.fail_running():
            log.info("search: %d trials were killed and are set aside", gone)
        filled = {trial.slot for trial in study.trials() if trial.finished}
        slots = partitions(count, 1)
        missing = [slot for slot in slots if slot.index not in filled]
        try:
            run_missing("search", run, search_slot, slots, missing, where, "trials")
        finally:
            study.fail_running()
            trials = study.trials()
            _keep(config, run, trials)
        if not best_trials(trials):
            raise HpcflowError(
                f"none of {len(trials)} trials was trained to its end; narrow search.space to lower learning rates, "
                f"or ask for more trials; they are listed in {run.search / TRIALS}"
            )
        return trials


def search_slot(run: str, slot: Partition) -> None:
    """Ask for values, train with them and tell what came of it; what a worker does."""
    config = _config(run)

    def objective(values: dict[str, Any], report: Report) -> float:
        return train_trial(with_values(config, values), run, report)

    _open(config, Run(Path(run))).attempt(slot.index, space_of(config), objective)


@once_per_worker
def _config(run: str) -> Config:
    return load_config(Run(Path(run)).search / CONFIG)


def _open(config: Config, run: Run) -> Study:
    return Study(run.search, config.search.seed, config.search.steps or config.train.steps)


def _resolved(config: Config) -> dict[str, Any]:
    """Return the plain config with the search space that is meant where it names none."""
    plain = config.plain()
    plain["search"]["space"] = {key: axis.model_dump(mode="json") for key, axis in space_of(config).items()}
    return plain


def _refuse_without_library(config: Config, run: Run) -> None:
    """Raise unless the run's library is finished and the config's own."""
    if not run.simulations.exists():
        raise InputError(f"{run.simulations} does not exist, and trials learn from it; run `hpcflow simulate` first")
    if missing := SimulationStore.open(run.simulations).missing():
        raise InputError(f"{run.simulations} lacks {len(missing)} partitions; run `hpcflow simulate` again")
    if changed := _changed(run.config().plain(), config.plain(), STAGES["simulate"]):
        raise InputError(f"{run.path} was simulated with another config ({changed}): name another folder with --run")


def _refuse_another_search(config: Config, run: Run) -> None:
    """Raise if the run holds a search with other settings: its trials could not be compared."""
    path = run.search / CONFIG
    if not path.is_file():
        return
    if changed := _changed(load_config(path).plain(), _resolved(config), SECTIONS):
        raise InputError(
            f"{run.search} holds a search of another config ({changed}): move it away to search anew, "
            "or name another run folder with --run"
        )


def _changed(old: dict[str, Any], new: dict[str, Any], sections: Sequence[str]) -> str:
    return "; ".join([line for key in sections for line in difference(old[key], new[key], key)][:5])


def _keep(config: Config, run: Run, trials: list[Trial]) -> None:
    write_whole(run.search / TRIALS, trials_csv(trials, list(space_of(config))))
    for best in best_trials(trials, 1):
        found = with_values(config, best.values)
        first = (
            f"# Trial {best.number} of {run.search}: validation NLL {best.value:.4f} nats after {best.steps} steps.\n"
        )
        write_whole(run.search / BEST, first + dump_yaml(found.plain()))
        log.info("search: best validation NLL %.4f nats, in trial %d", best.value, best.number)
