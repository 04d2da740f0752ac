import math
from pathlib import Path

import numpy as np
import xarray as xr

from hpcflow.calibration.recovery import recovery
from hpcflow.stages.look.folder import RunFolder
from hpcflow.stages.look.headline import galaxy_rows, headline, recovery_numbers
from hpcflow.store.flags import Refined


def test_every_stage_has_its_numbers(run: RunFolder, archive: xr.Dataset, truth: np.ndarray) -> None:
    lines = headline(run, archive) + recovery_numbers(recovery(archive, truth))
    groups = {"Simulations", "Flow", "Calibration", "Gap to the exact posterior", "Clusters", "Truth"}
    groups.add("Distance to the exact posterior")
    assert {line.group for line in lines} == groups
    values = {(line.group, line.name): line.value for line in lines}
    assert values["Clusters", "in the catalogues"] == "40"
    assert values["Clusters", "with a posterior"] == "39"
    assert values["Flow", "family"] == "autoregressive"
    assert values["Calibration", "TARP, largest difference of coverage"].startswith("0.")
    assert ("Clusters", "median efficiency of the samples") not in values
    assert values["Calibration", "truth in the 68 % interval, E(B\u2212V)"].endswith("%")


def test_stages_not_run_have_none(tmp_path: Path) -> None:
    assert headline(RunFolder(tmp_path, {}, {}), None) == []


def test_galaxies_have_medians(archive: xr.Dataset) -> None:
    rows = galaxy_rows(archive)
    assert [(row.galaxy, row.clusters, row.fitted) for row in rows] == [("NGC0628C", 20, 19), ("NGC1566", 20, 20)]
    assert 6 < rows[0].medians["log age"] < 10.2
    empty = galaxy_rows(archive.isel(cluster=[7]))[0]
    assert empty.fitted == 0 and math.isnan(empty.chi2)


def test_weights_have_their_numbers(run: RunFolder, archive: xr.Dataset) -> None:
    n = archive.sizes["cluster"]
    kinds = [Refined.NONE, Refined.MORE_SAMPLES, Refined.EXACT_GRID, Refined.EXACT_GRID]
    known = archive.assign(
        efficiency=("cluster", [0.5] * n),
        log_evidence=("cluster", [60.0] * n),
        refined=("cluster", kinds * (n // 4)),
    )
    values = {line.name: line.value for line in headline(run, known)}
    assert values["median efficiency of the samples"] == "50 %"
    assert values["median log evidence"] == "60.000 nat"
    assert values["sampled again; on the exact grid"] == "10; 20"
