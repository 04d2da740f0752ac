"""Commands that look at a run."""

from collections.abc import Callable
from pathlib import Path

from hpcflow.stages.run import Run


def test_reweight_says_what_it_did_and_where(
    inferred: Run, copied: Callable[[Run], Run], hpcflow: Callable[..., tuple[str, str]]
) -> None:
    run = copied(inferred)
    said, _ = hpcflow("reweight", run.path, "--prior", "box")
    assert "50 of 50 clusters reweighted" in said
    assert Path(said.splitlines()[-1]) == run.path / "reweighted/box.zarr"
    assert "neither ships nor is a file" in hpcflow("reweight", run.path, "--prior", "none", code=2)[1]
