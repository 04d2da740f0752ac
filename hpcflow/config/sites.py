"""Site files: YAML under slurm/sites that says what a cluster wants to be told; unknown keys are refused."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hpcflow.base.errors import InputError
from hpcflow.compute.site import Resources, Site
from hpcflow.config.load import load_yaml

__all__ = ["load_site", "shipped_sites"]

PACKAGE = Path(__file__).parent.parent
KINDS = ("driver", "worker", "train")
SHARED = tuple(f.name for f in fields(Resources))  # said once at the top of a file, they hold for every kind of job


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
        return TypeAdapter(Site).validate_python({"name": path.stem, **_spread(raw)})
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the site"
        said = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
        raise InputError(f"{path}: {where}: {said[:1].lower()}{said[1:]} (given: {first['input']!r:.80})") from e
    except InputError as e:
        raise InputError(f"{path}: {e}") from e


def _spread(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Hand what the top of the file says about jobs down to each kind that does not say otherwise."""
    own = [f.name for f in fields(Site)]
    _refuse_unknown(raw, [*own, *SHARED], "")
    shared = {key: raw[key] for key in SHARED if key in raw}
    spread = {key: value for key, value in raw.items() if key in own}
    for kind in KINDS:
        section = raw.get(kind) or {}
        if not isinstance(section, Mapping):
            raise InputError(f"{kind} must be a mapping of keys; known here: {', '.join(SHARED)}")
        _refuse_unknown(section, SHARED, f"{kind}.")
        spread[kind] = shared | dict(section)
    return spread


def _refuse_unknown(section: Mapping[str, Any], known: list[str] | tuple[str, ...], at: str) -> None:
    for key in section:
        if key not in known:
            raise InputError(f"{at}{key} is not a known key; known here: {', '.join(known)}")
