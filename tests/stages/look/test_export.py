"""`hpcflow export`: everything but the samples, in columns that say what they are."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.known import known_variables
from hpcflow.catalogues.plain import strings
from hpcflow.catalogues.table_files import load_table
from hpcflow.model.prior import Parameter
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.stages.look import export as stage
from hpcflow.stages.look.export import export
from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.flags import Flag, Refined
from hpcflow.store.schema import known_names


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


def test_numbers_of_weights_are_there_where_the_archive_has_them(tmp_path: Path) -> None:
    n, shape = 3, (3, 2)
    catalogue = Catalogue(
        galaxy=np.array(["NGC1566"] * n),
        cluster_id=np.array(["1", "2", "33"]),
        ra=np.zeros(n),
        dec=np.zeros(n),
        distance=np.ones(n),
        cluster_class=np.ones(n, dtype=np.int64),
        bands=("F555W", "odd-name"),
        flux=np.ones(shape),
        sigma=np.ones(shape),
        reason=np.zeros(shape, dtype=np.uint8),
    )
    parameters = (Parameter("log_age", 6, 10, "dex(yr)"), Parameter("r_v", 2, 5))
    archive = PosteriorArchive.create(
        Run(tmp_path).posteriors,
        known=known_variables(catalogue, 0.0, parameters),
        bands=catalogue.bands,
        samples=4,
        modes=1,
        parameters=parameters,
        attrs={},
        weighted=True,
        given=SCALE.given,
    )
    kinds = [Refined.NONE, Refined.EXACT_GRID, Refined.MORE_SAMPLES]
    found = {"efficiency": np.full(n, 0.25), "refined": np.array(kinds), "quantile_flow": np.full((n, 3, 2), 7)}
    archive.write(archive.partitions[0], {"theta": np.full((n, 4, 2), np.nan), **found})
    path = export(Run(tmp_path), "fits")
    table, header = Table.read(path), fits.getheader(path, 1)
    says = {name: header[f"TCOMM{i}"] for i, name in enumerate(table.colnames, start=1)}
    assert table["efficiency"].tolist() == [0.25] * n
    assert table["refined"].tolist() == kinds
    assert "2 exact_grid" in says["refined"]
    assert table["log_age_q50_flow"].tolist() == [7] * n
    assert says["log_age_q50_flow"].startswith("50% quantile of the flow's samples")
    assert {"log_evidence", "log_p_mode1", "r_v_mean_flow", "odd_name_flux"} <= set(table.colnames)
    assert table["cluster_id"].tolist() == ["1", "2", "33"]


def test_one_galaxy(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    names = PosteriorArchive.open(run.posteriors).read("galaxy")
    path = export(run, "fits", names[20].lower())
    table = Table.read(path)
    assert path.name == f"clusters-{names[20]}.fits"
    assert len(table) == np.count_nonzero(names == names[20])
    assert set(table["galaxy"]) == {names[20]}
    with pytest.raises(InputError, match="has no cluster of NGC9999; use --galaxy with one of"):
        export(run, "fits", "NGC 9999")
    assert not list(run.path.glob(".*"))


def test_names_from_elsewhere_name_files_within_the_run(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    old = PosteriorArchive.open(run.posteriors)
    known = {name: old.read(name) for name in known_names(["distance"])}
    known["galaxy"] = np.array(["../../A/\u00c9"] * 25 + ["BC"] * 25)
    parameters = [Parameter(name, low, high) for name, (low, high, _) in old.attrs["prior"].items()]
    size = dict(samples=50, modes=3, partition=50)
    archive = PosteriorArchive.create(
        run.path / "odd" / "posteriors.zarr", known=known, bands=list("12345"), parameters=parameters, attrs={}, **size
    )
    archive.write(archive.partitions[0], {})
    odd = Run(archive.path.parent)
    (path,) = {export(odd, "fits", "../../a/\u00e9") for _ in range(2)}
    assert path.parent == odd.path
    assert {p.name for p in odd.path.iterdir()} == {"posteriors.zarr", path.name}
    assert strings(load_table(path)["galaxy"]).tolist() == ["../../A/\u00c9"] * 25


def test_what_is_not_there_is_said(
    inferred: Run, copied: Callable[[Run], Run], caplog: pytest.LogCaptureFixture
) -> None:
    run = copied(inferred)
    archive = PosteriorArchive.open(run.posteriors)
    archive.forget(archive.partitions[1])
    export(run, "csv")
    assert "16 of 50 clusters have no posterior yet" in caplog.text
    with pytest.raises(InputError, match="run the stage that writes it first"):
        export(Run(run.path / "nowhere"), "fits")
