"""Odd catalogues and configs, hundreds of them: each is handled, or refused in one sentence; nothing is written.

`HPCFLOW_ODD=SEED` takes others, which is how more were tried by hand.
"""

import os
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hpcflow.base.errors import HpcflowError
from hpcflow.compute.where import InProcess
from hpcflow.config.load import Config, with_values
from hpcflow.stages.infer import infer
from hpcflow.stages.look.catalogue_check import check
from hpcflow.stages.look.export import export
from hpcflow.stages.look.samples import write_samples
from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive
from odd import odd_catalogue, odd_settings
from said import said, sentences

FIRST = int(os.environ.get("HPCFLOW_ODD", "0"))
COUNT = 150
INFERRED = 3  # of the catalogues that can be used, as each takes seconds
LONGEST = 1000  # characters of a sentence


def said_against(config: Config, path: Path) -> str:
    """Return what is said against a catalogue, empty if it can be used."""
    try:
        assert list(check(config, path, None))
    except HpcflowError as e:
        assert e.exit_code == 2
        return str(e)
    return ""


def test_odd_catalogues(tmp_path: Path, inferred: Run) -> None:
    config = with_values(inferred.config(), {"infer.check_units": False})
    found, usable = Counter[str](), list[Path]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that write and read them
        for seed in range(FIRST, FIRST + COUNT):
            path = odd_catalogue(tmp_path, seed)
            says = said_against(config, path)
            assert len(says) < LONGEST, says
            assert len(says.splitlines()) <= 1, says
            assert not says or path.name in says or "the distance of" in says, says
            found["refused" if says else "usable"] += 1
            usable += [] if says else [path]
        assert len(list(tmp_path.iterdir())) == COUNT
        assert min(found.values()) > COUNT // 10, found
        for path in usable[:: len(usable) // INFERRED]:
            goes_all_the_way(config, inferred, path, tmp_path / path.name.split(".")[0])


def goes_all_the_way(config: Config, trained: Run, path: Path, folder: Path) -> None:
    """Infer an odd catalogue's clusters, export them, and draw the samples of one again."""
    run = Run(folder)
    values = {"infer.catalogues": [str(path)], "infer.flow": str(trained.flow.parent)}
    infer(with_values(config, values), run, InProcess())
    archive = PosteriorArchive.open(run.posteriors)
    assert not archive.missing()
    for to in ("fits", "csv", "ecsv", "parquet"):
        assert export(run, to).parent == run.path
    for name, galaxy in zip(archive.read("cluster_id").tolist(), archive.read("galaxy").tolist(), strict=True):
        try:
            assert write_samples(run.path, name, galaxy, None).parent == run.path
        except HpcflowError as e:
            assert "has no posterior" in str(e)


def test_odd_configs(tmp_path: Path, tiny: Callable[..., Path]) -> None:
    config, codes = tiny(), Counter[int]()
    command = ("simulate", str(config), "--run", str(tmp_path / "run"), "--site", "generic", "--dry-run")
    for seed in range(FIRST, FIRST + COUNT):
        settings = odd_settings(seed)
        code, words = said(*command, *(word for one in settings for word in ("--set", one)))
        assert code in (0, 2), (settings, words)
        assert len(sentences(words)) == (code == 2), (settings, words)
        assert len(words) < LONGEST, words
        assert list(tmp_path.iterdir()) == [config], settings
        codes[code] += 1
    assert codes[2] > COUNT // 2
