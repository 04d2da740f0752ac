import shutil
from collections.abc import Callable

import pytest
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.stages.look.compare import compare
from hpcflow.stages.run import Run


def test_what_can_be_compared_is_written(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    (path,) = compare(run)  # a mock has no published fits
    table = Table.read(path)
    assert path == run.path / "report" / "tables" / "recovery.ecsv"
    assert {"all", "bands", "band set", "galaxy"} == set(table["of"].tolist())
    whole = table[table["group"] == "all"][0]
    assert 0 <= whole["close"] <= 1
    assert sum(table["clusters"][table["of"] == "galaxy"]) == whole["clusters"]


def test_a_run_with_nothing_to_compare_is_refused(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    elsewhere = run.path.parent / "elsewhere"
    elsewhere.mkdir()
    truth = shutil.copy(inferred.path.parent / "mock_truth.fits", elsewhere / "truth.fits")
    table = Table.read(truth)
    table["galaxy"] = "M31"
    table.write(truth, overwrite=True)
    with pytest.raises(InputError, match="no cluster with a posterior and a published fit"):
        compare(run, [truth])
    assert not (run.path / "report" / "tables").exists()
