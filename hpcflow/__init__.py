"""hpcflow: posteriors of age, mass and reddening for catalogues of star clusters.

Three stages, on a laptop or a cluster: `hpcflow simulate` fills a library of model fluxes, `hpcflow train`
learns the posterior from it, `hpcflow infer` applies that to every cluster of a catalogue. The rooms, each
importing only from those to its right:

    cli -> stages -> figures -> calibration -> posterior, catalogues, compute -> flow, store -> sources -> model -> base

and `config`, which cli and stages alone read. docs/architecture.md walks through them.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["__version__", "open"]

try:
    __version__ = version("starcluster-hpcflow")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name != "open":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hpcflow.store.accessor import open_posteriors  # which takes a second

    return open_posteriors
