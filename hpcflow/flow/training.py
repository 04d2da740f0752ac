"""Training by maximum likelihood on fresh examples, which can be stopped at any step and resumed from there."""

import logging
import math
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from hpcflow.base.errors import DivergedError, InputError, Interrupted
from hpcflow.base.signals import STOPPING, stop_requests
from hpcflow.flow.batches import Batch, Source, generator_for
from hpcflow.flow.distributed import ALONE, Ranks
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.header import Counters, Header
from hpcflow.flow.heldout import held_out_loss
from hpcflow.flow.history import Progress, history_csv
from hpcflow.flow.learner import Learner
from hpcflow.flow.randomness import slices_of
from hpcflow.flow.schedule import Schedule
from hpcflow.flow.state import State, identity_of, read_state, write_state
from hpcflow.model.observe import Photometry

__all__ = ["HELD_OUT", "Progress", "Schedule", "history_csv", "train"]

log = logging.getLogger("hpcflow")

PILOT = 200_000  # examples from which the features are standardised
HELD_OUT = 20_000  # examples for the validation loss
CHECK = 50  # most steps between two looks at signals and at whether all is finite, which have to wait for a GPU
LOOK_S = 2.0  # time between two looks where steps are slow
MAX_ROLLBACKS = 5


def train(
    estimator: Estimator,
    training: Source,
    held_out: Batch,
    schedule: Schedule,
    *,
    ranks: Ranks = ALONE,
    keep: Path | None = None,
    exact: Tensor | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    watch: Callable[[int], None] = lambda _: None,
    origin: Mapping[str, Any] = MappingProxyType({}),
) -> list[Progress]:
    """Train an estimator in place, and leave it with the best weights found.

    Args:
        estimator: with fresh weights, on the device of `training`.
        training: source of training examples.
        held_out: N examples of other simulations; the weights with the lowest loss on them are kept.
        schedule: how to train.
        ranks: the processes that train together, all of which call this with the same arguments.
        keep: state file; if it exists, training resumes from it.
        exact: (m,) exact log posterior densities of the first m held-out examples, for the gap.
        report: function called with each new line of the history.
        watch: function called with the number of steps after each of them.
        origin: what the examples are made from, by name; a training on others is not resumed.

    Returns:
        The history, one entry per validation.

    Raises:
        DivergedError: if the loss is still not finite after several attempts.
        InputError: if `keep` belongs to another training, or a batch has fewer examples than there are ranks.
        Interrupted: if a signal asked to stop; the state is saved.
    """
    if schedule.batch < ranks.size:
        raise InputError(
            f"train.batch is {schedule.batch}, less than one example for each of {ranks.size} ranks; "
            "make it larger, or use fewer ranks"
        )
    with stop_requests() as asked:
        run = _Training(estimator, training, held_out, schedule, ranks, keep, exact, report, watch, origin)
        run.go(asked)
    return run.history


