"""`hpcflow.load`: a flow that ships, that of a run or a folder, or the exact posterior, to be asked in Python."""

from pathlib import Path
from typing import Any

from hpcflow.base.errors import InputError
from hpcflow.config.load import Config, load_config, parse_config, with_values
from hpcflow.flow import checkpoint, shipped
from hpcflow.stages.defaults import default_config
from hpcflow.stages.run import Run
from hpcflow.stages.session import Session
from hpcflow.stages.which import EXACT, FLOW, flow_of, posterior_of

__all__ = ["load"]

SETTINGS = (  # keys of `infer` that say how to compute, and not what to read
    "distances",
    "distance_error_dex",
    "marginalise_distance",
    "sampling",
    "samples",
    "keep",
    "predictive",
    "modes",
    "weights",
    "polish",
    "refine",
    "seed",
)


def load(name: str | Path, **infer: Any) -> Session:
    """Return what knows the posteriors of a model: a trained flow, or the exact posterior.

    Args:
        name: a flow that ships (`hpcflow flows` lists them); the folder of a run or of a flow; a config, for the exact
            posterior of its model or the flow that it names; or "exact", for star clusters in any bands.
        infer: settings (samples, keep, modes, seed, refine and other keys of the config's section `infer`) that are to
            be other than in the run or the config, or by default.

    Raises:
        InputError: if there is nothing of that name, or a setting is not known.
    """
    if unknown := set(infer) - set(SETTINGS):
        raise InputError(f"{', '.join(sorted(unknown))} is no setting; those known are {', '.join(SETTINGS)}")
    values = {f"infer.{key}": value for key, value in infer.items()}
    return Session(with_values(_config_of(str(name)), {**values, "infer.catalogues": []}), any_bands=name == EXACT)


def _config_of(name: str) -> Config:
    """Return the config that a name stands for; its section `infer` says where posteriors come from."""
    path = Path(name)
    if name == EXACT:
        return parse_config(default_config())
    if path.suffix in (".yaml", ".yml"):
        config = load_config(path)
        return config if config.infer.flow else with_values(config, {"infer.posterior": EXACT})
    if (run := Run(path)).begun:
        config = run.config()
        exact = posterior_of(config, run) == EXACT
        from_ = {"posterior": EXACT, "flow": None} if exact else {"posterior": FLOW, "flow": str(flow_of(config, run))}
        return with_values(config, {f"infer.{key}": value for key, value in from_.items()})
    if (path / checkpoint.DESCRIPTION).is_file():
        return parse_config(default_config(flow=name))
    if path.exists() or len(path.parts) > 1:
        raise InputError(f"{name} is no folder of a run or a flow; name one, a config, a flow that ships, or {EXACT}")
    shipped.folder(name)
    return parse_config(default_config(flow=f"{shipped.PREFIX}{name}"))
