"""`simulate --verify`: nothing to say of a sound library, and a word for every kind of harm."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.base.errors import FailedPartitionsError, InputError
from hpcflow.config.load import Config, load_config
from hpcflow.stages import verify as stage
from hpcflow.stages.build import build_simulator
from hpcflow.stages.run import Run
from hpcflow.stages.simulate import draw, open_or_create, simulate_partition
from hpcflow.stages.verify import verify


@pytest.fixture
def library(tiny: Callable[..., Path], tmp_path: Path) -> tuple[Config, Run]:
    config = load_config(tiny(simulate={"n": 1000, "partition": 250, "seed": 3}))
    run = Run(tmp_path / "run")
    run.begin("simulate", config)
    store = open_or_create(config, run, build_simulator(config).provenance)
    for partition in store.partitions[:3]:
        simulate_partition(str(run.path), partition)
    return config, run


def test_a_sound_library_is_sound(library: tuple[Config, Run]) -> None:
    verdict = verify(*library, rows=100)
    assert (verdict.partitions, verdict.rows, verdict.damaged, verdict.different) == (3, 100, {}, 0)


def test_a_damaged_partition_is_named_and_made_anew(library: tuple[Config, Run]) -> None:
    config, run = library
    sound = {p: p.read_bytes() for p in run.simulations.rglob("*") if p.is_file()}
    shard = next(p for p in (run.simulations / "flux" / "c" / "1").rglob("*") if p.is_file())
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(FailedPartitionsError, match=re.compile("1 partitions are damaged, first 1 .*hpcflow simulate")):
        verify(config, run)
    store = open_or_create(config, run, build_simulator(config).provenance)
    assert [p.index for p in store.missing()] == [1, 3]
    simulate_partition(str(run.path), store.partitions[1])
    assert {p: p.read_bytes() for p in sound} == sound
    assert verify(config, run).damaged == {}


def test_another_simulator_is_noticed(library: tuple[Config, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    config, run = library

    def other(config: Config) -> Any:
        simulator = build_simulator(config)

        class Other:
            provenance = simulator.provenance

            def __call__(self, theta: np.ndarray) -> np.ndarray:
                return simulator(theta) * (1 + 1e-5)

        return Other()

    monkeypatch.setattr(stage, "build_simulator", other)
    with pytest.raises(FailedPartitionsError, match=r"50 of 50 rows .* come out otherwise"):
        verify(config, run, rows=50)


def test_other_sources_are_refused(library: tuple[Config, Run]) -> None:
    config, run = library
    fixed = config.model.model_copy(update={"fixed": {"r_v": 4.0, "metallicity": 0.02}})
    with pytest.raises(InputError, match="made from another fixed"):
        verify(config.model_copy(update={"model": fixed}), run)


def test_parameters_are_the_partitions_own(library: tuple[Config, Run]) -> None:
    config, run = library
    store = open_or_create(config, run, build_simulator(config).provenance)
    one, other = (draw(config, store.partitions[i]) for i in (0, 1))
    assert (one != other).all()
    np.testing.assert_array_equal(draw(config, store.partitions[1]), other)
