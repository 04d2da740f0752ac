"""The state of an unfinished training in one file, from which it resumes as if it had never stopped."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from hpcflow.base.atomic import atomic
from hpcflow.base.errors import InputError
from hpcflow.flow.estimator import Estimator
from hpcflow.flow.header import Header, read_header
from hpcflow.flow.schedule import Schedule

__all__ = ["State", "identity_of", "read_state", "write_state"]

PARTS = ("live", "good", "best", "features")


@dataclass(frozen=True)
class State:
    """The state of a training between two steps.

    Args:
        header: identity and progress of the training.
        live: everything that the next step depends on; see `Learner.tensors`.
        good: the same at the last validation.
        best: the weights with the lowest validation loss.
        features: buffers of the fitted features.
    """

    header: Header
    live: Mapping[str, Tensor]
    good: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    features: Mapping[str, Tensor]


def identity_of(estimator: Estimator, schedule: Schedule, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return, as plain values, everything that must be unchanged for a training to be resumed.

    Args:
        estimator: what is trained.
        schedule: how it is trained.
        origin: what the examples are made from, by name.
    """
    return {
        **origin,
        "schedule": {key: value for key, value in vars(schedule).items() if key != "checkpoint_minutes"},
        "settings": estimator.settings,
        "parameters": [[p.name, p.low, p.high, p.scale] for p in estimator.prior.parameters],
        "bands": list(estimator.bands),
        "shapes": {name: list(tensor.shape) for name, tensor in estimator.state_dict().items()},
    }


def write_state(path: Path, state: State) -> None:
    """Write a state file, which appears complete or not at all, and is on the disk when this returns."""
    tensors = {
        f"{part}.{name}": tensor.cpu().contiguous() for part in PARTS for name, tensor in getattr(state, part).items()
    }
    with atomic(path, durable=True) as growing:
        header = state.header.metadata()
        growing.write_bytes(save(tensors, {**header, "digest": _digest(tensors, header)}))


def read_state(path: Path, identity: Mapping[str, Any]) -> State:
    """Return the state in a file.

    Args:
        path: the state file.
        identity: identity of the training to resume, from `identity_of`.

    Raises:
        InputError: if the file is damaged, has another schema, or belongs to another training.
    """
    header = read_header(path)
    if changed := [key for key, value in identity.items() if header.identity.get(key) != value]:
        raise InputError(
            f"{path} is the state of a training with another {' and '.join(changed)}; "
            "restore the settings it was started with, or remove the file to train from the start"
        )
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as e:
        raise InputError(f"{path} is damaged; remove it to train from the start ({e})") from e
    if _digest(found, header.metadata()) != header.digest:
        raise InputError(f"{path} is damaged: it is not what was saved; remove it to train from the start")
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for name, tensor in found.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    return State(header, **parts)


def _digest(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    """Return a digest of tensors on the CPU and the header, because the file format does not detect a flipped bit."""
    digest = hashlib.blake2b("\0".join(header.values()).encode(), digest_size=16)
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).numpy().data)
    return digest.hexdigest()
