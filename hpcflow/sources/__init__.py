"""What is looked at: a folder for each kind of source, with its parameters, its simulators and its physics."""

from hpcflow.sources.cluster.clusters import CLUSTER
from hpcflow.sources.source import Source

__all__ = ["SOURCES"]

SOURCES: dict[str, Source] = {source.name: source for source in (CLUSTER,)}
