"""`hpcflow export`: everything but the samples, in columns that say what they are."""

import logging
import re
from collections.abc import Callable

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from hpcflow.errors import InputError
from hpcflow.stages import export as stage
from hpcflow.stages.export import export
from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.flags import Flag


def test_fits_is_what_topcat_reads(inferred: Run, copied: Callable[[Run], Run]) -> None:
    path = export(copied(inferred), "fits")
    with fits.open(path) as file:
        file.verify("exception")
        header, names = file[1].header, file[1].columns.names
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in names)
    assert len({name.lower() for name in names}) == len(names)
    for i, name in enumerate(names, start=1):
        assert header.get(f"TCOMM{i}"), name
    units = {name: header.get(f"TUNIT{i}") for i, name in enumerate(names, start=1)}
    assert (units["F555W_flux"], units["ra"], units["distance"], units["ebv_map"]) == ("mJy", "deg", "Mpc", "mag")


def test_flags_are_said_in_words(inferred: Run, copied: Callable[[Run], Run]) -> None:
    table = Table.read(export(copied(inferred), "fits"))
    for row in table:
        said = {Flag[name.upper()] for name in str(row["flags"]).split()}
        assert sum(said) == row["flag"]
    assert (table["flag"] != 0).any()


@pytest.mark.parametrize("ending", ["fits", "parquet", "csv", "ecsv"])
def test_blocks_make_no_difference(
    inferred: Run, copied: Callable[[Run], Run], ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(inferred)
    whole = export(run, ending).read_bytes()
    monkeypatch.setattr(stage, "BLOCK", 7)
    if ending != "parquet":  # whose row groups are the blocks
        assert export(run, ending).read_bytes() == whole
    else:
        table = Table.read(export(run, ending))
        assert table["cluster_id"].tolist() == PosteriorArchive.open(run.posteriors).read("cluster_id").tolist()


def test_one_galaxy(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    names = PosteriorArchive.open(run.posteriors).read("galaxy")
    path = export(run, "fits", names[20].lower())
    table = Table.read(path)
    assert path.name == f"clusters-{names[20]}.fits"
    assert len(table) == np.count_nonzero(names == names[20])
    assert set(table["galaxy"]) == {names[20]}
    with pytest.raises(InputError, match="has no cluster of NGC9999; --galaxy is one of"):
        export(run, "fits", "NGC 9999")
    assert not list(run.path.glob(".new*"))


def test_what_is_not_there_is_said(
    inferred: Run, copied: Callable[[Run], Run], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(inferred)
    archive = PosteriorArchive.open(run.posteriors)
    archive.forget(archive.partitions[1])
    monkeypatch.setattr(logging.getLogger("hpcflow"), "propagate", True)
    export(run, "csv")
    assert "16 of 50 clusters have no posterior yet" in caplog.text
    with pytest.raises(InputError, match="run the stage that writes it first"):
        export(Run(run.path / "nowhere"), "fits")