class _Training:
    """One call of `train`, with the same arguments."""

    def __init__(
        self,
        estimator: Estimator,
        training: Source,
        held_out: Batch,
        schedule: Schedule,
        ranks: Ranks,
        keep: Path | None,
        exact: Tensor | None,
        report: Callable[[Progress], None],
        watch: Callable[[int], None],
        origin: Mapping[str, Any],
    ) -> None:
        self.estimator, self.training, self.schedule, self.ranks = estimator, training, schedule, ranks
        self.held_out, self.keep = held_out, keep
        self.report, self.watch = report, watch
        self.identity = identity_of(estimator, schedule, origin)
        self.learner = Learner(estimator.learned, schedule, ranks)
        self.counters, self.history = Counters(), list[Progress]()
        self.total = torch.zeros((), device=training.device, dtype=torch.float64)
        there = keep is not None and keep.exists()
        if ranks.any(there) and not there:
            raise InputError(
                f"rank {ranks.rank} does not see {keep}, but other ranks do; put the run folder on a shared disk"
            )
        if keep is not None and there:
            self._go_on_from(read_state(keep, self.identity))
        else:
            training.seek(1)
            pilot = training.draw(PILOT, generator_for(schedule.seed, "pilot", device=training.device))
            estimator.features.fit(pilot.photometry)
            ranks.agree(list(estimator.features.state_dict().values()))
            self.good, self.best = self.learner.tensors(), _copy(self.learner.kept)
        self.exact = None if exact is None else exact - _known(estimator, held_out, len(exact))
        self.began = self.saved = self.looked = time.monotonic()
        self.pause = CHECK if ranks.size == 1 else 1  # steps between two looks
        self.before = self.counters

    def go(self, asked: Sequence[int]) -> None:
        """Train to the end, or until asked to stop."""
        schedule, ranks, last = self.schedule, self.ranks, self.counters.step
        while self.counters.step < schedule.steps and self.counters.since < schedule.patience:
            self._step()
            step = self.counters.step
            self.watch(step)
            due = step % schedule.validate_every == 0 or step == schedule.steps
            if not (due or step % self.pause == 0 or (asked and ranks.size == 1)):
                continue
            stop, save, healthy = self._look(asked, step - last)
            if healthy and due:
                healthy = self._validate()
            if not healthy:
                self._roll_back()
            last = self.counters.step
            ended = self.counters.step == schedule.steps or self.counters.since >= schedule.patience
            if (stop or save) and not ended:
                self._save()
            if stop and not ended:
                raise Interrupted(
                    f"training was stopped at step {self.counters.step} of {schedule.steps} by "
                    f"{signal.Signals(stop).name}; run the same command again to resume",
                    stop,
                )
        self.estimator.learned.load_state_dict(self.best)

    def _step(self) -> None:
        """Learn from the next batch without waiting for a GPU."""
        step, rollbacks = self.counters.step + 1, self.counters.rollbacks
        device, seed, ranks = self.training.device, self.schedule.seed, self.ranks
        self.training.seek(step)
        # Keyed by the step, so that a resumed training draws the same batches, and other ones after a rollback.
        key = ("step", self.schedule.member, rollbacks, step)
        own = slices_of(self.schedule.batch, seed, *key, rank=ranks.rank, ranks=ranks.size, device=device)
        theta, photometry = self.training.gather(own)
        self.total += self.learner.learn(*self.estimator.lesson(theta, photometry), step, self._rate(step))
        self.counters = replace(self.counters, step=step)

    def _rate(self, step: int) -> float:
        return self.schedule.learning_rate * self.schedule.rate(step - 1) * 0.5**self.counters.rollbacks

    def _look(self, asked: Sequence[int], steps: int) -> tuple[int, bool, bool]:
        """Agree on the signal that asked to stop (0 if none), on whether to save, and on whether all is finite.

        How many steps there are until the next look is agreed on as well, from the time that these `steps` took.
        """
        healthy = bool(self.learner.finite & self.total.isfinite())  # waits for a GPU, so time is taken after it
        now = time.monotonic()
        late = self.keep is not None and now - self.saved >= 60 * self.schedule.checkpoint_minutes
        here = [*(number in asked for number in STOPPING), late and self.ranks.lead, not healthy]
        each = (now - self.looked) / steps / self.ranks.size
        agreed = self.ranks.sum(torch.tensor([*here, each], device=self.total.device, dtype=self.total.dtype))
        *stops, save, sick, each = agreed.tolist()
        if self.ranks.size > 1:  # all of them look at the same steps, every few seconds; one alone need not agree
            self.pause = max(1, min(CHECK, 2 * self.pause, int(LOOK_S / each)))
        self.looked = now
        stop = next((int(number) for number, said in zip(STOPPING, stops, strict=True) if said), 0)
        return stop, save > 0, sick == 0

    def _validate(self) -> bool:
        """Add a line to the history, keep the weights if they are the best, and return whether all is finite."""
        counters, schedule = self.counters, self.schedule
        kept, step = self.learner.kept, counters.step
        nll, gap = held_out_loss(kept, *self.estimator.lesson(*self.held_out), self.exact, self.ranks)
        train_nll = float(self.ranks.sum(self.total)) / ((step - 1) % schedule.validate_every + 1)
        if not math.isfinite(nll + train_nll):
            return False
        better = nll < counters.best
        if better:
            self.best = _copy(kept)
        self.total.zero_()
        self.good = self.learner.tensors()
        self.counters = replace(
            counters, good=step, since=0 if better else counters.since + 1, best=min(nll, counters.best)
        )
        now, rate = self._now(), self._rate(step)
        line = Progress(
            step, step * schedule.batch, train_nll, nll, gap, rate, now.seconds, now.waited, counters.rollbacks
        )
        self.history.append(line)
        self.report(line)
        return True

    def _roll_back(self) -> None:
        """Go back to the last validation, and continue with other batches at half the learning rate."""
        step, good = self.counters.step, self.counters.good
        if self.counters.rollbacks == MAX_ROLLBACKS:
            if self.keep is not None and self.ranks.lead:
                self.keep.unlink(missing_ok=True)  # resuming from it would end here again
            raise DivergedError(
                f"training diverged near step {step}, after it had gone back {MAX_ROLLBACKS} times; "
                "lower train.learning_rate and train again"
            )
        log.warning("train: diverged near step %d; went back to step %d, at half the learning rate", step, good)
        self.learner.load(self.good)
        self.total.zero_()
        self.counters = replace(self.counters, step=good, rollbacks=self.counters.rollbacks + 1)

    def _now(self) -> Counters:
        """Return the counters with the time of this session added."""
        before, spent = self.before, time.monotonic() - self.began
        return replace(self.counters, seconds=before.seconds + spent, waited=before.waited + self.training.waited)

    def _save(self) -> None:
        """Write the state, on rank 0 while the others wait."""
        totals = torch.zeros(self.ranks.size, device=self.total.device, dtype=self.total.dtype)
        totals[self.ranks.rank] = self.total
        counters = replace(self._now(), totals=tuple(self.ranks.sum(totals).tolist()))
        header = Header(self.identity, counters, self.history)
        features = self.estimator.features.state_dict()
        state = State(header, self.learner.tensors(), self.good, self.best, features)
        if (keep := self.keep) is not None:
            self.ranks.alone(lambda: write_state(keep, state))
        self.saved = time.monotonic()

    def _go_on_from(self, state: State) -> None:
        device, ranks = self.training.device, self.ranks
        self.counters, self.history = state.header.counters, list(state.header.history)
        totals = self.counters.totals
        # With as many ranks as before each resumes its own sum; otherwise only the total is meaningful.
        mine = totals[ranks.rank] if len(totals) == ranks.size else sum(totals) * ranks.lead
        self.total.fill_(mine)
        self.estimator.features.load_state_dict(dict(state.features))
        self.learner.load(state.live)
        self.good = {name: tensor.to(device) for name, tensor in state.good.items()}
        self.best = {name: tensor.to(device) for name, tensor in state.best.items()}
        log.info("train: resuming at step %d", self.counters.step)


def _known(estimator: Estimator, held_out: Batch, count: int) -> Tensor:
    """Return what log-densities (n,) of the first examples have besides those of the flow that is trained."""
    photometry = Photometry(*(part[:count] for part in held_out.photometry))
    return estimator.log_known(held_out.theta[:count], photometry).cpu().double()


def _copy(flow: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in flow.state_dict().items()}
