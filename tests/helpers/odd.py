"""Odd catalogues and odd configs, each the same for the same seed: a good one with a few things wrong."""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import numpy as np
from astropy.table import MaskedColumn, Table
from numpy.random import Generator

from hpcflow.config.load import Config

__all__ = ["odd_catalogue", "odd_settings"]

BANDS = ("F275W", "F336W", "F438W", "F555W", "F814W")
ROWS = 8
ENDINGS = ("csv", "ecsv", "fits", "fits.gz", "parquet")
NUMBERS = (0.0, -1.0, np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, -9999.0, 99.999, 66.666, 1e30, 5e-324)
WORDS = ("", " ", "\u00e9", "e\u0301", "\U0001f600", "a/b", "../../x", ".", "-1", "nan", "x" * 199, "x" * 201, "a\nb")
WORDS += ("a\tb", '"', "'", ",", "#", "<script>", "=1+1", "NGC 1566", "\u6f22" * 60, "a\\b", "%s", "{0}", "null")
UNITS = ("Jy", "mJy", "nJy", "mag", "kg", "s", "AB", "erg / (s cm2 Hz)", "dex(yr)", "Mpc")
Change = Callable[[Table, Generator], object]


def good(rng: Generator) -> Table:
    table = Table({"galaxy": ["NGC1566"] * ROWS, "cluster_id": [str(i) for i in range(ROWS)]})
    for band in BANDS:
        table[f"{band}_flux"] = 1.5e-3 * rng.lognormal(0, 0.2, ROWS)
        table[f"{band}_err"] = np.full(ROWS, 1e-4)
    return table


def _some(rng: Generator, table: Table) -> str:
    return str(rng.choice([name for name in table.colnames if table[name].dtype.kind == "f"] or ["x"]))


def _pick(rng: Generator, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]


def _number(table: Table, rng: Generator) -> None:
    table[_some(rng, table)][int(rng.integers(len(table)))] = _pick(rng, NUMBERS)


def _numbers(table: Table, rng: Generator) -> None:
    table[_some(rng, table)] = np.full(len(table), _pick(rng, NUMBERS))


def _all_numbers(table: Table, rng: Generator) -> None:
    value = _pick(rng, NUMBERS)
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            table[name] = np.full(len(table), value)


def _word(table: Table, rng: Generator) -> None:
    name = _pick(rng, ("galaxy", "cluster_id"))
    if name in table.colnames:
        words = [str(word) for word in table[name].tolist()]
        words[int(rng.integers(len(words)))] = _pick(rng, WORDS)
        table[name] = words


def _words(table: Table, rng: Generator) -> None:
    table[_pick(rng, table.colnames)] = [_pick(rng, WORDS)] * len(table)


def _text(table: Table, rng: Generator) -> None:
    name = _some(rng, table)
    table[name] = [str(value) for value in table[name].tolist()]


def _kind(table: Table, rng: Generator) -> None:
    name = _some(rng, table)
    table[name] = np.nan_to_num(np.clip(table[name], -9, 9)).astype(_pick(rng, ("f4", "i8", "i2", "?", "u1")))


def _vector(table: Table, rng: Generator) -> None:
    table[_pick(rng, table.colnames)] = np.ones((len(table), 3))


def _unit(table: Table, rng: Generator) -> None:
    table[_some(rng, table)].unit = _pick(rng, UNITS)


def _masked(table: Table, rng: Generator) -> None:
    name = _some(rng, table)
    table[name] = MaskedColumn(table[name], mask=rng.random(table[name].shape) < _pick(rng, (0.2, 1.0)))


def _lost(table: Table, rng: Generator) -> None:
    table.remove_column(_pick(rng, table.colnames))


def _renamed(table: Table, rng: Generator) -> None:
    name = _pick(rng, table.colnames)
    other = _pick(rng, (name.lower() + "2", f"PHANGS_{name}", "", "\u00e9", "x" * 300, "a b"))
    if other not in table.colnames:
        table.rename_column(name, other)


def _more(table: Table, rng: Generator) -> None:
    name = _pick(rng, ("ra", "dec", "distance", "class", "log_age", "log_mass", "ebv", "chi2", "Galaxy", "id"))
    table[name] = np.full(len(table), _pick(rng, (*NUMBERS, 1.0, 10.0)))


def _twins(table: Table, rng: Generator) -> None:
    if "cluster_id" in table.colnames:
        table["cluster_id"] = _pick(rng, (["1"] * len(table), ["\u00e9", "e\u0301", *"345678"][: len(table)]))


