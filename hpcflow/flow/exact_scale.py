"""The density of the scale's parameter given all others: what makes fluxes larger or smaller need not be learned.

With normal noise, the log-likelihood of an object whose unscaled fluxes are F is a parabola in the factor e^mu,

    log p(photometry | mu) = -C / 2 (e^mu - S / C)^2 + constant,    C = sum_b (F_b / sigma_b)^2,
    S = sum_b F_b f*_b / sigma_b^2

between edges that are those of the prior and of the errors in training. Where it is narrow, a normal distribution in
e^mu whose mean makes up for the slope of mu is as good as exact; elsewhere the density is tabulated and taken as linear
between nodes. Either way the density from which a value is drawn is known exactly, so that importance weights are right
whatever the table.
"""

import math

import torch
from torch import Tensor, nn

from hpcflow.base.errors import InputError
from hpcflow.model.error_law import ErrorLaw
from hpcflow.model.prior import Prior
from hpcflow.model.scale import Scale
from hpcflow.model.simulator import Simulator

__all__ = ["ExactScale"]

LN10 = math.log(10)
REACH = 8.0  # a peak is so many widths wide on either side
NARROW = 0.15  # width of a peak in mu below which a normal distribution in e^mu errs by less than 1e-5 nats
PEAK, TAIL = 64, 24  # steps of the table over the peak, and from the lower edge up to it
LEAST_RANGE = 1e-3  # of mu, which nothing that is possible is narrower than
LEAST_STEP = 1e-12  # of the table, where it has no tail
IMPOSSIBLE = 1e-30  # relative density beyond the edges, which rounding may reach


