"""The families of flows by name."""

from collections.abc import Callable

from hpcflow.flow.autoregressive import AutoregressiveSpline
from hpcflow.flow.base import Flow
from hpcflow.flow.cinn import ConditionalInvertibleNetwork

__all__ = ["FAMILIES"]

FAMILIES: dict[str, Callable[..., Flow]] = {
    "autoregressive": AutoregressiveSpline,
    "cinn": ConditionalInvertibleNetwork,
}
