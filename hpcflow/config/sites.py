"""Site files: YAML under slurm/sites with the settings of a SLURM cluster; unknown keys are refused."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from pydantic import BeforeValidator, create_model

from hpcflow.base.errors import InputError
from hpcflow.compute.site import Resources, Site
from hpcflow.config.check import checked
from hpcflow.config.load import load_yaml
from hpcflow.config.section import Section

__all__ = ["load_site", "shipped_sites"]

PACKAGE = Path(__file__).parent.parent
KINDS = ("driver", "worker", "train")


def _keys_of(kind: type) -> dict[str, Any]:
    """Return a dataclass's fields as optional keys; the dataclass itself has their defaults."""
    types = get_type_hints(kind)
    return {field.name: (types[field.name], None) for field in fields(kind)}


SHARED = _keys_of(Resources)  # at the top of a file they apply to every kind of job
JOB = create_model("JOB", __base__=Section, **SHARED)
# A section whose lines are all comments is null.
SECTIONS = dict.fromkeys(KINDS, (Annotated[JOB, BeforeValidator(lambda given: {} if given is None else given)], None))
SITE = create_model("SITE", __base__=Section, **{**_keys_of(Site), **SECTIONS, **SHARED})


def shipped_sites() -> dict[str, Path]:
    """Return the shipped site files by name."""
    for folder in (PACKAGE / "slurm", PACKAGE.parent / "slurm"):  # in a wheel, in a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted((folder / "sites").glob("*.yaml"))}
    return {}


def load_site(name: str) -> Site:
    """Read a site.

    Args:
        name: a shipped site, or the path of a file, which contains a slash or ends in .yaml.

    Raises:
        InputError: naming the first wrong key and the values that it accepts.
    """
    shipped = shipped_sites()
    path = Path(name) if "/" in name or name.endswith(".yaml") else shipped.get(name)
    if path is None:
        raise InputError(
            f"there is no shipped site {name}; use one of {', '.join(shipped)}, or name a file: --site ./{name}.yaml"
        )
    raw = load_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(f"{path} does not hold a mapping; `hpcflow init --site generic` makes a site to start from")
    try:
        return _site({"name": path.stem, **raw})
    except (InputError, ValueError) as e:
        raise InputError(f"{path}: {e}") from e


def _site(raw: Mapping[str, Any]) -> Site:
    """Return a site; settings at the top of the file are the defaults of each kind of job."""
    said = checked(SITE, raw).model_dump(exclude_unset=True)
    shared = {key: said.pop(key) for key in SHARED if key in said}
    return Site(**said | {kind: _resources(kind, shared | said.get(kind, {})) for kind in KINDS})


def _resources(kind: str, said: Mapping[str, Any]) -> Resources:
    try:
        return Resources(**said)
    except ValueError as e:
        raise ValueError(f"{kind}: {e}") from e
