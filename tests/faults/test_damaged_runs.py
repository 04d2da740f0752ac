"""Runs whose files have been harmed: whoever reads them says which file and what to do, and writes nothing wrong."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hpcflow.calibration.record import ValidationStore
from hpcflow.config.load import dump_yaml, load_yaml
from hpcflow.stages.look.compare import compare
from hpcflow.stages.look.export import export
from hpcflow.stages.look.folder import RunFolder
from hpcflow.stages.look.samples import samples
from hpcflow.stages.look.show import show
from hpcflow.stages.report import make_report
from hpcflow.stages.run import Run
from hpcflow.stages.verify import verify_validation
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.damage import DamagedError
from hpcflow.store.reuse import SAME, Reuse
from made_run import make_run
from said import said, sentences


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for part in (3, 4, 5):  # one alone may only turn one NaN into another
        content[len(content) * part // 8] ^= 0x10
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def swap(file: Path) -> None:
    """Exchange a partition's file with that of the next partition."""
    other = Path(str(file).replace("/c/0", "/c/1"))
    one, two = file.read_bytes(), other.read_bytes()
    file.write_bytes(two)
    other.write_bytes(one)


HARMS: dict[str, Callable[[Path], None]] = {"flip": flip, "cut": cut, "swap": swap, "delete": Path.unlink}
READERS: dict[str, Callable[[Run], object]] = {
    "export": lambda run: export(run, "csv"),
    "compare": lambda run: compare(run),
    "report": lambda run: make_report(run.path),
    "show": lambda run: show(run.path, "1", "IC5332"),
    "samples": lambda run: samples(run.path, "1", "IC5332"),
}


def file_of(store: Path, name: str) -> Path:
    """Return the file of an array's first partition."""
    return next(path for path in sorted((store / name / "c").rglob("*")) if path.is_file())


def outputs(run: Run) -> set[str]:
    return {str(path.relative_to(run.path)) for path in run.path.rglob("*") if ".zarr" not in str(path)}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("name", "harm"), [*(("quantile", harm) for harm in HARMS), ("flux", "flip"), ("flux", "delete"), ("galaxy", "cut")]
)
def test_a_harmed_archive_is_not_read(
    inferred: Run, copied: Callable[[Run], Run], name: str, reader: str, harm: str
) -> None:
    run = copied(inferred)
    HARMS[harm](file_of(run.posteriors, name))
    before = outputs(run)
    with pytest.raises(DamagedError, match=r"posteriors.zarr: .* is damaged .*run `hpcflow verify`"):
        READERS[reader](run)
    assert outputs(run) == before


def without(file: str, *keys: str) -> Callable[[Run], None]:
    def change(run: Run) -> None:
        values = load_yaml(run.path / file)
        inner = values
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        (run.path / file).write_text(dump_yaml(values))

    return change


def put(file: str, content: bytes) -> Callable[[Run], None]:
    def change(run: Run) -> None:
        path = run.path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    return change


def edit(store: str, one: bytes, other: bytes) -> Callable[[Run], None]:
    """Change words in the metadata of a store."""

    def change(run: Run) -> None:
        path = run.path / store / "zarr.json"
        content = path.read_bytes()
        assert one in content
        path.write_bytes(content.replace(one, other))

    return change


def unknown_key(run: Run) -> None:
    values = load_yaml(run.record)
    values["config"]["model"]["colour"] = "red"
    run.record.write_text(dump_yaml(values))


