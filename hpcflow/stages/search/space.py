"""The default search space: the keys that matter most for all training and for each family of flows."""

from collections.abc import Mapping

from hpcflow.config.load import Axis, Config

__all__ = ["space_of"]

COMMON = {
    "train.learning_rate": Axis(low=1e-3, high=3e-2, log=True),
    "train.batch": Axis(choices=[512, 1024, 2048, 4096]),
}


def space_of(config: Config) -> Mapping[str, Axis]:
    """Return the config's search space by dotted key, or the default of its family if it names none."""
    own = {f"train.flow.{name}": axis for name, axis in config.train.flow.space.items()}
    return config.search.space or COMMON | own
