"""The command line as a user meets it: every command, wrong input, restarts, and the same bytes every time."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from astropy.table import Table

from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.simulations import SimulationStore

STORES = ("simulations.zarr", "posteriors.zarr", "report/validation.zarr")


def hpcflow(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "hpcflow", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def arrays(path: Path) -> dict[str, bytes]:
    """Every array's bytes as stored, but for dtype conversions that a reader may make."""
    group = zarr.open_group(path, mode="r")
    return {name: np.asarray(array[...]).astype(str if array.dtype.kind == "T" else array.dtype).tobytes()
            for name, array in group.arrays()}


def same(one: Path, other: Path) -> None:
    a, b = arrays(one), arrays(other)
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, a mock catalogue and a finished run on one worker."""
    folder = tmp_path_factory.mktemp("run")
    return folder


@pytest.fixture(scope="module")
def done(finished: Path, request: pytest.FixtureRequest) -> Path:
    from tests_tiny import write  # type: ignore[import-not-found]

    return write(finished)