GARBAGE = b"\xff\xfe\x00{[" * 9
RUN, CONFIG = "RUN", "CONFIG"
STATUS, INFER, REPORT = ("status", RUN), ("infer", CONFIG, "--run", RUN), ("report", CONFIG, "--run", RUN)
EXPORT, SHOW, VERIFY = ("export", RUN), ("show", RUN, "1", "--galaxy", "IC5332"), ("verify", RUN)
EVERYTHING = (STATUS, INFER, EXPORT, SHOW, VERIFY)
HARMED: dict[str, tuple[Callable[[Run], None], str, tuple[tuple[str, ...], ...]]] = {
    "record empty": (put("run.yaml", b""), "run.yaml", (STATUS, INFER, SHOW)),
    "record garbage": (put("run.yaml", GARBAGE), "run.yaml", (STATUS, INFER, SHOW)),
    "record a list": (put("run.yaml", b"[1, 2]"), "run.yaml", (STATUS, INFER, SHOW)),
    "record without frozen": (without("run.yaml", "frozen"), "run.yaml", (STATUS, INFER, SHOW)),
    "record without model": (without("run.yaml", "config", "model"), "run.yaml", (STATUS, INFER, VERIFY)),
    "record without bands": (without("run.yaml", "config", "model", "bands"), "run.yaml", (STATUS, INFER, VERIFY)),
    "record with an unknown key": (unknown_key, "run.yaml", (STATUS, INFER, VERIFY)),
    "record of numbers": (
        put("run.yaml", b"config: {1: 2}\nfrozen: [3, {}]\nprovenance: 7\n"),
        "run.yaml",
        (STATUS, INFER, VERIFY),
    ),
    "flow a list": (put("flow/flow.json", b"[1]"), "flow.json|flow holds None", (INFER, REPORT, VERIFY)),
    "flow garbage": (put("flow/flow.json", GARBAGE), "flow.json", (INFER, VERIFY)),
    "history empty": (put("flow/history.csv", b""), "history.csv", (REPORT,)),
    "history garbage": (put("flow/history.csv", GARBAGE), "history.csv", (REPORT,)),
    "history of another table": (put("flow/history.csv", b"a,b\n1,2\n"), "history.csv", (REPORT,)),
    "history ragged": (put("flow/history.csv", b"step,examples\n1\n1,2,3\n"), "history.csv", (REPORT,)),
    "archive garbage": (put("posteriors.zarr/zarr.json", GARBAGE), "posteriors.zarr", EVERYTHING),
    "archive empty": (put("posteriors.zarr/zarr.json", b""), "posteriors.zarr", EVERYTHING),
    "archive a list": (put("posteriors.zarr/zarr.json", b"[]"), "posteriors.zarr", EVERYTHING),
    "an array's garbage": (put("posteriors.zarr/map/zarr.json", GARBAGE), "posteriors.zarr", EVERYTHING),
    "status garbage": (put("posteriors.zarr/status/c/0", GARBAGE), "posteriors.zarr", EVERYTHING),
    "library garbage": (put("simulations.zarr/zarr.json", GARBAGE), "simulations.zarr", (STATUS, VERIFY)),
    "names garbage": (put("simulations.zarr/parameter/c/0", GARBAGE), "simulations.zarr", (STATUS, VERIFY)),
    "failures garbage": (put("logs/infer.failed.json", GARBAGE), "infer.failed.json", (STATUS,)),
    "failures too deep": (put("logs/infer.failed.json", b"[" * 100_000), "infer.failed.json", (STATUS,)),
    "flow too deep": (put("flow/flow.json", b"[" * 100_000), "flow.json", (INFER,)),
    "a bound of the archive": (edit("posteriors.zarr", b"10.1383", b"10.2383"), "posteriors.zarr", EVERYTHING),
    "the packing of samples": (edit("posteriors.zarr", b"scale_factor", b"scale_facto_"), "posteriors.zarr", (EXPORT,)),
    "the seed of the library": (edit("simulations.zarr", b'"seed": 3', b'"seed": 4'), "simulations.zarr", (VERIFY,)),
    "failures a list": (put("logs/infer.failed.json", b"[1]"), "infer.failed.json", (STATUS,)),
}


@pytest.mark.slow  # a second each, and there are dozens
@pytest.mark.parametrize(
    ("harm", "file", "command"),
    [(harm, file, command) for harm, file, commands in HARMED.values() for command in commands],
    ids=[f"{name}-{command[0]}" for name, (_, _, commands) in HARMED.items() for command in commands],
)
def test_a_harmed_file_is_named_in_one_sentence(
    inferred: Run, copied: Callable[[Run], Run], harm: Callable[[Run], None], file: str, command: tuple[str, ...]
) -> None:
    run = copied(inferred)
    config = run.path.parent / "config.yaml"
    config.write_text(dump_yaml(run.config().plain()))
    harm(run)
    code, words = said(*({RUN: str(run.path), CONFIG: str(config)}.get(word, word) for word in command))
    assert code in (1, 2), words
    assert re.search(file, words)
    assert len(sentences(words)) == 1
    assert "Traceback" not in words


@pytest.mark.parametrize("harm", ["delete", "cut", "swap"])
def test_a_harmed_calibration_record_is_not_read_and_is_marked(tmp_path: Path, harm: str) -> None:
    run = Run(make_run(tmp_path / "run", ("validation",)))
    assert RunFolder(run.path, {}, {}).validation is not None
    HARMS[harm](file_of(run.validation, "rank"))
    with pytest.raises(DamagedError, match=r"validation.zarr: partition 0 is damaged"):
        _ = RunFolder(run.path, {}, {}).validation
    (sentence,) = verify_validation(run)
    assert "hpcflow validate" in sentence
    assert ValidationStore.open(run.validation).missing()[0].index == 0


def test_a_harmed_archive_is_not_added_to(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    before = PosteriorArchive.open(run.posteriors)
    rows = {
        name: before.read(name, before.partitions[0])
        for name in ("galaxy", "cluster_id", "distance", "distance_error", *SAME)
    }
    assert (Reuse(before).find(rows) >= 0).all()
    swap(file_of(run.posteriors, "map"))
    with pytest.raises(DamagedError, match="partition 0 is damaged"):
        Reuse(before).find(rows)