def _fewer(table: Table, rng: Generator) -> None:
    table.remove_rows(slice(_pick(rng, (0, 1)), None))


CHANGES: tuple[Change, ...] = (
    *(_number, _numbers, _all_numbers, _word, _words, _text, _kind, _vector, _unit, _masked, _lost, _renamed, _more),
    *(_twins, _fewer),
)


def _cut(content: bytes, rng: Generator) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def _flipped(content: bytes, rng: Generator) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(len(changed), size=int(rng.integers(1, 20))):
        changed[place] ^= int(rng.integers(1, 256))
    return bytes(changed)


def _inserted(content: bytes, rng: Generator) -> bytes:
    place = int(rng.integers(len(content) + 1))
    return content[:place] + _pick(rng, (b"\0" * 9, b"\xff\xfe", b"\n\n", b'"', b",,,,", b"\r")) + content[place:]


def odd_catalogue(folder: Path, seed: int) -> Path:
    """Write a catalogue with one to three things wrong in its table, and sometimes in its bytes, and return it."""
    rng = np.random.default_rng(seed)
    table = good(rng)
    for _ in range(int(rng.integers(1, 4))):
        change = _pick(rng, CHANGES)
        if len(table) and table.colnames:
            change(table, rng)
    ending = _pick(rng, ENDINGS)
    path = folder / f"odd{seed}.{ending}"
    content = _written(table, folder / f"whole{seed}", ending)
    if rng.random() < 0.3:
        content = _pick(rng, (_cut, _flipped, _inserted))(content, rng)
    path.write_bytes(content)
    return path


def _written(table: Table, path: Path, ending: str) -> bytes:
    """Return the bytes of a table in a format, or in CSV where the format cannot hold it."""
    path = path.with_suffix(f".{ending.removesuffix('.gz')}")
    kinds = {"csv": "ascii.csv", "ecsv": "ascii.ecsv", "parquet": "parquet", "fits": "fits"}
    try:
        table.write(path, format=kinds[ending.removesuffix(".gz")], overwrite=True)
    except Exception:  # what a format makes of what it cannot hold is not hpcflow's
        path.write_text("galaxy,cluster_id\n" + "\n".join(str(row) for row in table))
    content = path.read_bytes()
    path.unlink()
    return gzip.compress(content, mtime=0) if ending.endswith(".gz") else content


VALUES: tuple[Any, ...] = (
    *(0, -1, 1, 2, 1e300, -1e300, 1e-300, 10**15, -(10**15), 1e6, 0.5, float("inf"), float("nan"), 2**63, 10**400),
    *("", " ", "x", "\u00e9", "\U0001f600", "a\nb", "../x", "x" * 5000, "/", "\0", "nan", "1e-3", "12:00:00", "~"),
    *(None, True, False, [], {}, [[]], [None], {"a": 1}, [1, 2], [0, 0], [1, 0], [1e300, 1e300], ["a", "a"]),
    *({"low": 0, "high": 0}, {"low": 1e300, "high": -1e300}, {"family": "cinn"}, {"family": None}, [1, "a"]),
)


def odd_settings(seed: int) -> list[str]:
    """Return one to three overrides of a config, as `--set` takes them."""
    rng = np.random.default_rng(seed)
    keys = [*_keys(Config, ""), "model.parameters.ebv.low", "model.parameters.log_age.high", "model.fixed.r_v"]
    keys += ["model.bands.F275W", "model.bands.\u00e9", "model.parameters.r_v", "model.parameters.ebv.unit"]
    keys += ["observe.systematic.F275W", "oops", "a.b"]
    keys += [f"train.flow.{key}" for key in ("bins", "hidden", "layers", "rank", "order", "embedding_hidden")]
    return [f"{_pick(rng, keys)}={_plain(_pick(rng, VALUES))}" for _ in range(int(rng.integers(1, 4)))]


def _plain(value: Any) -> str:
    return json.dumps(value).replace("Infinity", ".inf").replace("NaN", ".nan")


def _keys(section: Any, at: str) -> Iterator[str]:
    """Yield the dotted keys of a section of the config and of those within it."""
    for name, field in section.model_fields.items():
        key = f"{at}{field.alias or name}"
        yield key
        kinds = [field.annotation, *get_args(field.annotation)] if get_origin(field.annotation) else [field.annotation]
        for kind in kinds:
            if hasattr(kind, "model_fields"):
                yield from _keys(kind, f"{key}.")
