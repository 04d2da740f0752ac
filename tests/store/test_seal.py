"""The seal of a store: metadata that were changed are noticed, also where no checksum of rows can."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition
from hpcflow.model.prior import Parameter
from hpcflow.store.damage import DamagedError
from hpcflow.store.seal import is_intact, seal_of
from hpcflow.store.simulations import SimulationStore

PARAMETERS = (Parameter("log_age", 6, 10, "dex(yr)"), Parameter("ebv", 0, 1.5, "mag"))
SOURCE = {"simulator": "ssp"}


def create(path: Path, seed: int = 1) -> SimulationStore:
    size = {"n": 30, "partition": 10}
    return SimulationStore.create(path, parameters=PARAMETERS, bands=["U", "V"], seed=seed, source=SOURCE, **size)


@pytest.fixture
def store(tmp_path: Path) -> SimulationStore:
    made = create(tmp_path / "a.zarr")
    for p in made.partitions:
        made.write(p, np.full((len(p), 2), p.index), np.ones((len(p), 2)))
    return made


def change(path: Path, *keys: str, to: Any) -> None:
    """Change an entry of a JSON file."""
    values = inner = json.loads(path.read_text())
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    path.write_text(json.dumps(values))


COPY = ("consolidated_metadata", "metadata", "theta", "attributes", "units")
CHANGES: dict[str, Callable[[Path], object]] = {
    "a bound of the prior": lambda path: change(path / "zarr.json", "attributes", "prior", "ebv", to=[0, 3, "linear"]),
    "the seed": lambda path: change(path / "zarr.json", "attributes", "seed", to=2),
    "the rows": lambda path: change(path / "zarr.json", "attributes", "rows", to=20),
    "the size of partitions": lambda path: change(path / "zarr.json", "attributes", "partition_size", to=30),
    "the seal": lambda path: change(path / "zarr.json", "attributes", "seal", to="0"),
    "a unit": lambda path: change(path / "theta" / "zarr.json", "attributes", "units", to="yr"),
    "a unit in the copy for readers": lambda path: change(path / "zarr.json", *COPY, to="yr"),
    "no copy for readers": lambda path: change(path / "zarr.json", "consolidated_metadata", to=None),
    "a fill value": lambda path: change(path / "flux" / "zarr.json", "fill_value", to=1.0),
    "an array less": lambda path: shutil.rmtree(path / "reason"),
    "an array more": lambda path: shutil.copytree(path / "flux", path / "flux2"),
    "no names": lambda path: (path / "parameter" / "c" / "0").unlink(),
    "other names": lambda path: shutil.copy(path / "band" / "c" / "0", path / "parameter" / "c" / "0"),
}


@pytest.mark.parametrize("spoil", CHANGES.values(), ids=CHANGES.keys())
def test_what_was_changed_is_not_opened(store: SimulationStore, spoil: Callable[[Path], object]) -> None:
    spoil(store.path)
    with pytest.raises(InputError, match=r"a.zarr: its metadata.*(restore|remove it to make it again)"):
        SimulationStore.open(store.path)


def test_without_the_seal_the_rows_are_no_longer_those_of_an_earlier_version(store: SimulationStore) -> None:
    values = json.loads((store.path / "zarr.json").read_text())
    del values["attributes"]["seal"]
    (store.path / "zarr.json").write_text(json.dumps(values))
    with pytest.raises(DamagedError, match="partition 1 is damaged"):
        SimulationStore.open(store.path).read(Partition(1, 10, 20))


def test_what_is_written_later_and_the_commit_do_not_matter(store: SimulationStore) -> None:
    assert is_intact(store.path)
    store.forget(store.partitions[0])
    change(store.path / "zarr.json", "attributes", "git", to="another")
    assert is_intact(store.path)
    assert SimulationStore.open(store.path).missing() == store.partitions[:1]


def test_the_same_store_has_the_same_seal(store: SimulationStore, tmp_path: Path) -> None:
    assert seal_of(create(tmp_path / "b.zarr").path) == seal_of(store.path)
    assert seal_of(create(tmp_path / "c.zarr", seed=2).path) != seal_of(store.path)
