"""`hpcflow verify`: nothing to say of a sound run, and a word for every kind of harm."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.base.errors import DamagedRunError, InputError
from hpcflow.compute.where import InProcess
from hpcflow.config.load import Config, load_config
from hpcflow.stages import verify as stage
from hpcflow.stages.build import build_simulator
from hpcflow.stages.infer import infer
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import draw, open_or_create, simulate_partition
from hpcflow.stages.verify import verify, verify_archive, verify_library


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def tear(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


@pytest.fixture
def library(tiny: Callable[..., Path], tmp_path: Path) -> tuple[Config, Run]:
    config = load_config(tiny(simulate={"n": 1000, "partition": 250, "seed": 3}))
    run = Run(tmp_path / "run")
    run.begin("simulate", config)
    store = open_or_create(config, run, build_simulator(config).provenance)
    for partition in store.partitions[:3]:
        simulate_partition(str(run.path), partition)
    return config, run


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    caplog.set_level("INFO", logger="hpcflow")
    return lambda: caplog.text


def test_a_sound_library_is_sound(library: tuple[Config, Run], said: Callable[[], str]) -> None:
    assert list(verify_library(*library, rows=100)) == []
    assert "3 of 4 partitions read, 0 damaged" in said()
    assert "100 rows simulated again, 0 different" in said()


def test_a_damaged_partition_is_named_and_computed_again(library: tuple[Config, Run], said: Callable[[], str]) -> None:
    config, run = library
    sound = files(run.simulations)
    tear(next(p for p in (run.simulations / "flux" / "c" / "1").rglob("*") if p.is_file()))
    with pytest.raises(DamagedRunError, match="is damaged; see the lines above"):
        verify(run)
    assert re.search("damage in 1 of 3 partitions, first 1 .*hpcflow simulate", said())
    store = open_or_create(config, run, build_simulator(config).provenance)
    assert [p.index for p in store.missing()] == [1, 3]
    simulate_partition(str(run.path), store.partitions[1])
    assert files(run.simulations) == sound
    verify(run)


def test_another_simulator_is_noticed(library: tuple[Config, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    def other(config: Config) -> Any:
        simulator = build_simulator(config)

        class Other:
            provenance = simulator.provenance

            def __call__(self, theta: np.ndarray) -> np.ndarray:
                return simulator(theta) * (1 + 1e-5)

        return Other()

    monkeypatch.setattr(stage, "build_simulator", other)
    (sentence,) = verify_library(*library, rows=50)
    assert "50 of 50 rows differ" in sentence


def test_other_sources_are_said_once_all_is_read(library: tuple[Config, Run], said: Callable[[], str]) -> None:
    config, run = library
    other = config.model.model_copy(update={"fixed": {"r_v": 4.0, "metallicity": 0.02}})
    with pytest.raises(InputError, match="made from another fixed"):
        list(verify_library(config.model_copy(update={"model": other}), run))
    assert "3 of 4 partitions read, 0 damaged" in said()


def test_parameters_are_the_partitions_own(library: tuple[Config, Run]) -> None:
    config, run = library
    store = open_or_create(config, run, build_simulator(config).provenance)
    one, other = (draw(config, store.partitions[i]) for i in (0, 1))
    assert (one != other).all()
    np.testing.assert_array_equal(draw(config, store.partitions[1]), other)


def test_a_sound_run_is_sound(inferred: Run, copied: Callable[[Run], Run], said: Callable[[], str]) -> None:
    run = copied(inferred)
    before = {name: data for name, data in files(run.path).items() if not name.startswith("logs")}
    verify(run)
    assert {name: data for name, data in files(run.path).items() if not name.startswith("logs")} == before
    assert f"{run.posteriors}: 4 of 4 partitions read, 0 damaged" in said()
    assert f"{run.flow}: read, not damaged" in said()
    assert "0 damaged" in (run.logs / "verify.log").read_text()


def test_damage_to_the_archive_is_named_and_repaired(
    inferred: Run, copied: Callable[[Run], Run], said: Callable[[], str]
) -> None:
    run = copied(inferred)
    sound = files(run.posteriors)
    (run.posteriors / "theta" / "c" / "1" / "0" / "0").unlink()
    tear(run.posteriors / "quantile" / "c" / "2" / "0" / "0")
    with pytest.raises(DamagedRunError, match="is damaged; see the lines above"):
        verify(run)
    assert re.search("damage in 2 of 4 partitions, first 1 .*hpcflow infer", said())
    infer(run.config(), run, InProcess())
    assert files(run.posteriors) == sound


def test_damage_to_the_photometry_is_reported(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    (run.posteriors / "flux" / "c" / "0" / "0").unlink()
    (sentence,) = verify_archive(run)
    assert re.search(r"photometry is damaged .* remove the archive", sentence)


def test_all_damage_is_reported_together(inferred: Run, copied: Callable[[Run], Run], said: Callable[[], str]) -> None:
    run = copied(inferred)
    tear(run.flow / "weights.safetensors")
    tear(run.posteriors / "quantile" / "c" / "2" / "0" / "0")
    with pytest.raises(DamagedRunError, match="is damaged; see the lines above"):
        verify(run)
    assert "is not what training wrote" in said()
    assert "damage in 1 of 4 partitions, first 2" in said()


def test_a_run_that_keeps_nothing_has_nothing_to_verify(library: tuple[Config, Run], tmp_path: Path) -> None:
    config, _ = library
    empty = Run(tmp_path / "empty")
    with pytest.raises(InputError, match="is not a run folder"):
        verify(empty)
    empty.begin("simulate", config)
    with pytest.raises(InputError, match="has nothing to verify"):
        verify(empty)
