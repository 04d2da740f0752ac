"""Tables of one row per cluster, in every format, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Column, Table

from hpcflow.base.errors import InputError
from hpcflow.catalogues.plain import strings
from hpcflow.catalogues.table_files import load_table
from hpcflow.catalogues.write import FORMATS, write_blocks, write_rows

TABLE = Table(
    [
        Column(["a", "b"], "galaxy", description="which"),
        Column([1.0, 2.0], "flux", unit="mJy", description="how bright"),
        Column([6.0, 7.0], "log_age", unit="dex(yr)", description="how old"),
    ]
)


@pytest.mark.parametrize("ending", FORMATS)
def test_round_trip(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"deep/t{ending}"
    write_rows(TABLE, path)
    again = Table.read(path, format=FORMATS[ending])
    assert again["flux"].tolist() == [1.0, 2.0]
    assert [str(name) for name in again["galaxy"]] == ["a", "b"]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_fits_carries_units_and_descriptions(tmp_path: Path) -> None:
    write_rows(TABLE, tmp_path / "t.fits")
    header = fits.getheader(tmp_path / "t.fits", 1)
    assert (header["TUNIT2"], header["TCOMM2"]) == ("mJy", "how bright")
    # A logarithmic unit is none that FITS knows: it is said in words instead.
    assert header["TCOMM3"] == "how old [dex(yr)]"
    assert "TUNIT3" not in header
    assert str(TABLE["log_age"].unit) == "dex(yr)"


@pytest.mark.parametrize("ending", FORMATS)
def test_text_beyond_ascii_is_read_back(tmp_path: Path, ending: str) -> None:
    names = np.array(["\u00e9toile", "plain", "\u6f22" * 7, "\U0001f600"], dtype="U30")  # as wide as its bytes
    blocks = [Table({"cluster_id": names[rows]}, meta={"OBJECT": "\u00e9"}) for rows in (slice(1, 3), slice(3, 4))]
    write_blocks(blocks, tmp_path / f"t{ending}")
    table = load_table(tmp_path / f"t{ending}")
    assert strings(table["cluster_id"]).tolist() == names[1:].tolist()


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("cut", [1, 40, 99])
def test_blocks_are_one_table(tmp_path: Path, ending: str, cut: int) -> None:
    n = 100
    whole = Table(
        [
            Column([f"n{i}" for i in range(n)], "name", description="which"),
            Column(np.arange(n, dtype=np.float32) / 7, "flux", unit="mJy", description="how bright"),
            Column(np.arange(n) % 3 == 0, "seen"),
            Column(np.arange(n, dtype=np.uint8), "reason"),
            Column(np.arange(n, dtype=np.int32), "flag"),
        ]
    )
    write_rows(whole, tmp_path / f"whole{ending}")
    write_blocks((whole[rows] for rows in (slice(0, cut), slice(cut, n))), tmp_path / f"blocks{ending}")
    one, other = (Table.read(tmp_path / f"{name}{ending}", format=FORMATS[ending]) for name in ("whole", "blocks"))
    assert one.colnames == other.colnames == whole.colnames
    for name in whole.colnames:
        assert one[name].tolist() == other[name].tolist(), name
        assert (one[name].unit, one[name].description) == (other[name].unit, other[name].description)
    if ending == ".fits":
        with fits.open(tmp_path / "blocks.fits") as file:
            file.verify("exception")
            assert (tmp_path / "whole.fits").read_bytes() == (tmp_path / "blocks.fits").read_bytes()


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "t.fits"
    write_rows(TABLE, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_rows(Table({"a": [object()]}), path)
    assert path.read_bytes() == before


def test_an_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.parquet"):
        write_rows(TABLE, tmp_path / "t.xls")
