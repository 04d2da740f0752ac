"""Whether a flow may be used: what a record of calibration shows, held against what is required of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import xarray as xr

from hpcflow.calibration import uniformity
from hpcflow.calibration.findings import distances, excursions, gap, intervals, joint

__all__ = ["Verdict", "judge"]


@dataclass(frozen=True)
class Verdict:
    """One number that is held against a limit.

    Args:
        key: of the limit in `validate.require`.
        what: the number is of.
        value: the number; the smaller the better.
        limit: what it should not exceed.
        by_chance: what it may be by chance alone, with so few simulations: below it nothing is proven.
    """

    key: str
    what: str
    value: float
    limit: float
    by_chance: float

    @property
    def good(self) -> bool:
        """Whether nothing is proven against the flow."""
        return not self.value > max(self.limit, self.by_chance)

    def __str__(self) -> str:
        """Say what was found, and what is allowed."""
        allowed = f"validate.require.{self.key} = {self.limit:g}"
        if self.good:
            doubt = (
                "" if self.by_chance <= self.limit else f" (so few simulations show no less than {self.by_chance:.3f})"
            )
            return f"{self.what} {self.value:.4f}, as {allowed} wants{doubt}"
        return f"{self.what} {self.value:.4f}, more than {allowed} allows"


def judge(ds: xr.Dataset, limits: Mapping[str, float | None]) -> list[Verdict]:
    """Return a verdict on every number that has a limit.

    A number must exceed both its limit and what chance gives to count against the flow: the limit says how wrong a
    posterior may be to be useful, chance what so many simulations can show at all, in 999 of 1000 records.

    Args:
        ds: the record.
        limits: by key: ecdf of the six rank statistics; coverage of the central intervals of each parameter; regions of
            highest density; tarp; gap [nat] and c2st, against the exact posterior. None is not judged.
    """
    wanted = {key: limit for key, limit in limits.items() if limit is not None}
    return [
        Verdict(key, what, value, wanted[key], by_chance)
        for key, what, value, by_chance in _numbers(ds)
        if key in wanted
    ]


def _numbers(ds: xr.Dataset) -> Iterator[tuple[str, str, float, float]]:
    """Yield key, what, value and what it may be by chance."""
    samples, chance = int(ds.attrs["samples"]), uniformity.largest_by_chance(ds.sizes["simulation"])
    for name, (largest, _) in excursions(ds).items():
        yield "ecdf", f"ranks of {name} are off by", largest, chance
    for name, furthest in intervals(ds).items():
        yield "coverage", f"coverage of the intervals of {name} is off by", furthest, chance
    for key, (name, rank) in zip(("regions", "tarp"), joint(ds).items(), strict=True):
        yield key, f"coverage of {name} is off by", uniformity.off(rank, samples), chance
    for name, found in gap(ds).items():
        if name == "all":
            yield "gap", "the gap to the exact posterior is", found.mean, 3 * found.error
    for name, value in distances(ds).items():
        if "classifier" in name:
            yield (
                "c2st",
                "flow and exact posterior are told apart with an accuracy of",
                value.mean,
                0.5 + 3 * value.error,
            )
