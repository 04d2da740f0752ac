"""A flow with its features: photometry in, posterior out."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hpcflow.base.errors import InputError
from hpcflow.flow.base import Flow
from hpcflow.flow.completed import Completed
from hpcflow.flow.ensemble import Ensemble
from hpcflow.flow.exact_scale import ExactScale
from hpcflow.flow.families import FAMILIES
from hpcflow.flow.features import Features
from hpcflow.flow.physics import Physics
from hpcflow.flow.seeing import Seeing, Slots
from hpcflow.flow.templates import Templates
from hpcflow.model.error_law import ErrorLaw
from hpcflow.model.observe import Photometry
from hpcflow.model.prior import Prior
from hpcflow.model.scale import Scale

__all__ = ["Estimator", "as_tensors", "combine"]

OURS = ("family", "members", "sees", "scale_errors")  # settings of a flow that are not its family's


class Estimator(nn.Module):
    """The content of a checkpoint: features, flow, and the names and bounds of bands and parameters.

    Args:
        prior: parameters, in the order of theta's columns.
        bands: names of the bands, in the order of the photometry's columns.
        scale: what is given of each object, and how fluxes scale.
        features: kind of features, see `flow.features`.
        flow: `family`, the settings of that family and, for an ensemble, the number of its `members`; further how it
            `sees` photometry (`train.embedding`), and the `scale_errors`, lowest and highest, if the density of the
            scale's parameter is known and only the others are learned.
        physics: the model, which either of the last two needs.

    Attributes:
        flow: the density of all parameters.

    Raises:
        InputError: if the number of members is less than one.
    """

    def __init__(
        self,
        prior: Prior,
        bands: tuple[str, ...],
        scale: Scale,
        features: str,
        flow: Mapping[str, Any],
        physics: Physics | None = None,
    ) -> None:
        super().__init__()
        self.prior, self.bands, self.scale, self.physics = prior, bands, scale, physics
        options = {key: value for key, value in flow.items() if key not in OURS}
        count, embedding, errors = flow.get("members", 1), flow.get("sees", "slots"), flow.get("scale_errors")
        if count < 1:
            raise InputError(f"train.members is {count}; an ensemble has at least one member, so set it to 1 or more")
        if physics is None and (errors or embedding != "slots"):
            raise InputError("the flow cannot be used without the simulator that it was trained for")
        # What is usual is not saved, which keeps the format from before there was anything else.
        shared = {"members": count} if count > 1 else {}
        shared |= {"sees": embedding} if embedding != "slots" else {}
        shared |= {"scale_errors": list(errors)} if errors else {}
        self.settings: dict[str, Any] = {
            "features": features,
            "flow": {"family": flow["family"], **options, **shared},
        }
        kind = "unscaled" if embedding == "set" else features
        self.features = Features(kind, len(bands), scale.given, with_bare=physics is not None)
        self.exact = None
        if physics is not None and errors:
            self.exact = ExactScale(physics.simulator, prior, scale, ErrorLaw(errors[0], errors[1], log=True))
        learned = prior if self.exact is None else prior.select([prior.names[k] for k in self.exact.others])
        if options.get("order") == []:  # the scale is the easiest given the others
            options |= {"order": sorted(learned.names, key=lambda name: name == scale.parameter)}
        family = FAMILIES[flow["family"]]
        flows: list[Flow] = []
        for _ in range(count):
            eye = self._eye(embedding, physics)
            own = family(learned, self.features.size if eye is None else eye.size, **options)
            flows.append(own if eye is None else Seeing(eye, own))
        whole: Flow = Ensemble(learned, flows) if count > 1 else flows[0]
        self.flow = whole if self.exact is None else Completed(prior, whole, self.exact, len(bands))

    def _eye(self, embedding: str, physics: Physics | None) -> Slots | Templates | None:
        """Return the module through which a flow sees the features; None if it sees them as they are."""
        if physics is None:
            return None
        columns = self.features.learned
        if embedding == "slots":
            return Slots(columns)
        passed = columns if embedding == "both" else self.features.unscaled
        return Templates(physics, self.prior, self.scale, columns, passed)

    def condition(self, photometry: Photometry) -> Tensor:
        """Return the features x (N, F) of photometry in numpy or torch."""
        return self.features(as_tensors(photometry, self.features.mean.device))

    @property
    def learned(self) -> Flow:
        """The flow that is trained: of all parameters, or of all but the scale's."""
        return self.flow.others if isinstance(self.flow, Completed) else self.flow

    def lesson(self, theta: Tensor, photometry: Photometry) -> tuple[Tensor, Tensor]:
        """Return the columns (N, D) of theta and the features (N, F) from which `learned` learns."""
        return theta if self.exact is None else theta[:, self.exact.others], self.features(photometry)

    def log_known(self, theta: Tensor, photometry: Photometry) -> Tensor:
        """Return what the log-density (N,) of N points has besides that of `learned`."""
        if self.exact is None:
            return torch.zeros_like(theta[:, 0])
        return self.exact.log_prob(theta[:, None], self.features(photometry)[:, self.features.learned :])[:, 0]

    @property
    def members(self) -> int:
        """Number of members, which draw samples in turn."""
        return int(self.settings["flow"].get("members", 1))

    @property
    def weights(self) -> int:
        """Number of trainable weights."""
        return sum(p.numel() for p in self.parameters())


def combine(estimators: Sequence[Estimator]) -> Estimator:
    """Return the ensemble of separately trained estimators, with copies of their weights.

    Args:
        estimators: single flows that differ in their weights only.

    Returns:
        An estimator with as many members, on the first one's device; a copy of a single estimator.

    Raises:
        InputError: if there are no estimators, or they differ in prior, bands, settings or standardisation of features.
    """
    if not estimators:
        raise InputError("there are no trained flows to combine; train at least one")
    first = estimators[0]
    if first.members > 1:
        raise InputError("flow 1 is already an ensemble; combine single flows instead")
    for number, other in enumerate(estimators[1:], start=2):
        _refuse_strangers(number, first, other)
    settings = {**first.settings["flow"], "members": len(estimators)}
    whole = Estimator(first.prior, first.bands, first.scale, first.settings["features"], settings, first.physics)
    whole = whole.to(first.features.mean.device)
    whole.features.load_state_dict(first.features.state_dict())
    members = whole.learned.members if isinstance(whole.learned, Ensemble) else [whole.learned]
    for member, estimator in zip(members, estimators, strict=True):
        member.load_state_dict(estimator.learned.state_dict())
    return whole


def _refuse_strangers(number: int, first: Estimator, other: Estimator) -> None:
    """Raise if the inputs and outputs of an estimator differ in meaning from those of the first one."""
    pairs = zip(first.features.buffers(), other.features.buffers(), strict=True)
    agree = {
        "priors": first.prior == other.prior,
        "bands": first.bands == other.bands,
        "scales": first.scale == other.scale,
        "settings": first.settings == other.settings,
        "features": all(torch.equal(mine, theirs.to(mine.device)) for mine, theirs in pairs),
    }
    if different := [name for name, same in agree.items() if not same]:
        raise InputError(
            f"flows 1 and {number} of an ensemble differ in their {' and '.join(different)}; "
            "train all members on the same library with the same settings"
        )


def as_tensors(photometry: Photometry, device: torch.device | str = "cpu") -> Photometry:
    """Return photometry as float32 and bool tensors on a device."""
    flux, sigma, observed, given = (torch.as_tensor(a, device=device) for a in photometry)
    return Photometry(flux.float(), sigma.float(), observed.bool(), given.float())
