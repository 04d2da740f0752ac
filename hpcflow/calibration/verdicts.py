"""Whether a flow may be used: what a record of calibration shows, held against what is required of it."""

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
    """A finding that is held against a limit.

    Args:
        finding: the smaller its value, the better; below `by_chance` nothing is proven.
        limit: what its value should not exceed, as `validate.require` says.
    """

    finding: Finding
    limit: float

    @property
    def what(self) -> str:
        """What was found, in words that end with its value."""
        return what(self.finding)

    @property
    def allowed(self) -> float:
        """What the value may be: its limit, or what chance gives if that is more."""
        chance = self.finding.by_chance
        return self.limit if math.isnan(chance) else max(self.limit, chance)

    @property
    def good(self) -> bool:
        """Whether nothing is proven against the flow; a value that is not a finite number counts against it."""
        return math.isfinite(self.finding.value) and self.finding.value <= self.allowed

    @property
    def excess(self) -> float:
        """How many times what is allowed was found; infinite where it is not a finite number."""
        return self.finding.value / max(self.allowed, 1e-9) if math.isfinite(self.finding.value) else math.inf

    def __str__(self) -> str:
        """Say what was found, and what is allowed."""
        found, limit = self.finding, f"validate.require.{self.finding.key} = {self.limit:g}"
        if not math.isfinite(found.value):
            return f"{self.what} {found.value}, which is not a finite number, so {limit} is not met"
        if not self.good:
            return f"{self.what} {found.value:.4f}, more than {limit} allows"
        doubt = f" (so few simulations show no less than {self.allowed:.3f})" if self.allowed > self.limit else ""
        return f"{self.what} {found.value:.4f}, as {limit} wants{doubt}"


def judge(ds: xr.Dataset, limits: Mapping[str, float | None]) -> list[Verdict]:
    """Return a verdict on every number that has a limit.

    A number must exceed both its limit and what chance gives to count against the flow: the limit says how wrong a
    posterior may be to be useful, chance what so many simulations can show at all, in 999 of 1000 records. A number
    that is not finite counts against it as well.

    Args:
        ds: the record.
        limits: by key: ecdf of the six rank statistics; coverage of the central intervals of each parameter; regions of
            highest density; tarp; strata, of all these in the worst stratum; local, of the correlation with which ranks
            can be foretold; regression [nat], of what it knows more than the flow; gap [nat] and c2st, against the
            exact posterior. None is not judged.
    """
    wanted = {key: limit for key, limit in limits.items() if limit is not None}
    verdicts = [Verdict(found, wanted[found.key]) for found in _judged(ds) if found.key in wanted]
    of_strata = [verdict for verdict in verdicts if verdict.finding.key == "strata"]
    worst = max(of_strata, key=lambda verdict: verdict.excess, default=None)  # of so many, one is enough to say
    return [verdict for verdict in verdicts if verdict.finding.key != "strata" or verdict is worst]


def _judged(ds: xr.Dataset) -> Iterator[Finding]:
    yield from findings.ecdf(ds)
    yield from findings.intervals(ds)
    yield from findings.wholes(ds)
    yield from findings.within_strata(ds)
    yield from findings.locally(ds)
    yield from filter(None, (findings.regression(ds), findings.gap(ds)))
    yield from findings.distances(ds)
