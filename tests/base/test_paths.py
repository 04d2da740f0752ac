"""Where a run keeps things, and that nobody else says so."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.base.errors import InputError
from hpcflow.base.paths import RunPaths, file_name

PACKAGE = Path(__file__).parents[2] / "hpcflow"
RUN = RunPaths(Path("run"))
WHERE = {
    "run.yaml": RUN.record,
    "simulations.zarr": RUN.simulations,
    "flow": RUN.flow,
    "training.safetensors": RUN.training,
    "members": RUN.members,
    "search": RUN.search,
    "posteriors.zarr": RUN.posteriors,
    "posteriors.before.zarr": RUN.before,
    "report": RUN.report,
    "report/validation.zarr": RUN.validation,
    "report/index.html": RUN.page,
    "report/figures": RUN.figures,
    "report/tables": RUN.tables,
    "report/clusters": RUN.clusters,
    "logs": RUN.logs,
    "logs/infer.log": RUN.log("infer"),
    "logs/infer.failed.json": RUN.failed("infer"),
    "logs/infer.lock": RUN.lock("infer"),
    "logs/jobs.json": RUN.jobs,
    "logs/infer.7.out": RUN.job_log("infer", "7"),
    "logs/submitted/infer": RUN.submitted("infer"),
    "logs/workers": RUN.workers,
    ".infer-workers": RUN.private("infer"),
}
ENDINGS = {Path(name).suffix for name in WHERE} - {".json", ".log", ".out", ".lock", ""}


@pytest.mark.parametrize("name", WHERE)
def test_everything_has_its_place(name: str) -> None:
    assert WHERE[name] == RUN.path / name


def spelled(path: Path) -> list[str]:
    """Return the texts of a module, without its docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs]


def test_nobody_else_spells_the_name_of_a_store_or_of_the_record() -> None:
    names = {Path(name).name for name in WHERE if Path(name).suffix in ENDINGS}
    assert {"run.yaml", "posteriors.zarr", "training.safetensors"} <= names
    found = [
        (name, path.name) for path in PACKAGE.rglob("*.py") for text in spelled(path) for name in names if name in text
    ]
    assert sorted(found) == sorted((name, "paths.py") for name in names)


def test_a_folder_is_a_run_once_it_has_a_record(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    assert not run.begun
    with pytest.raises(InputError, match=r"is not a run folder: it has no run\.yaml; .*hpcflow simulate"):
        run.refuse_if_not_begun()
    run.record.touch()
    assert run.begun
    run.refuse_if_not_begun()


ODD = ["..", "a/b", "a b", "a_b", "\0", "e\u0301", "\u00e9"]
WORDS = st.lists(st.text(max_size=300) | st.sampled_from(ODD), min_size=1)


@given(WORDS, WORDS)
def test_names_of_files_are_short_plain_and_as_different_as_the_words(one: list[str], other: list[str]) -> None:
    name = file_name("show", *one)
    assert re.fullmatch(r"[A-Za-z0-9_.+-]{1,120}", name)
    assert name.startswith("show")
    assert (name == file_name("show", *other)) == (one == other)


def test_plain_words_stay_as_they_are() -> None:
    assert file_name("NGC1566", "1a.2") == "NGC1566-1a.2"
    assert len({file_name("x", word) for word in ("A-B", "A/B", "A B", "9" * 3000, "9" * 3001)}) == 5
