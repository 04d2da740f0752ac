"""The user's class: loaded from a file, asked for columns and bands in the config's order, and blamed by name."""

from pathlib import Path

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.sources.own.user import UserSimulator

FILE = """
import numpy as np
from beside import TWO

class Good:
    parameters = ("a", "b")
    bands = ("x", "y")

    def __call__(self, theta):
        return np.stack([theta[:, 0], TWO * theta[:, 1]], axis=1)

class Picky(Good):
    def __call__(self, theta):
        if (theta[:, 0] > 5).any():
            raise ValueError("a is  too\\nlarge")
        return super().__call__(theta)

class Wide(Good):
    def __call__(self, theta):
        return np.ones((len(theta), 3))

class Text(Good):
    def __call__(self, theta):
        return np.full((len(theta), 2), "bright")

class Unready(Good):
    def __init__(self):
        raise OSError("no grid")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("TWO = 2\n")
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def made(
    file: Path, name: str, parameters: tuple[str, ...] = ("b", "a"), bands: tuple[str, ...] = ("y", "x")
) -> UserSimulator:
    return UserSimulator(f"{file}:{name}", parameters, bands)


def test_columns_and_bands_are_in_the_order_of_the_config(file: Path) -> None:
    simulator = made(file, "Good")
    np.testing.assert_array_equal(simulator(np.array([[3.0, 1.0], [4.0, 2.0]])), [[6.0, 1.0], [8.0, 2.0]])
    assert not simulator.reasons
    before = simulator.provenance
    file.write_text(FILE + "# another\n")
    assert made(file, "Good").provenance != before


def test_rows_that_raise_or_have_no_usable_flux_fail_alone(file: Path) -> None:
    simulator = made(file, "Picky")
    flux = simulator(np.array([[1.0, 1.0], [1.0, 9.0], [-1.0, 1.0], [np.nan, 1.0]]))
    np.testing.assert_array_equal(np.isfinite(flux).all(axis=1), [True, False, False, False])
    wanted = {"ValueError: a is too large": 1, "flux is not positive": 1, "flux is not finite": 1}
    assert dict(simulator.reasons) == wanted


@pytest.mark.parametrize(
    ("name", "says"),
    [("Wide", r"returns fluxes of shape \(2, 3\) for \(2, 2\)"), ("Text", "returns fluxes of type <U6")],
)
def test_fluxes_of_another_shape_or_type_are_refused(file: Path, name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        made(file, name)(np.ones((2, 2)))


def test_classes_that_cannot_be_used_are_named(file: Path) -> None:
    with pytest.raises(InputError, match=r"Unready cannot be loaded \(OSError: no grid\)"):
        made(file, "Unready")
    with pytest.raises(InputError, match="has no attribute 'Absent'"):
        made(file, "Absent")
    with pytest.raises(InputError, match=r"model\.parameters has a, c, but .*Good has a, b"):
        made(file, "Good", parameters=("a", "c"))
    with pytest.raises(InputError, match="No module named 'nowhere'"):
        UserSimulator("nowhere:Good", ("a", "b"), ("x", "y"))
