"""A run folder, and the config that all its stages must agree with."""

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hpcflow.base.atomic import write_whole
from hpcflow.base.errors import InputError
from hpcflow.base.paths import RunPaths
from hpcflow.config.load import Config, difference, dump_yaml, load_yaml, parse_config

__all__ = ["STAGES", "Record", "Run", "digest_file", "provenance", "refuse_other_sources"]

# The sections of the config that each stage depends on; they are frozen once it has begun.
STAGES = {
    "simulate": ("name", "source", "model", "simulate"),
    "train": ("name", "source", "model", "simulate", "observe", "train"),
    "infer": ("name", "source", "model", "simulate", "observe", "train", "infer"),
    "validate": ("name", "source", "model", "simulate", "observe", "train", "validate"),
}
# Keys that may change: they say where something is computed or how it is judged, and do not change it.
PLACES = ("simulate.python:", "simulate.threads:", "simulate.timeout_s:", "validate.require")
PACKAGES = ("starcluster-hpcflow", "numpy", "scipy", "torch", "FrEIA", "dask", "zarr", "xarray", "astropy")


@dataclass(frozen=True)
class Record:
    """What a run was made with, as read from its record.

    Args:
        config: the whole config, as plain values.
        frozen: sections that the stages begun so far depend on.
        provenance: versions and platform, noted when the last of these stages began.
    """

    config: Mapping[str, Any]
    frozen: tuple[str, ...]
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class Run(RunPaths):
    """A run folder, which refuses a config that its earlier stages were not made with."""

    def read(self) -> Record:
        """Return what the run was made with.

        Raises:
            InputError: if the folder is not a run, or its record is incomplete.
        """
        self.refuse_if_not_begun()
        values = load_yaml(self.record)
        for section, kind in (("config", dict), ("frozen", list)):
            if not isinstance(values, dict) or not isinstance(values.get(section), kind):
                raise InputError(
                    f"{self.record} has no section {section}; restore it, or start again in another folder"
                )
        return Record(values["config"], tuple(values["frozen"]), values.get("provenance") or {})

    def config(self) -> Config:
        """Return the config that the run was made with.

        Raises:
            InputError: as for `read`, or if this version of hpcflow does not know such a config.
        """
        plain = self.read().config
        try:
            return parse_config(plain)
        except InputError as e:
            raise InputError(f"{self.record}: {e}") from e

    def begin(self, stage: str, config: Config, may_differ: tuple[str, ...] = ()) -> None:
        """Freeze the sections of the config that a stage depends on.

        Args:
            stage: a key of `STAGES`.
            config: the config of the present command.
            may_differ: keys that may differ from the frozen config, as prefixes of the lines of `difference`.

        Raises:
            InputError: if a section was frozen before with another value; nothing is written.
        """
        frozen, plain = self.refuse(config, may_differ), config.plain()
        needed = [key for key in plain if key in {*frozen, *STAGES[stage]}]
        text = dump_yaml({"config": plain, "frozen": needed, "provenance": provenance()})
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.record, text)

    def refuse(self, config: Config, may_differ: tuple[str, ...] = ()) -> list[str]:
        """Return the frozen sections, or raise if the config differs in any of them.

        Raises:
            InputError: naming the differences.
        """
        if not self.begun:
            self._refuse_orphans()
            return []
        before, plain = self.config().plain(), config.plain()  # keys that are newer than the run get their defaults
        frozen = list(self.read().frozen)
        changed = [line for key in frozen for line in difference(before.get(key), plain.get(key), key)]
        changed = [line for line in changed if not line.startswith((*PLACES, *may_differ))]
        if changed:
            raise InputError(
                f"{self.path} was made with another config ({'; '.join(changed[:5])}); "
                "name another folder with --run, or remove this one"
            )
        return frozen

    def _refuse_orphans(self) -> None:
        if self.simulations.exists() or self.posteriors.exists():
            raise InputError(
                f"{self.path} holds data but no {self.record.name}; restore it, or name another folder with --run"
            )


def provenance() -> dict[str, Any]:
    """Return the versions of all software that results depend on."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {"python": platform.python_version(), "platform": platform.platform(), "git": _git(), "versions": versions}


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_other_sources(path: Path, made_from: Mapping[str, Any], there_now: Mapping[str, Any]) -> None:
    """Raise if an existing store was made from other sources than the run has now.

    Raises:
        InputError: naming the store and the sources that differ.
    """
    if changed := [key for key, value in there_now.items() if made_from.get(key) != value]:
        raise InputError(
            f"{path} was made from another {' and '.join(changed)} than the run has now; "
            "restore the old one, remove the store to make it again, or name another folder with --run"
        )


def _git() -> str:
    """Return the git commit of this code, if it is a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "not a checkout"
