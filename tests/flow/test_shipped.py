"""The flows that travel with the package, and how they are found."""

import json
from pathlib import Path
from typing import Any

import pytest

from hpcflow.base.errors import InputError
from hpcflow.flow import shipped

RECORD = {
    "gap": 0.1, "ecdf": 0.004, "coverage_68": 0.68, "coverage_95": 0.95, "pairs": 100_000, "command": "hpcflow train",
    "processor_hours": 2, "date": "2026-11-28", "commit": "0123abcd",
}  # fmt: skip


@pytest.fixture(autouse=True)
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give a folder in which two flows ship, one of them with a record."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    for name in ("phangs", "hst-clusters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flow.json").write_text("{}")
    record(tmp_path, **RECORD)
    (tmp_path / "empty").mkdir()
    return tmp_path


def record(folder: Path, **values: Any) -> None:
    (folder / "phangs" / shipped.RECORD).write_text(json.dumps(values))


def test_names_are_those_of_folders_with_a_flow(there: Path) -> None:
    assert shipped.names() == ["hst-clusters", "phangs"]
    assert shipped.folder("phangs") == there / "phangs"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("phang", r"no flow phang ships .* did you mean phangs\?"),
        ("hst_cluster", "did you mean hst-clusters"),
        ("x", r"those that ship are hst-clusters, phangs \(`hpcflow flows`"),
        ("../phangs", "no flow"),
    ],
)
def test_another_name_is_refused_with_those_spelt_alike(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        shipped.folder(name)


def test_without_any_flow_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "nowhere")
    assert shipped.names() == []
    with pytest.raises(InputError, match="those that ship are none"):
        shipped.folder("phangs")


def test_the_record_is_read_with_whatever_else_it_says(there: Path) -> None:
    record(there, **RECORD, machine="two cores")
    found = shipped.calibration("phangs")
    assert {key: getattr(found, key) for key in RECORD} == RECORD
    assert found.more == {"machine": "two cores"}


@pytest.mark.parametrize("key", RECORD)
def test_a_record_that_is_not_complete_is_refused(there: Path, key: str) -> None:
    record(there, **{**RECORD, key: None})
    with pytest.raises(InputError, match=f"does not say {key}; install"):
        shipped.calibration("phangs")


def test_a_record_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"calibration\.json cannot be read"):
        shipped.calibration("hst-clusters")
