"""The families of flows: the settings of each, and its default search space."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from hpcflow.config.section import Section

__all__ = ["FAMILIES", "Autoregressive", "Axis", "Cinn", "Flow"]

Width = Annotated[int, Field(ge=1, le=16_384)]
Depth = Annotated[int, Field(ge=1, le=200)]


class Axis(Section):
    """The values that a search may give one key: choices, or a range from low to high, log-uniform with log: true."""

    choices: list[bool | int | float | str] = []
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False

    @model_validator(mode="after")
    def _is_choices_or_a_range(self) -> "Axis":
        if self.choices:
            if self.low is not None or self.high is not None:
                raise ValueError("both choices and a range are given; keep one")
        elif self.low is None or self.high is None:
            raise ValueError("give choices, or both low and high")
        elif not self.low < self.high:
            raise ValueError(f"low = {self.low} is not below high = {self.high}; swap them")
        elif self.log and self.low <= 0:
            raise ValueError(f"log: true needs a positive low, not {self.low}; raise it above 0")
        return self

    @property
    def corners(self) -> list[bool | int | float | str]:
        """The choices, or the two ends of the range."""
        return self.choices or [end for end in (self.low, self.high) if end is not None]


class Cinn(Section):
    """The FrEIA network of Walter et al. 2026; see `flow.cinn`."""

    family: Literal["cinn"] = "cinn"
    blocks: Depth = 8
    hidden: Width = 128
    layers: Depth = 2
    embedding: Annotated[int, Field(ge=0, le=16_384)] = 64  # 0: the features themselves
    embedding_hidden: Width = 256
    embedding_layers: Depth = 2
    clamp: Annotated[float, Field(gt=0, le=100)] = 2.0

    space: ClassVar[Mapping[str, Axis]] = {
        "blocks": Axis(low=4, high=12),
        "hidden": Axis(choices=[64, 128, 256]),
        "embedding": Axis(choices=[32, 64, 128]),
        "embedding_hidden": Axis(choices=[128, 256, 512]),
    }


class Autoregressive(Section):
    """The autoregressive spline flow; see `flow.autoregressive`."""

    family: Literal["autoregressive"] = "autoregressive"
    order: list[str] = []
    bins: Annotated[int, Field(ge=2, le=1000)] = 16
    hidden: Width = 96
    layers: Depth = 2
    rank: Width = 32
    frequencies: Annotated[int, Field(ge=0, le=64)] = 8
    nodes: Annotated[int, Field(ge=0, le=4096)] = 0
    embedding_hidden: Width = 384
    embedding_layers: Depth = 3

    space: ClassVar[Mapping[str, Axis]] = {
        "bins": Axis(choices=[8, 16, 24]),
        "hidden": Axis(choices=[64, 96, 128]),
        "embedding_hidden": Axis(choices=[192, 256, 384, 512]),
        "embedding_layers": Axis(low=2, high=4),
    }


Flow = Cinn | Autoregressive  # all families; `flow.families` has their networks
FAMILIES: dict[str, type[Section]] = {section.model_fields["family"].default: section for section in get_args(Flow)}
