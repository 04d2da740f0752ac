"""`hpcflow flows`: which flows ship, what each was trained for, and how good it is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from hpcflow.config.load import Config, dump_yaml
from hpcflow.flow import checkpoint, shipped
from hpcflow.flow.shipped import Calibration
from hpcflow.stages.build import build_prior, source_of
from hpcflow.stages.same_model import trained_config

__all__ = ["ShippedFlow", "flows_table", "open_flow"]


@dataclass(frozen=True)
class ShippedFlow:
    """A flow that ships.

    Args:
        name: its name.
        config: the config that it was trained with.
        description: what `flow.checkpoint` keeps of it.
        calibration: how good it is.
        megabytes: size of its folder.
    """

    name: str
    config: Config
    description: Mapping[str, Any]
    calibration: Calibration
    megabytes: float

    @property
    def bands(self) -> str:
        """Its bands, by camera."""
        filters: dict[str, list[str]] = {}
        for label, curve in self.config.model.bands.items():
            camera, _, filter_name = curve.partition(".")
            filters.setdefault(camera if filter_name else "", []).append(filter_name or label)
        return "; ".join(f"{camera} {' '.join(of)}".strip() for camera, of in filters.items())

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of what it infers."""
        return build_prior(self.config).names

    @property
    def distances(self) -> str:
        """The range of distances in training; empty for sources that are not in galaxies."""
        low, high = self.config.observe.distance_mpc
        return f"{low:g} to {high:g} Mpc" if source_of(self.config).in_galaxies else ""

    @property
    def noise(self) -> str:
        """The law of its noise, with the range of relative errors."""
        low, high = self.config.observe.relative_error
        return f"{self.config.observe.noise} noise of {100 * low:g} to {100 * high:g} %"

    @property
    def coverage(self) -> str:
        """How often its intervals of 68 and 95 % hold the truth."""
        return f"{100 * self.calibration.coverage_68:.1f}, {100 * self.calibration.coverage_95:.1f} %"

    @property
    def missing(self) -> str:
        """Which bands objects lacked in training."""
        observe = self.config.observe
        if observe.subset is not None:
            return "all but {} to {}, chosen at random in training".format(*observe.subset)
        return f"each with probability {observe.missing:g} in training"

    def facts(self) -> dict[str, str]:
        """Return everything that is known of it, by what it is."""
        found, flow = self.calibration, self.description["flow"]
        members = f", an ensemble of {flow['members']}" if "members" in flow else ""
        return {
            "posteriors of": source_of(self.config).plural,
            "flow": f"{flow['family']}{members}, {self.description['weights']:,} weights, {self.megabytes:.1f} MB",
            "bands": self.bands,
            "parameters": ", ".join(self._priors()),
            "distances": self.distances,
            "errors": self.noise,
            "missing bands": self.missing,
            "gap": f"{found.gap:.3f} nats to the exact posterior",
            "ranks": f"{found.ecdf:.4f} at most from uniform, in distribution, on {found.pairs:,} simulations",
            "coverage": f"{self.coverage}, of intervals of 68 and 95 %",
            "trained by": found.command,
            "which took": f"{found.processor_hours:g} processor hours",
            "on": f"{found.date}, with commit {found.commit}",
            **{key: str(value) for key, value in found.more.items()},
        }

    def recipe(self) -> str:
        """Return a config that uses it, as YAML."""
        plain = self.config.plain()
        raw = {
            "name": f"with-{self.name}",
            "source": plain["source"],
            "model": plain["model"],
            "observe": plain["observe"],
            "infer": {"catalogues": ["mine.csv"], "flow": f"{shipped.PREFIX}{self.name}"},
        }
        return dump_yaml(raw, compact=True)

    def _priors(self) -> Iterator[str]:
        for p in build_prior(self.config).parameters:
            yield f"{p.name} {p.low:g} to {p.high:g} {p.unit}".strip()


def open_flow(name: str) -> ShippedFlow:
    """Return a flow that ships.

    Raises:
        InputError: if there is none of this name, or what is installed of it is damaged.
    """
    folder = shipped.folder(name)
    description = checkpoint.read_description(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return ShippedFlow(name, trained_config(folder), description, shipped.calibration(name), size / 1e6)


def flows_table() -> Table:
    """Return a table with a row per flow that ships."""
    table = Table(title="flows that ship" if shipped.names() else "no flow ships with this version", show_lines=True)
    table.add_column("name", no_wrap=True)
    table.add_column("what it is for")
    table.add_column("gap, coverage, size", no_wrap=True)
    for name in shipped.names():
        flow = open_flow(name)
        model = f"{', '.join(flow.parameters)} of {source_of(flow.config).plural}"
        observed = ", ".join(filter(None, [flow.distances, flow.noise]))
        good = f"{flow.calibration.gap:.3f} nats", flow.coverage, f"{flow.megabytes:.1f} MB"
        table.add_row(name, "\n".join([model, observed, flow.bands.replace("; ", "\n")]), "\n".join(good))
    return table
