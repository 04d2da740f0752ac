"""hpcflow: posteriors of age, mass and reddening for catalogues of star clusters.

Three stages, on a laptop or a cluster: `hpcflow simulate` fills a library of model fluxes, `hpcflow train`
learns the posterior from it, `hpcflow infer` applies that to every cluster of a catalogue. The rooms, each
importing only from those to its right:

    cli -> stages -> figures -> calibration -> posterior, catalogues, compute -> flow, store -> sources -> model -> base

and `config`, which cli and stages alone read. docs/architecture.md walks through them.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["InputError", "__version__", "load", "open"]

try:
    __version__ = version("starcluster-hpcflow")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

# What `import hpcflow` offers, with the module and its name there; loading them takes seconds.
OFFERED = {
    "InputError": ("hpcflow.base.errors", "InputError"),
    "load": ("hpcflow.stages.python", "load"),
    "open": ("hpcflow.store.accessor", "open_posteriors"),
}


def __getattr__(name: str) -> Any:
    if name not in OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = OFFERED[name]
    return getattr(import_module(module), there)


def __dir__() -> list[str]:
    return sorted(__all__)
