"""Files as they come: each is refused with a sentence that says what is wrong and what to do, or handled, and counted.

One case an entry: how a good file is spoiled, and what is said of it, or what remains.
"""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.read import read_catalogue
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.store.flags import Reason

FILTERS = ("F275W", "F336W", "F438W", "F555W", "F814W")
UVIS = {name: f"WFC3_UVIS.{name}" for name in FILTERS}
N = 8
LEGUS = "hlsp_legus_hst_wfc3_ngc1566_multiband_v1_padagb-mwext-avgapcor.tab"


def phangs() -> Table:
    table = Table({"PHANGS_GALAXY": ["ngc1566"] * N, "ID_PHANGS_CLUSTER": np.arange(1, N + 1)})
    table["PHANGS_RA"], table["PHANGS_DEC"] = np.full(N, 65.0), np.full(N, -54.9)
    for name in FILTERS:
        table[f"PHANGS_{name}_mJy"], table[f"PHANGS_{name}_mJy_ERR"] = np.full(N, 1.5e-3), np.full(N, 1e-4)
    table["PHANGS_CLUSTER_CLASS_HUMAN"] = np.arange(N) % 2 + 1
    return table


def written(path: Path, table: Table) -> Path:
    table.write(path, overwrite=True)
    return path


def spoiled(change: Callable[[Table], object], name: str = "c.fits") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        table = phangs()
        change(table)
        return written(folder / name, table)

    return make


def put(column: str, values: object) -> Callable[[Path], Path]:
    def change(table: Table) -> None:
        table[column] = values

    return spoiled(change)


def drop(*columns: str) -> Callable[[Path], Path]:
    return spoiled(lambda table: table.remove_columns(list(columns)))


def bytes_of(change: Callable[[bytes], bytes], name: str = "c.fits") -> Callable[[Path], Path]:
    """Spoil the file itself; it may be kept under another name."""

    def make(folder: Path) -> Path:
        whole = written(folder / "good.fits", phangs()).read_bytes()
        (folder / name).write_bytes(change(whole))
        return folder / name

    return make


