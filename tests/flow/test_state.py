"""The state file of an unfinished training: it is read back as written, and damaged or foreign files are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dead_writer import die_while_writing
from hpcflow.base.errors import InputError
from hpcflow.flow.header import Counters, Header, read_header
from hpcflow.flow.history import Progress
from hpcflow.flow.state import State, read_state, write_state

IDENTITY = {"schedule": {"steps": 10, "seed": 1}, "bands": ["U", "V"]}
LINE = Progress(5, 50, 1.5, -0.1 / 3, 0.25, 1e-3, 2.0, 0.5, 1)
COUNTERS = Counters(7, 5, 1, 2, -0.1 / 3, 3.25, 0.75, (1.0 / 3, 2.0))


def state() -> State:
    weights = {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3.0)}
    header = Header(IDENTITY, COUNTERS, [LINE])
    return State(header, weights, {"w": torch.ones(2)}, {}, {"mean": torch.tensor([True, False])})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_state(tmp_path / "x.safetensors", state())
    return tmp_path / "x.safetensors"


def test_a_state_is_read_as_it_was_written(path: Path) -> None:
    found, expected = read_state(path, IDENTITY), state()
    assert replace(found.header, digest="") == expected.header
    for part in ("live", "good", "best", "features"):
        one, two = getattr(found, part), getattr(expected, part)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) and one[name].dtype == two[name].dtype for name in one)
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing else is left"


def test_a_torn_write_harms_nothing(path: Path) -> None:
    die_while_writing(path)
    assert read_state(path, IDENTITY).header.counters.step == 7
    write_state(path, state())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("key", IDENTITY)
def test_another_training_is_refused(path: Path, key: str) -> None:
    with pytest.raises(InputError, match=rf"x\.safetensors is the state of a training with another {key}; .*remove"):
        read_state(path, {**IDENTITY, key: ["other"]})


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"x\.safetensors is damaged.*remove it"):
        read_state(path, IDENTITY)


def test_a_flipped_bit_is_detected(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read_state(path, IDENTITY)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "hpcflow-training/0"}, "hpcflow-training/0"),
        ({"counters": "{}"}, "damaged"),
        ({"history": "["}, "damaged"),
    ],
)
def test_another_schema_or_header_is_refused(path: Path, change: dict[str, str], says: str) -> None:
    save_file(load_file(path), path, {**state().header.metadata(), "digest": "", **change})
    with pytest.raises(InputError, match=says):
        read_header(path)


def test_a_changed_header_is_detected(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        said = file.metadata()
    counters = json.dumps(json.loads(said["counters"]) | {"step": 8})
    save_file(load_file(path), path, {**said, "counters": counters})
    with pytest.raises(InputError, match="is not what was saved; remove it"):
        read_state(path, IDENTITY)


def test_the_header_is_text(path: Path) -> None:
    header = read_header(path)
    assert (header.counters, header.history, header.identity) == (COUNTERS, [LINE], IDENTITY)
    assert json.loads(header.metadata()["counters"])["step"] == 7
