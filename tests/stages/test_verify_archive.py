"""`infer --verify`: nothing to say of a sound archive, and a word for every kind of harm."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hpcflow.base.errors import FailedPartitionsError, InputError
from hpcflow.compute.where import InProcess
from hpcflow.stages.infer import infer
from hpcflow.stages.run import Run
from hpcflow.stages.verify_archive import verify_archive


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_sound_archive_is_sound(inferred: Run) -> None:
    assert verify_archive(inferred) == 4


def test_harm_is_named_and_made_anew(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    sound = files(run.posteriors)
    (run.posteriors / "theta" / "c" / "1" / "0" / "0").unlink()
    torn = run.posteriors / "quantile" / "c" / "2" / "0" / "0"
    torn.write_bytes(torn.read_bytes()[:-9])
    with pytest.raises(FailedPartitionsError, match=re.compile("2 partitions are damaged, first 1 .*hpcflow infer")):
        verify_archive(run)
    infer(run.config(), run, InProcess())
    assert files(run.posteriors) == sound


def test_harm_to_the_photometry_is_said(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    (run.posteriors / "flux" / "c" / "0" / "0").unlink()
    with pytest.raises(InputError, match=r"photometry is damaged .* remove the archive"):
        verify_archive(run)
