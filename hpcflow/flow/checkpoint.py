"""A trained estimator on disk: weights as safetensors, everything else as JSON; nothing is ever unpickled."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_model
from safetensors.torch import save as to_bytes

from hpcflow.base.atomic import atomic_folder
from hpcflow.base.errors import InputError
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.physics import Physics
from hpcflow.model.prior import Parameter, Prior
from hpcflow.model.scale import Scale
from hpcflow.sources.cluster.parameters import SCALE

__all__ = ["load", "read_description", "save"]

SCHEMA = "hpcflow-flow/2"
WEIGHTS, DESCRIPTION = "weights.safetensors", "flow.json"
SEAL = "description_sha256"  # of all other entries, the hash of the weights among them


def save(estimator: Estimator, folder: Path, extra: Mapping[str, Any], files: Mapping[str, str] | None = None) -> None:
    """Write an estimator to a folder, which appears complete or not at all.

    Args:
        estimator: the estimator to save.
        folder: where to save it; an existing folder is replaced.
        extra: further entries of the description: config, seed, versions, losses.
        files: further text files by name, such as the training history.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in estimator.state_dict().items()}
    weights = to_bytes(state)
    plain = {
        "schema": SCHEMA,
        "parameters": [vars(p) for p in estimator.prior.parameters],
        "bands": list(estimator.bands),
        "scale": asdict(estimator.scale),
        "weights": estimator.weights,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **estimator.settings,
        **extra,
    }
    description = json.loads(json.dumps(plain))  # as it will be read
    description[SEAL] = _seal(description)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder) as growing:
        (growing / WEIGHTS).write_bytes(weights)  # with the permissions of the user's other files
        (growing / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n")
        for name, text in (files or {}).items():
            (growing / name).write_text(text)


def read_description(folder: Path) -> dict[str, Any]:
    """Return the description of the estimator in a folder.

    Raises:
        InputError: if there is no estimator, it has another schema, or its description is not what training wrote.
    """
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
    except OSError as e:
        raise InputError(f"{folder} holds no trained flow; run `hpcflow train` first") from e
    except (ValueError, RecursionError) as e:
        raise InputError(f"{folder / DESCRIPTION} is not JSON; train the flow again") from e
    found = description.get("schema") if isinstance(description, dict) else None
    if found != SCHEMA:
        raise InputError(f"{folder} holds {found}, but this version reads {SCHEMA}; train the flow again")
    if description.get(SEAL) != _seal(description):
        raise _changed(folder / DESCRIPTION)
    return description


def load(folder: Path, physics: Physics | None = None) -> Estimator:
    """Return the estimator in a folder, ready for inference.

    Args:
        folder: where it was saved.
        physics: the model that it was trained for, which some flows need; see `Estimator`.

    Raises:
        InputError: if it is missing or damaged, or has another schema.
    """
    description = read_description(folder)
    try:
        prior = Prior(tuple(Parameter(**p) for p in description["parameters"]))
        # Flows from before there were other sources than clusters do not say how fluxes scale.
        scale = Scale.from_plain(description["scale"]) if "scale" in description else SCALE
        settings = description["features"], description["flow"]
        bands = tuple(description["bands"]) if physics is None else physics.simulator.bands
        estimator = Estimator(prior, bands, scale, *settings, physics)
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise InputError(
            f"{folder / DESCRIPTION} does not describe a flow of this version; train the flow again ({e})"
        ) from e
    try:
        if hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest() != description["weights_sha256"]:
            raise _changed(folder / WEIGHTS)
        load_model(estimator, folder / WEIGHTS)
    except (OSError, RuntimeError, SafetensorError) as e:
        raise InputError(f"{folder / WEIGHTS} does not hold this flow's weights; train the flow again ({e})") from e
    return estimator.eval().requires_grad_(False)


def _seal(description: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all entries of a description but the seal itself."""
    sealed = {key: value for key, value in description.items() if key != SEAL}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()


def _changed(path: Path) -> InputError:
    return InputError(
        f"{path} is not what training wrote; restore it, or remove {path.parent} and train the flow again"
    )
