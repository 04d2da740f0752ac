"""The optimizers: Muon for matrices and AdamW for other weights, or AdamW for all."""

import torch
from torch import nn

from hpcflow.flow.schedule import Schedule

__all__ = ["optimizers"]


def optimizers(flow: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Return the optimizers that together update all weights of a flow.

    Muon (Jordan et al. 2024; Liu et al. 2025, arXiv:2502.16982) orthogonalises the momentum of each matrix, so that
    all its directions are learned at the same rate; its steps are scaled to the size of AdamW's.

    Args:
        flow: the flow to optimize.
        schedule: the choice of optimizer, its learning rate and weight decay.
    """
    rate, decay = schedule.learning_rate, schedule.weight_decay
    if schedule.optimizer == "adamw":
        return [torch.optim.AdamW(flow.parameters(), rate, weight_decay=decay)]
    matrices = [p for p in flow.parameters() if p.ndim == 2]
    rest = [p for p in flow.parameters() if p.ndim != 2]
    return [
        torch.optim.Muon(matrices, rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, rate, weight_decay=decay),
    ]
