"""Verdicts on a flow: the numbers of its calibration record against the limits in `validate.require`."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import xarray as xr

from hpcflow.calibration import findings
from hpcflow.calibration.findings import Finding
from hpcflow.calibration.words import what

__all__ = ["Verdict", "judge"]


@dataclass(frozen=True)
class Verdict:
    """A finding and its limit.

    Args:
        finding: a number that is better if smaller; below `by_chance` it proves nothing.
        limit: largest acceptable value, from `validate.require`.
    """

    finding: Finding
    limit: float

    @property
    def what(self) -> str:
        """The finding in words, to be followed by its value."""
        return what(self.finding)

    @property
    def allowed(self) -> float:
        """The largest value allowed: the limit, or the bound by chance if that is larger."""
        chance = self.finding.by_chance
        return self.limit if math.isnan(chance) else max(self.limit, chance)

    @property
    def good(self) -> bool:
        """Whether the value is allowed; a value that is not finite never is."""
        return math.isfinite(self.finding.value) and self.finding.value <= self.allowed

    @property
    def excess(self) -> float:
        """The ratio of the value to the largest allowed; infinite if the value is not finite."""
        return self.finding.value / max(self.allowed, 1e-9) if math.isfinite(self.finding.value) else math.inf

    def __str__(self) -> str:
        """Return a sentence with the value and its limit."""
        found, limit = self.finding, f"validate.require.{self.finding.key} = {self.limit:g}"
        if not math.isfinite(found.value):
            return f"{self.what} {found.value}, which is not a finite number, so {limit} is not met"
        if not self.good:
            return f"{self.what} {found.value:.4f}, more than {limit} allows"
        doubt = f" (so few simulations cannot show less than {self.allowed:.3f})" if self.allowed > self.limit else ""
        return f"{self.what} {found.value:.4f}, which meets {limit}{doubt}"


def judge(ds: xr.Dataset, limits: Mapping[str, float | None]) -> list[Verdict]:
    """Return a verdict on every number that has a limit.

    A number counts against the flow if it exceeds both its limit and the bound by chance, or if it is not finite. The
    limit is how wrong a useful posterior may be; the bound is what 999 of 1000 records of a right flow stay below.

    Args:
        ds: the calibration record.
        limits: limits by key, None for no limit: ecdf of the six rank statistics; coverage of the central intervals of
            each parameter; regions of highest density; tarp; strata, the largest of all these in the worst stratum;
            local, the correlation of ranks with their prediction; regression [nat], its lead over the flow; gap [nat]
            and c2st, against the exact posterior.
    """
    wanted = {key: limit for key, limit in limits.items() if limit is not None}
    verdicts = [Verdict(found, wanted[found.key]) for found in _judged(ds) if found.key in wanted]
    of_strata = [verdict for verdict in verdicts if verdict.finding.key == "strata"]
    worst = max(of_strata, key=lambda verdict: verdict.excess, default=None)  # one of so many is enough
    return [verdict for verdict in verdicts if verdict.finding.key != "strata" or verdict is worst]


def _judged(ds: xr.Dataset) -> Iterator[Finding]:
    yield from findings.ecdf(ds)
    yield from findings.intervals(ds)
    yield from findings.wholes(ds)
    yield from findings.within_strata(ds)
    yield from findings.locally(ds)
    yield from filter(None, (findings.regression(ds), findings.gap(ds)))
    yield from findings.distances(ds)
