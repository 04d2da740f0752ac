"""Where a search looks when the config does not say: what matters most of each family, around its defaults."""

from collections.abc import Mapping

from hpcflow.config.load import Axis, Config

__all__ = ["SPACES", "space_of"]

COMMON = {
    "train.learning_rate": Axis(low=1e-3, high=3e-2, log=True),
    "train.batch": Axis(choices=[512, 1024, 2048, 4096]),
}
SPACES: dict[str, dict[str, Axis]] = {
    "autoregressive": {
        **COMMON,
        "train.flow.bins": Axis(choices=[8, 16, 24]),
        "train.flow.hidden": Axis(choices=[64, 96, 128]),
        "train.flow.embedding_hidden": Axis(choices=[192, 256, 384, 512]),
        "train.flow.embedding_layers": Axis(low=2, high=4),
    },
    "cinn": {
        **COMMON,
        "train.flow.blocks": Axis(low=4, high=12),
        "train.flow.hidden": Axis(choices=[64, 128, 256]),
        "train.flow.embedding": Axis(choices=[32, 64, 128]),
        "train.flow.embedding_hidden": Axis(choices=[128, 256, 512]),
    },
}


def space_of(config: Config) -> Mapping[str, Axis]:
    """Return the config's search space by dotted key, or its family's own where it names none."""
    return config.search.space or SPACES[config.train.flow.family]
