"""A simulator of one's own is tried before anything is written, and whatever is wrong with it is one sentence."""

from pathlib import Path

import pytest

from hpcflow.base.errors import InputError
from hpcflow.config.load import Config, load_config
from hpcflow.stages.init import init
from hpcflow.stages.rehearsal import rehearse

BAD = """
import os, time
import numpy as np
from own import Afterglow

class Nothing(Afterglow):
    def __call__(self, theta): return np.full((len(theta), 4), np.nan)

class Negative(Afterglow):
    def __call__(self, theta): return -np.ones((len(theta), 4))

class Random(Afterglow):
    def __call__(self, theta): return np.random.default_rng().random((len(theta), 4))

class Dies(Afterglow):
    def __call__(self, theta): os.abort()

class Hangs(Afterglow):
    def __call__(self, theta): time.sleep(1000)

class Some(Afterglow):
    def __call__(self, theta): return np.where(theta[:, :1] > 1.5, np.nan, super().__call__(theta))
"""


def config(folder: Path, name: str | None = None) -> Config:
    """Return the shipped example, with another class."""
    if not (folder / "own.yaml").exists():
        init("own", folder)
        (folder / "bad.py").write_text(BAD)
    sets = [f"model.simulator=bad.py:{name}", "simulate.timeout_s=2"] if name else []
    return load_config(folder / "own.yaml", sets)


def test_what_a_library_will_take_is_said(tmp_path: Path) -> None:
    (line,) = rehearse(config(tmp_path))
    assert line.startswith(f"{tmp_path}/own.py:Afterglow: ")
    assert " ms a row, so " in line
    _, line = rehearse(config(tmp_path, "Some"))
    assert "of 100 draws from the prior cannot be simulated: flux is not finite" in line


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Nothing", r"fails on every draw from the prior: flux is not finite \(100\)"),
        ("Negative", r"fails on every draw from the prior: flux is not positive \(100\)"),
        ("Random", "gives other fluxes for the same parameters"),
        ("Dies", "fails on draws from the prior .*exit -6"),
        ("Hangs", "fails on draws from the prior .*no answer in time"),
        ("Absent", "cannot be loaded"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        list(rehearse(config(tmp_path, name)))
