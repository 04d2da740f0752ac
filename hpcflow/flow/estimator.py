"""A flow with its features: photometry in, posterior out."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hpcflow.flow.base import Flow
from hpcflow.flow.families import FAMILIES
from hpcflow.flow.features import Features
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Prior

__all__ = ["Estimator", "as_tensors"]


class Estimator(nn.Module):
    """What a checkpoint holds: features, flow, and the names and bounds that give them meaning.

    Args:
        prior: parameters, in the order of theta's columns.
        bands: names of the bands, in the order of the photometry's columns.
        features: kind of features, see `flow.features`.
        flow: `family` and that family's own settings.
    """

    def __init__(self, prior: Prior, bands: tuple[str, ...], features: str, flow: Mapping[str, Any]) -> None:
        super().__init__()
        self.prior, self.bands = prior, bands
        self.settings = {"features": features, "flow": dict(flow)}
        self.features = Features(features, len(bands))
        options = {key: value for key, value in flow.items() if key != "family"}
        self.flow: Flow = FAMILIES[flow["family"]](prior, self.features.size, **options)

    def condition(self, photometry: Photometry) -> Tensor:
        """Return the features x (N, F) of photometry given in numpy or torch."""
        return self.features(as_tensors(photometry, self.features.mean.device))

    @property
    def weights(self) -> int:
        """Number of trained numbers."""
        return sum(p.numel() for p in self.parameters())


def as_tensors(photometry: Photometry, device: torch.device | str = "cpu") -> Photometry:
    """Return photometry as float32 (and bool) tensors on a device."""
    flux, sigma, observed, distance = (torch.as_tensor(a, device=device) for a in photometry)
    return Photometry(flux.float(), sigma.float(), observed.bool(), distance.float())
