"""The house: imports point downwards, each outside library has one door, and help is instant."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hpcflow"
# Lower rooms may not import higher ones; rooms of one level do not import each other, but for what is listed.
LEVELS = {
    "errors": 0,
    "data": 1,
    "model": 1,
    "store": 2,
    "flow": 2,
    "posterior": 3,
    "compute": 3,
    "figures": 3,
    "stages": 4,
    "config": 4,
    "sites": 4,
    "sections": 3,
    "options": 5,
    "results": 6,
    "cli": 7,
    "__main__": 8,
}
NEIGHBOURS = {("stages", "config"), ("stages", "sites"), ("sites", "config"), ("model", "data"), ("data", "model")}
DOORS = {
    "FrEIA": "flow/cinn.py",
    "zarr": "store/regions.py",
    "distributed": "compute/",
    "dask_jobqueue": "compute/jobqueue.py",
    "torch.distributed": "flow/distributed.py",
    "torch": (
        "flow/",
        "posterior/",
        "stages/library.py",
        "stages/train.py",
        "stages/search_trial.py",
        "stages/validate.py",
    ),
    "matplotlib": ("figures/", "stages/report.py"),
    "optuna": "stages/search_study.py",
    "typer": ("cli.py", "options.py", "results.py"),
    "pydantic": ("config.py", "sections.py", "sites.py"),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if here == "__init__":
        return
    for name in imported(path):
        if not name.startswith("hpcflow."):
            continue
        there = name.split(".")[1]
        if there == here:
            continue
        assert LEVELS[there] < LEVELS[here] or (here, there) in NEIGHBOURS, f"{path.name} imports {name}"


@pytest.mark.parametrize("library", DOORS)
def test_each_library_has_one_door(library: str) -> None:
    doors = DOORS[library]
    users = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(name == library or name.startswith(library + ".") for name in imported(path))
    ]
    assert users, f"nobody imports {library}: take it off the list"
    assert all(user.startswith(doors) for user in users), users


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from hpcflow.cli.main import app; "
        "r = CliRunner().invoke(app, ['--help']); assert r.exit_code == 0; "
        "heavy = {'torch', 'dask', 'optuna', 'zarr', 'xarray', 'astropy', 'pcigale', 'numpy', 'matplotlib'}; "
        "heavy &= set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py"], ids=lambda p: p.parent.name)
def test_every_room_says_what_it_is_for(path: Path) -> None:
    assert len(ast.get_docstring(ast.parse(path.read_text())) or "") > 40
