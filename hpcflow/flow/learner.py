"""A flow in training: its weights, their average and their optimizers, which can be saved and restored as tensors."""

import copy
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hpcflow.flow.base import Flow
from hpcflow.flow.distributed import Ranks
from hpcflow.flow.optimizers import optimizers
from hpcflow.flow.schedule import Schedule

__all__ = ["Learner"]


class Learner:
    """Takes optimizer steps on a flow together with the other ranks.

    Args:
        flow: the flow to train, in place.
        schedule: how to train.
        ranks: processes that train together.
    """

    def __init__(self, flow: Flow, schedule: Schedule, ranks: Ranks) -> None:
        self._flow, self._schedule, self._ranks = flow, schedule, ranks
        self._averaged = copy.deepcopy(flow) if schedule.average else flow
        self._optimizers = optimizers(flow, schedule)
        density = ranks.wrap(flow)
        self._density = torch.compile(density) if schedule.compile else density
        self._parameters: list[Tensor] = list(flow.parameters())
        self._averages: list[Tensor] = list(self._averaged.parameters())

    @property
    def kept(self) -> Flow:
        """The flow to keep: averaged over the last steps if the schedule asks for it."""
        return self._averaged

    @property
    def finite(self) -> Tensor:
        """Whether all weights are finite, as a tensor () on their device; this does not wait for its value."""
        return torch.stack([parameter.detach().isfinite().all() for parameter in self._parameters]).all()

    def learn(self, theta: Tensor, x: Tensor, step: int, rate: float) -> Tensor:
        """Take a step, and return this rank's contribution () to the mean loss of the global batch.

        Args:
            theta: (n, D) parameters of this rank's share of the batch.
            x: (n, F) features of the same examples.
            step: number of the step, from 1.
            rate: learning rate.
        """
        schedule = self._schedule
        for group in (group for optimizer in self._optimizers for group in optimizer.param_groups):
            group["lr"] = rate
        with torch.autocast(theta.device.type, torch.bfloat16, enabled=schedule.precision == "bfloat16"):
            log_q = self._density(theta, x)
        loss = -log_q.sum() / schedule.batch
        for parameter in self._parameters:
            parameter.grad = None
        # Ranks average their gradients, so the factor makes it the gradient of the mean over the global batch.
        (loss * self._ranks.size).backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, schedule.clip)
        for optimizer in self._optimizers:
            optimizer.step()
        if schedule.average:
            with torch.no_grad():
                # The average is short at first, so that it soon forgets the initial weights.
                decay = min(schedule.average, (1 + step) / (10 + step))
                torch._foreach_lerp_(self._averages, self._parameters, 1 - decay)
        return loss.detach()

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of everything that the next step depends on, under flat names."""
        found = {f"flow.{name}": tensor for name, tensor in self._flow.state_dict().items()}
        if self._averaged is not self._flow:
            found |= {f"averaged.{name}": tensor for name, tensor in self._averaged.state_dict().items()}
        for which, optimizer in enumerate(self._optimizers):
            for index, moments in optimizer.state_dict()["state"].items():
                found |= {f"optimizer{which}.{index}.{name}": tensor for name, tensor in moments.items()}
        return {name: tensor.detach().clone() for name, tensor in found.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the result of `tensors`."""
        parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor.clone()  # because the optimizer writes into the tensors it is given
        self._flow.load_state_dict(parts["flow"])
        if self._averaged is not self._flow:
            self._averaged.load_state_dict(parts["averaged"])
        for which, optimizer in enumerate(self._optimizers):
            moments: dict[int, dict[str, Any]] = defaultdict(dict)
            for name, tensor in parts[f"optimizer{which}"].items():
                index, _, moment = name.partition(".")
                moments[int(index)][moment] = tensor
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": dict(moments), "param_groups": groups})
