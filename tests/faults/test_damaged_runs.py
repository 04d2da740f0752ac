"""Runs whose files have been harmed: whoever reads them says which file and what to do, and writes nothing wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hpcflow.compute.where import InProcess
from hpcflow.stages.look.compare import compare
from hpcflow.stages.look.export import export
from hpcflow.stages.look.samples import samples
from hpcflow.stages.look.show import show
from hpcflow.stages.report import make_report
from hpcflow.stages.run import Run
from hpcflow.stages.verify import verify
from hpcflow.store.damage import DamagedError


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for part in (3, 4, 5):  # one alone may only turn one NaN into another
        content[len(content) * part // 8] ^= 0x10
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def swap(file: Path) -> None:
    """Exchange a partition's file with that of the next partition."""
    other = Path(str(file).replace("/c/0", "/c/1"))
    one, two = file.read_bytes(), other.read_bytes()
    file.write_bytes(two)
    other.write_bytes(one)


HARMS: dict[str, Callable[[Path], None]] = {"flip": flip, "cut": cut, "swap": swap, "delete": Path.unlink}
READERS: dict[str, Callable[[Run], object]] = {
    "export": lambda run: export(run, "csv"),
    "compare": lambda run: compare(run),
    "report": lambda run: make_report(run.path),
    "show": lambda run: show(run.path, "1", "IC5332"),
    "samples": lambda run: samples(run.path, "1", "IC5332"),
}


def file_of(store: Path, name: str) -> Path:
    """Return the file of an array's first partition."""
    return next(path for path in sorted((store / name / "c").rglob("*")) if path.is_file())


def outputs(run: Run) -> set[str]:
    return {str(path.relative_to(run.path)) for path in run.path.rglob("*") if ".zarr" not in str(path)}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("name", "harm"), [*(("quantile", harm) for harm in HARMS), ("flux", "flip"), ("flux", "delete"), ("galaxy", "cut")]
)
def test_a_harmed_archive_is_not_read(
    inferred: Run, copied: Callable[[Run], Run], name: str, reader: str, harm: str
) -> None:
    run = copied(inferred)
    HARMS[harm](file_of(run.posteriors, name))
    before = outputs(run)
    with pytest.raises(DamagedError, match=r"posteriors.zarr: .* is damaged .*run `hpcflow verify`"):
        READERS[reader](run)
    assert outputs(run) == before
