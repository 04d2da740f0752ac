"""The script of each rank in `test_distributed.py`: a small training, undisturbed and then stopped repeatedly."""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from hpcflow.base.errors import Interrupted
from hpcflow.flow import training as module
from hpcflow.flow.batches import Library, generator_for
from hpcflow.flow.distributed import Ranks, join_ranks
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.training import Schedule, train
from hpcflow.model.observe import Observer
from hpcflow.model.prior import Parameter, Prior
from hpcflow.sources.cluster.parameters import SCALE

PRIOR = Prior((Parameter("log_age", 6, 10.0), Parameter("log_mass", 2, 8), Parameter("ebv", 0, 1.5)))
FLOW = {"family": "autoregressive", "bins": 4, "hidden": 8, "rank": 4, "frequencies": 2, "embedding_hidden": 16}


class Stopping(Library):
    """A library that sends SIGTERM to its own process at given steps, once each, and may take its time."""

    stops: Sequence[int] = ()
    takes_s = 0.0

    def seek(self, step: int) -> None:
        time.sleep(self.takes_s)
        if step in self.stops:
            self.stops = [stop for stop in self.stops if stop != step]
            os.kill(os.getpid(), signal.SIGTERM)


def library(seed: int, n: int) -> Stopping:
    theta = PRIOR.select(["log_age", "ebv"]).sample(n, np.random.default_rng(seed))
    bands = np.array([4.0, 3.0, 2.0])
    flux = 10 ** (9 - 0.7 * (theta[:, :1] - 6) - 0.4 * theta[:, 1:] * bands)
    observer = Observer(SCALE, relative_error=(0.02, 0.1))
    rows = (torch.from_numpy(columns).float() for columns in (theta, flux))
    return Stopping(*rows, ["log_age", "ebv"], PRIOR, observer)


def run(ranks: Ranks, out: Path, schedule: Schedule, stops: Sequence[int]) -> int:
    """Train, resuming after every stop; write the estimator, and return the number of stops."""
    simulations, stopped = library(1, 1000), 0
    simulations.stops = stops if ranks.lead else ()
    held_out = library(2, 100).first(100, generator_for(0))
    while True:
        torch.manual_seed(stopped)  # other weights after every stop, so that those of the state must be restored
        estimator = Estimator(PRIOR, ("U", "V", "I"), SCALE, "absolute", FLOW)
        try:
            history = train(
                estimator, simulations, held_out, schedule, ranks=ranks, keep=out.with_suffix(".state"),
                exact=torch.zeros(10),
            )  # fmt: skip
        except Interrupted:
            stopped += 1
            continue
        save_file(estimator.state_dict(), f"{out}.{ranks.rank}.safetensors")
        lines = [{k: v for k, v in asdict(line).items() if k not in ("seconds", "waited")} for line in history]
        out.with_name(f"{out.name}.{ranks.rank}.json").write_text(json.dumps({"stopped": stopped, "history": lines}))
        return stopped


def stop_slow(ranks: Ranks, folder: Path) -> None:
    """Stop a training of slow steps at its tenth; rank 0 writes the sentence that it ended with."""
    simulations, estimator = library(1, 500), Estimator(PRIOR, ("U", "V", "I"), SCALE, "absolute", FLOW)
    simulations.takes_s, simulations.stops = 0.5, [10] if ranks.lead else []
    schedule = Schedule(100, 101, "adamw", 3e-3, 5, 0.0, 0.8, 5.0, 100, 100, seed=3)
    try:
        train(estimator, simulations, library(2, 100).first(100, generator_for(0)), schedule, ranks=ranks)
    except Interrupted as e:
        (folder / f"said.{ranks.rank}").write_text(str(e))


def main(folder: Path, stops: Sequence[int]) -> None:
    """Run `undisturbed`, and `stopped` if stops are given; or a training of slow steps if the first of them is 0."""
    torch.set_num_threads(1)
    if 0 in stops:
        module.PILOT = 500
        with join_ranks() as ranks:
            stop_slow(ranks, folder)
        return
    module.PILOT, module.CHECK, module.LOOK_S = 500, 3, 1000.0
    schedule = Schedule(30, 101, "adamw", 3e-3, 5, 0.0, 0.8, 5.0, 7, 100, seed=3)
    with join_ranks() as ranks:
        run(ranks, folder / "undisturbed", schedule, ())
        if stops:
            run(ranks, folder / "stopped", schedule, stops)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(text) for text in sys.argv[2:]])
