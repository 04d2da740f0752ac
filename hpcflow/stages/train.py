"""`hpcflow train`: learn the posterior from the library."""

import torch

from hpcflow.compute.cluster import default_workers
from hpcflow.config import Config
from hpcflow.flow import checkpoint
from hpcflow.flow.batches import Library
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.precision import fast_matmul
from hpcflow.flow.training import Progress, Schedule, history_csv, train
from hpcflow.posterior.support import Support
from hpcflow.stages.build import build_observer, build_prior
from hpcflow.stages.progress import log, log_to, tracked
from hpcflow.stages.run import Run, provenance
from hpcflow.store.simulations import SimulationStore

__all__ = ["train_flow"]


def train_flow(config: Config, run: Run, workers: int | None = None) -> None:
    """Train the run's flow, unless it is trained.

    Args:
        config: what to train.
        run: where the library is and the flow goes.
        workers: threads to use on a CPU; all processors where None.

    Raises:
        InputError: if the library is missing or unfinished, or the config belongs to another run.
        HpcflowError: if training diverges.
    """
    store = SimulationStore.open(run.simulations)
    if run.flow.exists():
        run.begin("train", config)  # refuses a config that it was not trained with
        log.info("train: %s is trained already", run.flow)
        return
    training, validation = store.rows("train"), store.rows("validation")
    run.begin("train", config)
    with log_to(run.logs, "train"):
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.set_num_threads(workers or default_workers())
        fast_matmul()
        torch.manual_seed(config.train.seed)  # of the weights
        prior, observer = build_prior(config), build_observer(config)
        flow = config.train.flow.model_dump(mode="json")
        estimator = Estimator(prior, tuple(store.bands), config.train.features, flow).to(device)
        frozen = config.train.seed if config.observe.draws == "frozen" else None
        learned, held_out = (
            Library(theta.to(device), flux.to(device), store.parameters, prior, observer, seed)
            for (theta, flux), seed in (
                (map(torch.from_numpy, training), frozen),
                (map(torch.from_numpy, validation), None),
            )
        )
        options = config.train.model_dump(exclude={"flow", "features"})
        schedule = Schedule(**options)
        log.info(
            "train: %s flow of %d weights on %d simulations, on %s",
            flow["family"],
            estimator.weights,
            len(training[0]),
            device,
        )
        history = _train(estimator, learned, held_out, schedule)
        mass = prior.select(["log_mass"]).parameters[0]
        support = Support.of_library(observer, training[1], (mass.low, mass.high))
        extra = {
            "config": config.plain(),
            "support": support.plain(),
            "source": store.source,
            "provenance": provenance(),
            "steps": history[-1].step,
            "validation_nll": min(line.validation_nll for line in history),
        }
        checkpoint.save(estimator, run.flow, extra, {"history.csv": history_csv(history)})


def _train(estimator: Estimator, training: Library, validation: Library, schedule: Schedule) -> list[Progress]:
    with tracked("train", schedule.steps) as advance:
        seen = 0

        def report(line: Progress) -> None:
            nonlocal seen
            rate = line.examples / line.seconds
            advance(line.step - seen, f"validation NLL {line.validation_nll:.3f} nats, {rate:,.0f} examples/s")
            seen = line.step

        history = train(estimator, training, validation, schedule, report)
    best = min(history, key=lambda line: line.validation_nll)
    log.info("train: best validation NLL %.4f nats, at step %d", best.validation_nll, best.step)
    return history