class ExactScale(nn.Module):
    """The density of the scale's parameter given the simulator's, under normal noise; nothing in it is trained.

    Args:
        simulator: simulator of unscaled fluxes, of parameters of the prior alone.
        prior: all parameters.
        scale: which of them scales fluxes, and how.
        errors: true relative errors in training.

    Attributes:
        column, others: columns of theta that hold the scale's parameter, and the others.

    Raises:
        InputError: if no parameter scales fluxes, or the simulator needs one that is not inferred.
    """

    def __init__(self, simulator: Simulator, prior: Prior, scale: Scale, errors: ErrorLaw) -> None:
        super().__init__()
        if scale.parameter in simulator.parameters:
            raise InputError(
                f"train.scale: exact needs fluxes in proportion to a scale, but the simulator takes {scale.parameter} "
                "itself; set it to learned"
            )
        if scale.parameter and not prior.is_free(scale.parameter):
            raise InputError(
                f"train.scale: exact needs a uniform {scale.parameter}, but model.prior ties it; set it to learned"
            )
        others = [name for name in prior.names if name != scale.parameter]
        if sorted(simulator.parameters) != sorted(others) or len(others) == len(prior.names):
            raise InputError(
                f"train.scale: exact needs a parameter that scales fluxes, and no simulated one beside "
                f"{', '.join(others)}; set it to learned"
            )
        self._simulator, self._columns = simulator, prior.index(simulator.parameters)
        self.column = prior.names.index(scale.parameter)
        self.others = [column for column in range(len(prior.names)) if column != self.column]
        size = prior.parameters[self.column]
        self._step = LN10 * scale.exponent
        self._bounds = sorted((self._step * size.low, self._step * size.high))
        self._errors = errors

    def log_prob(self, theta: Tensor, bare: Tensor) -> Tensor:
        """Return the log-density (N, n) per declared unit at theta (N, n, D), given bare photometry (N, 3 B)."""
        peak = _Peak(*self._of(theta, bare))
        mu = self._step * theta[..., self.column].double()
        return (peak.log_prob(mu) + math.log(abs(self._step))).to(theta.dtype)

    def draw(self, noise: Tensor, theta: Tensor, bare: Tensor) -> tuple[Tensor, Tensor]:
        """Turn normal noise (N, n) into values of the parameter.

        Args:
            noise: standard normal.
            theta: (N, n, D) all parameters, of which the scale's is not used.
            bare: (N, 3 B) photometry, see `flow.features.bare`.

        Returns:
            the values and their log-density per declared unit, (N, n) each.
        """
        mu, log_density = _Peak(*self._of(theta, bare)).draw(noise.double())
        return (mu / self._step).to(noise.dtype), (log_density + math.log(abs(self._step))).to(noise.dtype)

    @torch.no_grad()
    def _of(self, theta: Tensor, bare: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return S, C, the edges of mu, and by how much mu is shifted to keep the others near 1, (N, n) each."""
        points = theta[..., self._columns].reshape(-1, len(self._columns)).double()
        flux = torch.as_tensor(self._simulator(points.cpu().numpy()), device=theta.device).reshape(*theta.shape[:2], -1)
        signal, level, observed = bare.double()[:, None].chunk(3, dim=-1)
        seen = observed > 0
        log_signal = flux.log() - LN10 * level  # of an object whose scale is 1
        shift = torch.where(seen, log_signal, -torch.inf).amax(dim=-1, keepdim=True)
        expected = torch.where(seen, (log_signal - shift).exp(), 0.0)
        errors = self._errors
        faintest = torch.where(seen, -math.log(errors.high) - log_signal, -torch.inf).amax(dim=-1)
        brightest = torch.where(seen, -math.log(errors.low) - log_signal, torch.inf).amin(dim=-1)
        low, high = faintest.clamp(min=self._bounds[0]), brightest.clamp(max=self._bounds[1])
        return (expected * signal).sum(dim=-1), (expected**2).sum(dim=-1), low, high, shift[..., 0]


class _Peak:
    """The density of mu, which is shifted inside so that the brightest band is 1 at mu = 0."""

    def __init__(self, slope: Tensor, curvature: Tensor, low: Tensor, high: Tensor, shift: Tensor) -> None:
        self._slope, self._curvature, self._shift = slope, curvature, shift
        self._low = low + shift
        self._high = torch.maximum(high + shift, self._low + LEAST_RANGE)
        place, width = (slope / curvature).log(), curvature.sqrt() / slope
        inside = (place - 2 * REACH * width > self._low) & (place + REACH * width < self._high)
        self._near = (slope > 0) & (width < NARROW) & inside
        self._place, self._width = torch.where(self._near, place, 0.0), torch.where(self._near, width, NARROW)

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Turn normal noise (N, n) into mu and its log-density."""
        normal = (noise - self._offset) / (1 - self._width**2).sqrt()
        log_size = torch.log1p((self._width * normal).clamp(min=NARROW - 1))
        mu, log_density = self._place + log_size, self._log_normal(noise, log_size)
        if not self._near.all():
            rows, near = self._tabulated()
            far, log_far = _Table(*self._nodes(rows)).draw(torch.special.ndtr(noise[rows]))
            mu[rows] = torch.where(near, mu[rows], far)
            log_density[rows] = torch.where(near, log_density[rows], log_far)
        return mu - self._shift, log_density

    def log_prob(self, mu: Tensor) -> Tensor:
        """Return the log-density (N, n) at mu (N, n)."""
        mu = mu + self._shift
        log_size = (mu - self._place).clamp(max=1.0)
        noise = torch.expm1(log_size) / self._width * (1 - self._width**2).sqrt() + self._offset
        log_density = self._log_normal(noise, log_size)
        if not self._near.all():
            rows, near = self._tabulated()
            far = _Table(*self._nodes(rows)).log_prob(mu[rows])
            log_density[rows] = torch.where(near, log_density[rows], far)
        return log_density

    def _tabulated(self) -> tuple[Tensor, Tensor]:
        """Return a mask (N, n) of the k densities to tabulate, and which of them (k,) need not be.

        Only one object's are picked out: the last bit of a number may depend on its place in an array, which must not
        depend on other objects.
        """
        rows = ~self._near if len(self._near) == 1 else torch.ones_like(self._near)
        return rows, self._near[rows]

    @property
    def _offset(self) -> Tensor:
        """By how many standard deviations the slope of mu moves the mean of e^mu."""
        return self._width / (1 - self._width**2).sqrt()

    def _log_normal(self, noise: Tensor, log_size: Tensor) -> Tensor:
        precision = (1 - self._width**2) / (2 * math.pi)
        return 0.5 * precision.log() - noise**2 / 2 - self._width.log() + log_size

    def _nodes(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return nodes mu (k, K) of some densities, from the lower edge up and across the peak, and their heights."""
        slope, curvature, low, high = (part[rows] for part in (self._slope, self._curvature, self._low, self._high))
        place = torch.where(slope > 0, (slope.clamp(min=1e-300) / curvature).log(), low)
        place = torch.minimum(torch.maximum(place, low), high)
        width = REACH / (curvature.sqrt() * place.exp())
        start = torch.maximum(low, torch.minimum(place - width, high - LEAST_RANGE / 2))
        end = torch.maximum(torch.minimum(high, place + width), start + LEAST_RANGE / 2)
        step = torch.linspace(0, 1, TAIL + PEAK + 1, dtype=place.dtype, device=place.device)
        tail = low[..., None] + (start - low)[..., None] * step[:TAIL] * (TAIL + PEAK) / TAIL
        peak = start[..., None] + (end - start)[..., None] * (step[: PEAK + 1] * (TAIL + PEAK) / PEAK)
        mu = torch.cat([tail, peak], dim=-1)
        size = mu.exp()
        height = (slope[..., None] - curvature[..., None] / 2 * size) * size
        return mu, (height - height.amax(dim=-1, keepdim=True)).exp()


class _Table:
    """Densities that are linear between nodes."""

    def __init__(self, node: Tensor, height: Tensor) -> None:
        self._node, self._height = node, height
        self._reach = ((height[..., 1:] + height[..., :-1]) / 2 * node.diff(dim=-1)).cumsum(dim=-1)

    def draw(self, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Turn uniform numbers (k,) into values and their log-density."""
        wanted = uniform * self._reach[..., -1]
        index = (self._reach[..., :-1] < wanted[..., None]).sum(dim=-1, keepdim=True)
        left, right, low, high = self._around(index)
        below = torch.where(index > 0, self._reach.gather(-1, (index - 1).clamp(min=0)), 0.0)[..., 0]
        area, slope = (wanted - below).clamp(min=0), (high - low) / (right - left).clamp(min=LEAST_STEP)
        step = 2 * area / (low + (low**2 + 2 * area * slope).clamp(min=0).sqrt()).clamp(min=IMPOSSIBLE)
        value = torch.minimum(left + step, right)
        return value, self._log(low + slope * (value - left))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density (k,) of values (k,); that of the nearest edge beyond the edges."""
        index = (self._node[..., 1:-1] < value[..., None]).sum(dim=-1, keepdim=True)
        left, right, low, high = self._around(index)
        share = ((value - left) / (right - left).clamp(min=LEAST_STEP)).clamp(0, 1)
        return self._log(low + (high - low) * share)

    def _around(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the nodes on either side of a step, and the densities there, (k,) each."""
        ends = [index, index + 1]
        left, right, low, high = (a.gather(-1, end)[..., 0] for a in (self._node, self._height) for end in ends)
        return left, right, low, high

    def _log(self, height: Tensor) -> Tensor:
        return height.clamp(min=IMPOSSIBLE).log() - self._reach[..., -1].log()
