"""Site files: YAML under slurm/sites that says what a cluster wants to be told; unknown keys are refused."""

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
    """Return the fields of a value as keys that need not be given; the value itself has their defaults."""
    types = get_type_hints(kind)
    return {field.name: (types[field.name], None) for field in fields(kind)}


SHARED = _keys_of(Resources)  # said once at the top of a file, they hold for every kind of job
JOB = create_model("JOB", __base__=Section, **SHARED)
# A section of which every line is a comment is null.
SECTIONS = dict.fromkeys(KINDS, (Annotated[JOB, BeforeValidator(lambda given: {} if given is None else given)], None))
SITE = create_model("SITE", __base__=Section, **{**_keys_of(Site), **SECTIONS, **SHARED})


def shipped_sites() -> dict[str, Path]:
    """Return the site files that travel with the package, by name."""
    for folder in (PACKAGE / "slurm", PACKAGE.parent / "slurm"):  # in a wheel, in a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted((folder / "sites").glob("*.yaml"))}
    return {}


def load_site(name: str) -> Site:
    """Read a site.

    Args:
        name: of a shipped site, or the path of a file, which has a slash or ends in .yaml.

    Raises:
        InputError: naming the first key that is wrong, and what it may be.
    """
    shipped = shipped_sites()
    path = Path(name) if "/" in name or name.endswith(".yaml") else shipped.get(name)
    if path is None:
        raise InputError(
            f"there is no shipped site {name}; there are {', '.join(shipped)}, or name a file: --site ./{name}.yaml"
        )
    raw = load_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(f"{path} does not hold a mapping; `hpcflow init --site generic` makes a site to start from")
    try:
        return _site({"name": path.stem, **raw})
    except (InputError, ValueError) as e:
        raise InputError(f"{path}: {e}") from e


def _site(raw: Mapping[str, Any]) -> Site:
    """Return a site; what its top says about jobs holds for each kind that does not say otherwise."""
    said = checked(SITE, raw).model_dump(exclude_unset=True)
    shared = {key: said.pop(key) for key in SHARED if key in said}
    return Site(**said | {kind: _resources(kind, shared | said.get(kind, {})) for kind in KINDS})


def _resources(kind: str, said: Mapping[str, Any]) -> Resources:
    try:
        return Resources(**said)
    except ValueError as e:
        raise ValueError(f"{kind}: {e}") from e
