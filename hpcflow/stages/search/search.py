"""`hpcflow search`: try settings of training on the run's library, and write the best ones as a config."""

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
    """Run trials until `count` are finished, and write the best one's config.

    A search freezes no part of the run's config. A trial that was killed is repeated, and one that raised is replaced
    by one with other values. With one worker the values are the same every time; with more they depend on which trials
    are finished when the next one begins, and thus on the speed of the machine.

    Args:
        config: the search space, and the values of all other keys.
        run: the run with the library; its folder `search` keeps the search.
        count: number of finished trials to reach, earlier ones included.
        where: where to run the workers, each of which runs one trial at a time.

    Returns:
        All trials, in the order in which they began.

    Raises:
        InputError: if optuna or the library is missing, the config differs from that of the library or of the earlier
            search, or another search is running in the folder; nothing is written.
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
            log.info("search: %d trials were killed and will be repeated", gone)
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
                f"none of {len(trials)} trials was trained to its end (see {run.search / TRIALS}); "
                f"narrow search.space to lower learning rates, or ask for more trials"
            )
        return trials


def search_slot(run: str, slot: Partition) -> None:
    """Run one trial and record its outcome; this is a worker's task."""
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
    """Return the plain config, with the default search space if it names none."""
    plain = config.plain()
    plain["search"]["space"] = {key: axis.model_dump(mode="json") for key, axis in space_of(config).items()}
    return plain


def _refuse_without_library(config: Config, run: Run) -> None:
    """Raise unless the run's library is finished and was made with this config."""
    if not run.simulations.exists():
        raise InputError(
            f"{run.simulations} does not exist, but trials are trained on it; run `hpcflow simulate` first"
        )
    if missing := SimulationStore.open(run.simulations).missing():
        raise InputError(f"{run.simulations} lacks {len(missing)} partitions; run `hpcflow simulate` again")
    if changed := _changed(run.config().plain(), config.plain(), STAGES["simulate"]):
        raise InputError(f"{run.path} was simulated with another config ({changed}); name another folder with --run")


def _refuse_another_search(config: Config, run: Run) -> None:
    """Raise if the run holds a search with other settings, whose trials would not be comparable."""
    path = run.search / CONFIG
    if not path.is_file():
        return
    if changed := _changed(load_config(path).plain(), _resolved(config), SECTIONS):
        raise InputError(
            f"{run.search} holds a search with another config ({changed}); move it away to start a new search, "
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
