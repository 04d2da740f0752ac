"""The house: imports point downwards, each outside library has one door, help is instant, and tests mirror it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "hpcflow"
# Each room may import the rooms of the lines below it, and itself; rooms of one line know nothing of each other.
ROOMS = (
    ("cli",),
    ("stages",),
    ("figures", "config"),
    ("calibration",),
    ("posterior", "catalogues", "compute"),
    ("flow", "store"),
    ("sources",),
    ("model",),
    ("base",),
)
LEVEL = {room: -number for number, rooms in enumerate(ROOMS) for room in rooms}
# Tables that ship are remade by programs of their own, which nothing imports.
LEVEL["data"] = LEVEL["sources"]
EXTRA = {("config", "compute")}  # a site file is read into the values that compute declares
SAME = {  # files that share a name because they are the same thing in two rooms
    "flags": {"figures", "store"},
    "predictive": {"figures", "posterior"},
    "recovery": {"calibration", "figures"},
    "strata": {"calibration", "figures"},
    "training": {"figures", "flow"},
}
DOORS = {
    "FrEIA": "flow/cinn.py",
    "zarr": "store/regions.py",
    "cryptography": "compute/tls.py",
    "distributed": "compute/",
    "torch.distributed": "flow/distributed.py",
    "torch": (
        "calibration/",
        "flow/",
        "posterior/",
        "stages/library.py",
        "stages/search/trial.py",
        "stages/train.py",
        "stages/validate.py",
    ),
    "matplotlib": ("figures/", "stages/look/plans.py", "stages/report.py"),
    "optuna": "stages/search/study.py",
    "pooch": "catalogues/fetch.py",
    "requests": "catalogues/fetch.py",
    "typer": "cli/",
    "pydantic": "config/",
    "arviz_base": "stages/posteriors_of.py",
}
FILES = sorted(PACKAGE.rglob("*.py"))
BESIDE = ("benchmarks", "fakes", "faults", "helpers")  # folders of tests that cross all rooms, or serve them
WIDER = {  # tests of more than one file
    "cli/test_few_stars.py",
    "sources/cluster/test_devices.py",
    "sources/cluster/test_real_cigale.py",
    "stages/test_any_bands.py",
    "stages/test_legus.py",
    "stages/test_limits.py",
    "stages/test_pages.py",
}


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
    here = path.relative_to(PACKAGE).parts[0]
    if here in ("__init__.py", "__main__.py"):
        return
    for name in imported(path):
        there = name.removeprefix("hpcflow.").split(".")[0]
        if name.startswith("hpcflow.") and there != here:
            assert LEVEL[there] < LEVEL[here] or (here, there) in EXTRA, f"{path.name} imports {name}"


def test_no_two_files_share_a_name_by_accident() -> None:
    rooms: dict[str, list[str]] = {}
    for path in FILES:
        if path.name != "__init__.py":
            rooms.setdefault(path.stem, []).append(path.relative_to(PACKAGE).parts[0])
    shared = {name: sorted(where) for name, where in rooms.items() if len(where) > 1}
    assert shared == {name: sorted(where) for name, where in SAME.items()}


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
        "heavy.add('requests'); "
        "heavy &= set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_itself_imports_nothing_heavy() -> None:
    code = (
        "import sys, hpcflow; "
        "assert dir(hpcflow) == ['InputError', '__version__', 'load', 'open']; "
        "heavy = {'torch', 'dask', 'zarr', 'xarray', 'astropy', 'numpy', 'matplotlib', 'pandas'} & set(sys.modules); "
        "assert not heavy, heavy; "
        "assert all(callable(getattr(hpcflow, name)) for name in ('InputError', 'load', 'open'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py"], ids=lambda p: p.parent.name)
def test_every_room_says_what_it_is_for(path: Path) -> None:
    assert len(ast.get_docstring(ast.parse(path.read_text())) or "") > 40


def test_tests_mirror_the_house_file_for_file() -> None:
    """Each `tests/ROOM/test_X.py` tests `hpcflow/ROOM/X.py`, or `ROOM` itself; those at the top test the repository."""
    found = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    mirrors = [path for path in found if path.parent != Path() and path.parts[0] not in BESIDE]
    strays = {
        str(path)
        for path in mirrors
        if not (PACKAGE / path.parent / path.name.removeprefix("test_")).is_file()
        and path.stem != f"test_{path.parent.name}"
    }
    assert strays == WIDER
