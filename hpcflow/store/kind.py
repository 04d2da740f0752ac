"""What kind of source an archive is about: its attributes say so, or it is older and is about star clusters."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcflow.sources import SOURCES
from hpcflow.sources.cluster.clusters import CLUSTER
from hpcflow.sources.source import Declared, Source

__all__ = ["close", "declared", "given_names", "kind_attributes", "leading", "source_of"]


def kind_attributes(source: Source) -> dict[str, Any]:
    """Return the attributes of an archive or a record of a kind of source."""
    return {"kind": source.name, "leading": source.leading}


def source_of(attrs: Mapping[str, Any]) -> Source | None:
    """Return the kind of source of an archive with such attributes; None if this version does not know it."""
    return SOURCES.get(attrs.get("kind", CLUSTER.name))


def leading(attrs: Mapping[str, Any]) -> str:
    """Return the parameter by which the archive sorts samples, and in which multimodal posteriors are told apart."""
    return str(attrs.get("leading", CLUSTER.leading))


def given_names(attrs: Mapping[str, Any]) -> list[str]:
    """Return the names of what is given of each object besides photometry."""
    return list(attrs.get("given", [quantity.name for quantity in CLUSTER.scale.given]))


def declared(attrs: Mapping[str, Any]) -> dict[str, Declared]:
    """Return what is declared of the parameters of the archive's kind of source."""
    source = source_of(attrs)
    return source.by_name if source else {}


def close(attrs: Mapping[str, Any], parameter: str) -> float:
    """Return how far two values of a parameter may be apart and count as the same; infinite if nothing is declared."""
    found = declared(attrs).get(parameter)
    return found.close if found and found.close else np.inf