def text(content: str, name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return make


def image(folder: Path) -> Path:
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(folder / "c.fits")
    return folder / "c.fits"


def directory(folder: Path) -> Path:
    (folder / "c.fits").mkdir()
    return folder / "c.fits"


def narrow(folder: Path) -> Path:
    (folder / LEGUS).write_text("1 2 3\n4 5 6\n")
    return folder / LEGUS


def ragged(folder: Path) -> Path:
    (folder / LEGUS).write_text(" ".join(["1"] * 40) + "\n" + " ".join(["1"] * 17) + "\n")
    return folder / LEGUS


def loop(folder: Path) -> Path:
    (folder / "c.fits").symlink_to(folder / "c.fits")
    return folder / "c.fits"


def parquet(identifiers: list[object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        table = phangs()
        columns = {name: table[name].tolist() for name in table.colnames} | {"ID_PHANGS_CLUSTER": identifiers}
        pq.write_table(pa.table(columns), folder / "c.parquet")
        return folder / "c.parquet"

    return make


HEADER = "galaxy,cluster_id," + ",".join(f"{b}_flux,{b}_err" for b in FILTERS)
ROW = "NGC1566,{}," + ",".join(["0.0015,0.0001"] * 5)
TEXT = np.array(["n/a"] * N)

REFUSED = {
    "no file": (lambda folder: folder / "none.fits", "does not exist or is not a file"),
    "a folder": (directory, "does not exist or is not a file"),
    "no bytes": (bytes_of(lambda whole: b""), "cannot be read as a fits table"),
    "FITS cut in its header": (bytes_of(lambda whole: whole[:1000]), "cannot be read as a fits table"),
    "FITS cut in its rows": (bytes_of(lambda whole: whole[:-3500]), "cannot be read as a fits table"),
    "FITS cut by one block": (bytes_of(lambda whole: whole[:-2880]), "cannot be read as a fits table"),
    "an image": (image, "cannot be read as a fits table"),
    "a web page for a file": (bytes_of(lambda whole: b"<html>404 Not Found</html>"), "cannot be read as a fits table"),
    "a damaged gzip": (bytes_of(lambda w: gzip.compress(w)[:200], "c.fits.gz"), "cannot be read as a fits table"),
    "no gzip": (bytes_of(lambda whole: whole[:2000], "c.fits.gz"), "cannot be read as a fits table"),
    "FITS named csv": (bytes_of(lambda whole: whole, "c.csv"), "cannot be read as a ascii.csv table|no flux"),
    "FITS named parquet": (bytes_of(lambda whole: whole, "c.parquet"), "cannot be read as a parquet table"),
    "an ending that is no table's": (bytes_of(lambda whole: whole, "c.dat"), "is of no known kind"),
    "no ending": (bytes_of(lambda whole: whole, "catalogue"), "is of no known kind"),
    "CSV named FITS": (text(f"{HEADER}\n{ROW.format(1)}\n", "c.fits"), "cannot be read as a fits table"),
    "a CSV of its header alone": (text(HEADER + "\n", "c.csv"), "has no rows"),
    "a CSV with a long row": (text(f"{HEADER}\n{ROW.format(1)},1,2\n", "c.csv"), "cannot be read as a ascii.csv table"),
    "no rows": (spoiled(lambda table: table.remove_rows(slice(None))), "has no rows"),
    "no identifiers": (drop("ID_PHANGS_CLUSTER"), "no column ID_PHANGS_CLUSTER"),
    "a duplicate": (put("ID_PHANGS_CLUSTER", [1, 1, *range(3, N + 1)]), "cluster 1 of NGC1566 occurs more than once"),
    "no galaxy at all": (drop("PHANGS_GALAXY"), "neither a column PHANGS_GALAXY nor a galaxy in its name"),
    "a band less": (drop("PHANGS_F336W_mJy"), "no flux and error columns for band F336W"),
    "no error column": (drop("PHANGS_F555W_mJy_ERR"), "no flux and error columns for band F555W"),
    "no band": (drop(*(f"PHANGS_{name}_mJy" for name in FILTERS)), "no flux and error columns"),
    "fluxes in Jy": (
        spoiled(lambda t: [t.replace_column(c, t[c] * 1e-3) for c in t.colnames if "mJy" in c]),
        "median absolute AB magnitude",
    ),
    "magnitudes for fluxes": (
        spoiled(lambda t: [t.replace_column(f"PHANGS_{name}_mJy", np.full(N, 22.5)) for name in FILTERS]),
        "median absolute AB magnitude",
    ),
    "text for all numbers": (
        spoiled(lambda t: [t.replace_column(f"PHANGS_{name}_mJy", TEXT) for name in FILTERS]),
        "none of its 8 rows has two usable bands.*NOT_FINITE",
    ),
    "no coverage anywhere": (
        spoiled(lambda t: [t.replace_column(f"PHANGS_{name}_mJy", np.full(N, -9999.0)) for name in FILTERS]),
        "none of its 8 rows has two usable bands.*NO_COVERAGE",
    ),
    "errors of zero everywhere": (
        spoiled(lambda t: [t.replace_column(f"PHANGS_{name}_mJy_ERR", np.zeros(N)) for name in FILTERS]),
        "none of its 8 rows has two usable bands.*BAD_ERROR",
    ),
    "LEGUS with three columns": (narrow, "has 3 columns where LEGUS has at least 34"),
    "LEGUS with a row cut short": (ragged, "cannot be read as a LEGUS table"),
    "LEGUS without a row": (text("\n", LEGUS), "has no rows"),
    "a path with NUL": (lambda folder: folder / "a\0b.csv", "does not exist or is not a file"),
    "a link to itself": (loop, "does not exist or is not a file"),
    "a huge cell": (
        text(f"{HEADER}\n{ROW.format('9' * 5_000_000)}\n", "c.csv"),
        "line 2 has over 1,000,000 characters",
    ),
    "a long identifier": (parquet(["9" * 3000] * N), "row 1 .* longer than 200 characters"),
    "a newline in an identifier": (parquet([f"{i}\n1" for i in range(N)]), "row 1 .* not printable"),
    "binary identifiers": (parquet([bytes([i, 0, 255]) for i in range(N)]), "row 1 .* not printable"),
    "twins by composition": (
        parquet(["\u00e9", "e\u0301", *"345678"]),
        "cluster \u00e9 of NGC1566 occurs more than once",
    ),
    "fluxes in vectors": (put("PHANGS_F336W_mJy", np.ones((N, 3))), "no flux and error columns for band F336W"),
}


@pytest.mark.parametrize(("make", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_cannot_be_used_is_refused_by_name_with_the_reason(
    tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    path = make(tmp_path)
    with pytest.raises(InputError, match=said) as caught:
        read_catalogue(path, UVIS)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert len(sentence.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir() if p != path and p.name != "good.fits") == []


def marked(column: str, row: int, value: object) -> Callable[[Path], Path]:
    def change(table: Table) -> None:
        if isinstance(value, str):
            table[column] = table[column].astype("U20")
        table[column][row] = value

    return spoiled(change)


HANDLED = {  # what becomes of band 1 of row 2
    "text for one number": (marked("PHANGS_F336W_mJy", 2, "n/a"), Reason.NOT_FINITE),
    "an empty cell": (marked("PHANGS_F336W_mJy", 2, ""), Reason.NOT_FINITE),
    "text for an error": (marked("PHANGS_F336W_mJy_ERR", 2, "--"), Reason.BAD_ERROR),
    "nan": (marked("PHANGS_F336W_mJy", 2, np.nan), Reason.NOT_FINITE),
    "infinity": (marked("PHANGS_F336W_mJy", 2, np.inf), Reason.NOT_FINITE),
    "a negative flux": (marked("PHANGS_F336W_mJy", 2, -1e-4), Reason.NEGATIVE),
    "no coverage": (marked("PHANGS_F336W_mJy", 2, -9999.0), Reason.NO_COVERAGE),
    "a negative error": (marked("PHANGS_F336W_mJy_ERR", 2, -1.0), Reason.BAD_ERROR),
}


@pytest.mark.parametrize(("make", "reason"), HANDLED.values(), ids=HANDLED.keys())
def test_a_bad_number_masks_its_band_of_its_row_and_nothing_else(
    tmp_path: Path, make: Callable[[Path], Path], reason: Reason
) -> None:
    catalogue = read_catalogue(make(tmp_path), UVIS)
    expected = np.zeros((N, 5), dtype=np.uint8)
    expected[2, 1] = reason
    np.testing.assert_array_equal(catalogue.reason, expected)


@pytest.mark.parametrize(("name", "said"), [("ngc9999", "NGC9999"), ("", r"\(no name\)")])
def test_a_galaxy_nobody_knows_has_no_distance(tmp_path: Path, name: str, said: str) -> None:
    catalogue = read_catalogue(put("PHANGS_GALAXY", [name] * N)(tmp_path), UVIS)
    with pytest.raises(InputError, match=rf"the distance of {said} is unknown; set infer\.distance_mpc"):
        catalogue.refuse_without_distance()


def test_an_unknown_galaxy_among_known_ones_waits_and_takes_a_distance(tmp_path: Path) -> None:
    path = put("PHANGS_GALAXY", ["ngc1566"] * (N - 1) + ["ngc9999"])(tmp_path)
    waiting = read_catalogue(path, UVIS)
    assert np.isnan(waiting.distance).tolist() == [False] * (N - 1) + [True]
    assert "1 clusters of NGC9999 wait for a distance" in waiting.notes[0]
    catalogue = read_catalogue(path, UVIS, ReadOptions(distance_mpc={"NGC 9999": 12.0}))
    assert catalogue.distance[-1] == 12.0
    assert len(catalogue) == N


def test_text_of_older_programs_is_read(tmp_path: Path) -> None:
    column = fits.Column("ID_PHANGS_CLUSTER", "4A", array=np.array([b"\xe9%d" % i for i in range(N)]))
    others = fits.table_to_hdu(phangs()).columns
    columns = [column, *(other for other in others if other.name != column.name)]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "c.fits")
    assert read_catalogue(tmp_path / "c.fits", UVIS).cluster_id[0] == "\u00e90"


def test_a_row_without_any_number_is_kept(tmp_path: Path) -> None:
    def change(table: Table) -> None:
        for name in FILTERS:
            table[f"PHANGS_{name}_mJy"][3] = -9999.0

    catalogue = read_catalogue(spoiled(change)(tmp_path), UVIS)
    assert len(catalogue) == N
    assert (catalogue.reason[3] == Reason.NO_COVERAGE).all()
    assert catalogue.observed.sum() == 5 * (N - 1)


def million(folder: Path) -> Path:
    n = 10**6
    columns = [
        fits.Column("PHANGS_GALAXY", "7A", array=np.full(n, "ngc1566")),
        fits.Column("ID_PHANGS_CLUSTER", "J", array=np.arange(n)),
    ]
    for name in FILTERS:
        columns.append(fits.Column(f"PHANGS_{name}_mJy", "E", array=np.full(n, 1.5e-3)))
        columns.append(fits.Column(f"PHANGS_{name}_mJy_ERR", "E", array=np.full(n, 1e-4)))
    fits.BinTableHDU.from_columns(columns).writeto(folder / "million.fits")
    return folder / "million.fits"


def test_a_million_rows_are_read(tmp_path: Path) -> None:
    catalogue = read_catalogue(million(tmp_path), UVIS)
    assert len(catalogue) == 10**6
    assert catalogue.observed.all()
    assert catalogue.cluster_id[[0, -1]].tolist() == ["0", "999999"]
    assert isinstance(catalogue, Catalogue)
