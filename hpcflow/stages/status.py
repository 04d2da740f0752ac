"""`hpcflow status`: what a run has done, what is missing or failed, and what to do next."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcflow.flow.header import read_header
from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.simulations import SimulationStore
from hpcflow.store.validation import ValidationStore

__all__ = ["StageStatus", "status"]


@dataclass(frozen=True)
class StageStatus:
    """How far one stage is, and why its failed partitions failed."""

    stage: str
    done: int
    total: int
    unit: str
    failed: dict[str, str]

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return 0 < self.total == self.done


def status(run: Run) -> list[StageStatus]:
    """Return the state of every stage, in their order.

    Raises:
        InputError: if the folder is not a run.
    """
    run.config()
    stores: dict[str, tuple[Any, Path, str]] = {
        "simulate": (SimulationStore, run.simulations, "simulations"),
        "infer": (PosteriorArchive, run.posteriors, "clusters"),
        "validate": (ValidationStore, run.validation, "simulations"),
    }
    found = {}
    for stage, (kind, path, unit) in stores.items():
        done = total = 0
        if path.exists():
            store = kind.open(path)
            total = sum(map(len, store.partitions))
            done = total - sum(map(len, store.missing()))
        found[stage] = StageStatus(stage, done, total, unit, _failed(run, stage))
    found["train"] = _training(run)
    page = (run.path / "report" / "index.html").is_file()
    found["report"] = StageStatus("report", int(page), 1, "page", {})
    return [found[stage] for stage in ("simulate", "train", "infer", "validate", "report")]


def _training(run: Run) -> StageStatus:
    if run.flow.is_dir() or not run.training.is_file():  # the folder appears whole or not at all
        return StageStatus("train", int(run.flow.is_dir()), 1, "flow", {})
    header = read_header(run.training)
    counters, steps = header.counters, header.identity["schedule"]["steps"]
    nll = f", NLL {counters.best:.3f}" if header.history else ""
    return StageStatus("train", counters.step, steps, f"steps{nll}", {})


def _failed(run: Run, stage: str) -> dict[str, str]:
    path = run.logs / f"{stage}.failed.json"
    return json.loads(path.read_text()) if path.is_file() else {}
