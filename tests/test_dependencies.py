"""What pyproject.toml declares is what is imported, no more and no less."""

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Named otherwise than they are imported.
OTHERWISE = {"cosmic": "cosmic-popsynth", "ruamel": "ruamel.yaml", "sedpy": "astro-sedpy", "sklearn": "scikit-learn"}
BEHIND = {
    "pytest-xdist",  # gives pytest its option -n
}
BY_HAND = {"pcigale", "synference"}  # no index has them; whoever wants them installs them from source
ASKS = ("find_spec", "import_module", "importorskip", "peer", "folder_of")  # take the name of a project to look for
PLACES = {  # where imports are, and the extras that hold for that place
    "hpcflow": ("arviz", "search", "tables"),
    "tests": ("search", "test"),
    "tests/benchmarks": ("search", "test", "bench", "tables"),
}


def declared(*extras: str) -> set[str]:
    lines = PROJECT["dependencies"] + [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def files(place: str) -> list[Path]:
    """Return the files of a place that are of no other place below it."""
    below = [ROOT / other for other in PLACES if other.startswith(f"{place}/")] + [ROOT / "tests/fakes"]
    return [path for path in (ROOT / place).rglob("*.py") if not any(path.is_relative_to(one) for one in below)]


def imported(paths: Iterable[Path]) -> set[str]:
    """Return the other projects that files import."""
    names: set[str] = set()
    for node in nodes(paths):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return projects(names)


def asked_for(paths: Iterable[Path]) -> set[str]:
    """Return the other projects that files do without where they are not installed."""
    calls = [node for node in nodes(paths) if isinstance(node, ast.Call) and called(node) in ASKS]
    return projects(str(one.value) for call in calls for one in call.args if isinstance(one, ast.Constant))


def projects(modules: Iterable[str]) -> set[str]:
    tops = {module.split(".")[0] for module in modules}
    here = {path.stem for room in ("helpers", "benchmarks") for path in (ROOT / "tests" / room).glob("*.py")}
    others = tops - here - {"hpcflow"} - set(sys.stdlib_module_names) - {""}
    return {canonicalize_name(OTHERWISE.get(name, name)) for name in others} - BY_HAND


def nodes(paths: Iterable[Path]) -> Iterator[ast.AST]:
    return chain.from_iterable(nodes_of(path) for path in paths)


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    kinds = (ast.Import, ast.ImportFrom, ast.Call)
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@pytest.mark.parametrize("place", PLACES)
def test_what_is_imported_is_declared(place: str) -> None:
    assert imported(files(place)) <= declared(*PLACES[place])
    assert asked_for(files(place)) <= declared(*PROJECT["optional-dependencies"])


def test_what_is_declared_is_imported() -> None:
    assert declared() - BEHIND <= imported(files("hpcflow"))


@pytest.mark.parametrize(
    ("extra", "place"),
    [
        ("arviz", "hpcflow"),
        ("search", "hpcflow"),
        ("tables", "hpcflow"),
        ("test", "tests"),
        ("bench", "tests/benchmarks"),
    ],
)
def test_an_extra_is_for_something(extra: str, place: str) -> None:
    assert declared(extra) - declared() - BEHIND <= imported(files(place)) | asked_for(files(place))


def test_what_is_imported_unseen_is_said_rightly() -> None:
    assert not BEHIND & (imported(files("hpcflow")) | imported(files("tests")))
    assert declared("test") >= BEHIND


def test_every_dependency_has_a_lowest_version_and_a_tested_one() -> None:
    extras = PROJECT["optional-dependencies"]
    for line in chain(PROJECT["dependencies"], *extras.values()):
        assert [one.operator for one in Requirement(line).specifier] == [">="], line
    tested = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines()[1:])
    pinned = {canonicalize_name(name): version for name, version in tested.items()}
    for line in chain(PROJECT["dependencies"], extras["search"], extras["test"], extras["lint"]):
        wanted = Requirement(line)
        assert pinned[canonicalize_name(wanted.name)] in wanted.specifier, line
