"""A config for a catalogue: what is guessed from the file, and the model and settings of a shipped config."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcflow.base.atomic import write_whole
from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.guess import Guess, Told, guess
from hpcflow.catalogues.table_files import FORMATS
from hpcflow.config.check import checked
from hpcflow.config.load import Config, dump_yaml, override, parse_config
from hpcflow.config.sections import Infer
from hpcflow.stages.defaults import default_config, widened
from hpcflow.stages.flow_bands import known_to
from hpcflow.stages.input import read_catalogues

__all__ = ["GuessedConfig", "guess_config", "write_config"]


@dataclass(frozen=True)
class GuessedConfig:
    """A config for a catalogue.

    Attributes:
        raw: its plain values, as a user would write them.
        config: the same, checked.
        words: what was guessed, in aligned lines.
    """

    raw: dict[str, Any]
    config: Config
    words: tuple[str, ...]


def guess_config(path: Path, overrides: Sequence[str] = ()) -> GuessedConfig:
    """Return a config for a catalogue; nothing is written.

    Args:
        path: the catalogue.
        overrides: what the user says, as `section.key=value`; it prevails over what is guessed.

    Raises:
        InputError: if the catalogue cannot be read, or something in it can be guessed in no way or in several.
    """
    said: dict[str, Any] = {}
    override(said, overrides)
    found, flow = guess(path, _told(said)), said.get("infer", {}).get("flow")
    if flow is not None:
        found = known_to(flow, found)
    raw = _raw(path, found, default_config(found.bands, flow))
    override(raw, overrides)
    bands = parse_config(raw).model.bands
    if columns := raw["infer"].get("columns"):  # of other bands, where the user has named some
        raw["infer"]["columns"] = {key: of for key, of in columns.items() if isinstance(of, str) or key in bands}
    catalogue = read_catalogues(parse_config(raw))
    if flow is None and "distance_mpc" not in said.get("observe", {}):
        raw["observe"]["distance_mpc"] = widened(raw["observe"]["distance_mpc"], catalogue.distance)
    config = parse_config(raw)
    return GuessedConfig(raw, config, tuple(_aligned(_words(config, found, catalogue))))


def write_config(guessed: GuessedConfig, folder: Path) -> Path:
    """Write a guessed config into a folder, with how it was guessed as a comment, and return its path.

    Raises:
        InputError: if the file exists already; nothing is written.
    """
    target = folder / f"{guessed.config.name}.yaml"
    if target.exists():
        raise InputError(f"{target} exists already; remove it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    comment = "".join(f"# {line}\n" for line in ("Guessed from a catalogue:", *guessed.words))
    sections = re.sub(r"\n(?=\w)", "\n\n", dump_yaml(guessed.raw, compact=True))
    write_whole(target, comment + sections)
    return target


def _told(said: dict[str, Any]) -> Told:
    """Return what the user has said of the catalogue.

    Raises:
        InputError: if it is not of the right kind.
    """
    try:
        infer = checked(Infer, said.get("infer", {}))
    except InputError as e:
        raise InputError(f"infer.{e}") from e
    model = said.get("model")
    bands = model.get("bands", {}) if isinstance(model, dict) else {}
    if not isinstance(bands, dict) or not all(isinstance(curve, str) for curve in bands.values()):
        raise InputError(f"model.bands must be a mapping of labels to curves, not {bands!r:.80}")
    return Told(
        format=infer.format,
        galaxy=infer.galaxy,
        unit=infer.unit if "unit" in said.get("infer", {}) else None,
        distance_mpc=infer.distance_mpc,
        columns=infer.columns.model_dump(exclude_none=True) if infer.columns else {},
        bands=bands,
    )


def _raw(path: Path, found: Guess, base: dict[str, Any]) -> dict[str, Any]:
    """Return the plain values of a config for a catalogue; where they do not follow from it, those of another."""
    read = {"format": found.format, "galaxy": found.galaxy, "unit": found.unit, "columns": dict(found.columns)}
    infer: dict[str, Any] = {"catalogues": [str(path)], **{key: value for key, value in read.items() if value}}
    if found.format == "table":
        infer["classes"] = None  # classes of other people may mean anything
    observe = dict(base["observe"])
    if found.band_sets:
        observe["band_sets"] = [list(labels) for labels in found.band_sets]
    return base | {"name": _name(path), "observe": observe, "infer": infer | base["infer"] | infer}


def _name(path: Path) -> str:
    """Return a name for the run of a catalogue: that of the file, as far as a run can have it.

    >>> _name(Path("my clusters.fits.gz"))
    'my-clusters'
    """
    endings = [suffix for suffix in FORMATS if path.name.lower().endswith(suffix)] or [path.suffix]
    stem = path.name[: len(path.name) - max(map(len, endings))]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip("._-") or "catalogue"


def _words(config: Config, found: Guess, catalogue: Catalogue) -> Iterator[tuple[str, ...]]:
    """Yield what was guessed, in cells: what it is about, and what was found."""
    path, infer = config.infer.catalogues[0], config.infer
    columns = infer.columns.model_dump(exclude_none=True) if infer.columns else {}
    classes = "" if infer.classes is None else f" of class {' and '.join(map(str, infer.classes))} (infer.classes)"
    yield "catalogue", f"{path}: {infer.format}, {len(catalogue):,} clusters{classes}"
    yield "galaxies", _galaxies(catalogue)
    named = ", ".join(f"{key} = {name}" for key, name in columns.items() if isinstance(name, str))
    if named:
        yield "columns", named
    yield "unit", {"legus": "Vega"}.get(found.format.partition("-")[0]) or found.unit or "in the headers of the columns"
    for label, counts in catalogue.counts().items():
        own = columns.get(label, ())
        lost = "".join(f", {n:,} {reason.lower().replace('_', ' ')}" for reason, n in counts.items() if reason != "OK")
        yield "band", label, *own, config.model.bands[label], f"{counts.get('OK', 0):,} usable{lost}"
    for note in (*found.notes, *catalogue.notes):
        yield "note", note
    for name, why in found.left_out.items():
        yield "left out", f"{name}: {why}"


def _galaxies(catalogue: Catalogue) -> str:
    """Say which galaxies there are, and how far away."""
    names, known = np.unique(catalogue.galaxy).tolist(), catalogue.distance[np.isfinite(catalogue.distance)]
    low, high = (f"{end:.4g}" for end in (known.min(), known.max()))
    far = f"at {low} Mpc" if low == high else f"at {low} to {high} Mpc"
    return f"{', '.join(names) if len(names) < 4 else f'{len(names)} galaxies'} {far}"


def _aligned(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows of cells as lines; the cells of bands, which have several, stand below each other."""
    rows = list(rows)
    bands = [row for row in rows if len(row) > 2]
    widths = [max(map(len, cells)) for cells in zip(*bands, strict=True)]
    first = max(len(row[0]) for row in rows)
    for row in rows:
        rest = (
            row[1:] if len(row) == 2 else [cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        yield "  ".join([row[0].ljust(first), *rest]).rstrip()
