"""What cannot be gone on with is refused in one sentence, and nothing is written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hpcflow.base.errors import InputError
from hpcflow.compute.where import InProcess
from hpcflow.flow import checkpoint
from hpcflow.stages.infer import infer
from hpcflow.stages.run import Run
from hpcflow.stages.trained import trained_flow


def refused(run: Run, says: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.posteriors.rglob("*")}
    with pytest.raises(InputError, match=says):
        infer(run.config(), run, InProcess())
    assert {path: path.stat().st_mtime_ns for path in run.posteriors.rglob("*")} == before


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "gone"])
def test_damaged_weights(inferred: Run, copied: Callable[[Run], Run], harm: str) -> None:
    run = copied(inferred)
    weights = run.flow / checkpoint.WEIGHTS
    content = bytearray(weights.read_bytes())
    if harm == "gone":
        weights.unlink()
    else:
        content[-100] ^= 1
        weights.write_bytes({"cut": content[:-50], "flip": content, "empty": b""}[harm])
    refused(run, r"weights.safetensors .*train the flow again")


def test_an_archive_of_another_schema(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    path = run.posteriors / "zarr.json"
    described = json.loads(path.read_text())
    described["attributes"]["schema"] = "hpcflow-posteriors/1"
    path.write_text(json.dumps(described))
    refused(run, "holds hpcflow-posteriors/1, but this version of hpcflow reads hpcflow-posteriors/4; remove it")


def test_an_archive_of_another_flow(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    estimator = trained_flow(run.flow)
    extra = {key: checkpoint.read_description(run.flow)[key] for key in ("config", "support", "source")}
    next(estimator.parameters()).data.add_(1e-3)
    checkpoint.save(estimator, run.flow, extra)
    refused(run, "made from another flow_sha256")


def test_an_archive_of_another_catalogue(inferred: Run, copied: Callable[[Run], Run], tmp_path: Path) -> None:
    run = copied(inferred)
    config = run.config()
    other = tmp_path / "other.csv"
    fluxes = ",".join(f"{band}_flux,{band}_err" for band in config.model.bands)
    other.write_text(f"galaxy,cluster_id,{fluxes}\nNGC1566,1,{','.join(['1e-3,1e-4'] * len(config.model.bands))}\n")
    wanted = config.infer.model_copy(update={"catalogues": [str(other)]})
    with pytest.raises(InputError, match="made with another config"):
        infer(config.model_copy(update={"infer": wanted}), run, InProcess())
    Path(config.infer.catalogues[0]).rename(tmp_path / "kept")
    try:
        Path(config.infer.catalogues[0]).write_bytes(b"nonsense")
        refused(run, "may be truncated")
    finally:
        (tmp_path / "kept").replace(config.infer.catalogues[0])
