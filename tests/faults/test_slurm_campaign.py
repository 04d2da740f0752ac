"""A short campaign of faults on a real SLURM; the long one is run by hand, its figures are in docs/slurm.md."""

import random
import runpy
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("slurm_campaign.py")


@pytest.mark.slurm
@pytest.mark.slow
def test_a_disturbed_library_has_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    campaign = runpy.run_path(str(CAMPAIGN))
    config = campaign["config"](tmp_path, rows=6000, clusters=1, steps=1)
    quiet, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    campaign["hurry"](config)
    assert campaign["hpcflow"]("simulate", config, quiet, "--workers", "4").returncode == 0
    faults = ["process killed", "driver killed", "node down", "preempted", "slurmctld away"]
    one = campaign["Campaign"]("simulate", config, disturbed, random.Random(3))
    campaign["disturb"](one, faults, patience_s=500)
    assert sorted(one.done) == sorted(faults)
    campaign["same"](quiet / "simulations.zarr", disturbed / "simulations.zarr")
