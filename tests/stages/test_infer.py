"""What inference does of its own accord where the likelihood can be written down, and where it cannot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import Partition
from hpcflow.catalogues.galaxies import normalise_galaxy
from hpcflow.catalogues.plain import strings
from hpcflow.compute.where import InProcess
from hpcflow.config.load import Config, load_config, with_values
from hpcflow.stages import infer, new_archive, simulate
from hpcflow.stages.build import build_survey_simulator
from hpcflow.stages.input import read_catalogues
from hpcflow.stages.look.folder import RunFolder
from hpcflow.stages.look.headline import headline
from hpcflow.stages.look.status import status
from hpcflow.stages.mock import make_mock
from hpcflow.stages.run import Run
from hpcflow.stages.train import train_flow
from hpcflow.store.flags import Flag, Reason

WEIGHTED = ("log_weight", "log_evidence", "efficiency", "quantile_flow", "mean_flow", "mode_log_p", "refined")


def test_where_the_likelihood_is_tractable_samples_have_weights(inferred: Run) -> None:
    ds = xr.open_zarr(inferred.posteriors).load()
    assert set(WEIGHTED) <= set(ds.data_vars)
    assert ds.attrs["polish"] == "exact"
    assert not ds.attrs["log_weight"].startswith("none")
    have = np.isfinite(ds["map"].values).all(axis=1)
    assert have.any()
    assert ((ds["efficiency"].values[have] >= 0) & (ds["efficiency"].values[have] <= 1)).all()
    np.testing.assert_array_equal(np.isnan(ds["mode_log_p"].values), np.isnan(ds["mode_share"].values))
    assert np.isfinite(ds["mode_log_p"].values[have, 0]).any()


def test_errors_without_a_range_have_no_density_so_no_weights_are_invented(
    tmp_path: Path, tiny: Callable[..., Path]
) -> None:
    path = tiny(observe={"noise": "lognormal", "relative_error": [0.1, 0.1], "missing": 0.1})
    sets = [f"infer.catalogues=[{tmp_path / 'mock.fits'}]"]
    config, run = load_config(path, sets), Run(tmp_path / "run")
    make_mock(build_survey_simulator(config), config.model.bands, 20, 2, tmp_path)
    simulate.simulate(config, run, InProcess())
    train_flow(config, run, 1)
    with pytest.raises(InputError, match=r"infer\.polish: exact.*auto, flow or none"):
        infer.infer(load_config(path, [*sets, "infer.polish=exact"]), run, InProcess())
    assert not run.posteriors.exists()
    infer.infer(config, run, InProcess())
    with xr.open_zarr(run.posteriors) as ds:
        assert not set(WEIGHTED) & set(ds.data_vars)
        assert ds.attrs["log_weight"].startswith("none: ")
        assert "no width" in ds.attrs["log_weight"]
        assert ds.attrs["polish"] == "none"
        assert np.isfinite(ds["map"].values).any()


@pytest.mark.parametrize("key", ["refine=true", "polish=exact"])
def test_what_needs_the_exact_density_is_refused_without_weights(tiny: Callable[..., Path], key: str) -> None:
    with pytest.raises(InputError, match="needs weights: true"):
        load_config(tiny(), [f"infer.{key}", "infer.weights=false"])


class Shared:
    """A trained run's flow and a mock of which two catalogues are made: some galaxies in each."""

    def __init__(self, inferred: Run, folder: Path) -> None:
        self.folder, self.flow = folder, inferred.path
        self.config = inferred.path.parent / "tiny.yaml"
        table = Table.read(inferred.path.parent / "mock.fits")
        names = np.unique(table["PHANGS_GALAXY"])
        first = np.isin(table["PHANGS_GALAXY"], names[::2])
        self.paths = [folder / "a.fits", folder / "b.fits"]
        for path, rows in zip(self.paths, (first, ~first), strict=True):
            table[rows].write(path)

    def load(self, *paths: Path) -> Config:
        named = ", ".join(map(str, paths))
        return load_config(self.config, [f"infer.catalogues=[{named}]", f"infer.flow={self.flow}"])

    def infer(self, name: str, *paths: Path, **options: Any) -> Run:
        run = Run(self.folder / name)
        infer.infer(self.load(*paths), run, InProcess(), **options)
        return run


@pytest.fixture
def shared(inferred: Run, tmp_path: Path) -> Shared:
    return Shared(inferred, tmp_path)


@pytest.fixture(scope="module")
def whole(inferred: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Give a run whose archive is of both catalogues; tests must not change it."""
    shared = Shared(inferred, tmp_path_factory.mktemp("whole"))
    return shared.infer("whole", *shared.paths)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Give the clusters that were computed, as they are."""
    seen: list[tuple[str, str]] = []
    once = infer.Inference.infer

    def counted(self: Any, rows: Any) -> Any:
        seen.extend(zip(rows["galaxy"].tolist(), rows["cluster_id"].tolist(), strict=True))
        return once(self, rows)

    monkeypatch.setattr(infer.Inference, "infer", counted)
    return seen


def assert_same_archive(one: Run, two: Run) -> None:
    a, b = (xr.open_zarr(run.posteriors, chunks=None, decode_cf=False).load() for run in (one, two))
    assert a.sizes == b.sizes
    for name in a.variables:
        np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=str(name))
    assert a.attrs["catalogue_sha256"] == b.attrs["catalogue_sha256"]


def test_clusters_that_are_added_make_the_archive_of_all_and_no_other_is_touched(
    shared: Shared, whole: Run, computed: list[tuple[str, str]]
) -> None:
    grown = shared.infer("grown", shared.paths[0])
    computed.clear()
    shared.infer("grown", shared.paths[1], append=True)
    assert len(computed) == len(Table.read(shared.paths[1]))
    assert not {galaxy for galaxy, _ in computed} & set(grown_galaxies(shared.paths[0]))
    assert_same_archive(grown, whole)
    assert not grown.before.exists()
    assert grown.config().infer.catalogues == list(map(str, shared.paths))
    computed.clear()
    shared.infer("grown", shared.paths[1], append=True)  # again: there is nothing to do
    assert not computed


def grown_galaxies(path: Path) -> list[str]:
    return [normalise_galaxy(name) for name in np.unique(strings(Table.read(path)["PHANGS_GALAXY"])).tolist()]


def test_an_interrupted_addition_is_resumed(
    shared: Shared, whole: Run, computed: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = shared.infer("grown", shared.paths[0])
    once = infer.infer_partition

    def killed(run: str, partition: Partition) -> None:
        if partition.index == 1:
            raise KeyboardInterrupt
        once(run, partition)

    with monkeypatch.context() as patch:
        patch.setattr(infer, "infer_partition", killed)
        with pytest.raises(KeyboardInterrupt):
            shared.infer("grown", shared.paths[1], append=True)
    assert grown.before.exists()
    computed.clear()
    shared.infer("grown", shared.paths[1], append=True)
    assert not {galaxy for galaxy, _ in computed} & set(grown_galaxies(shared.paths[0]))
    assert_same_archive(grown, whole)
    assert not grown.before.exists()


def test_a_cluster_that_has_changed_is_computed_again(shared: Shared, computed: list[tuple[str, str]]) -> None:
    grown = shared.infer("grown", shared.paths[0])
    table = Table.read(shared.paths[0])
    table["PHANGS_F275W_mJy"][3] *= 1.5
    table.write(shared.paths[0], overwrite=True)
    computed.clear()
    shared.infer("grown", shared.paths[1], append=True)
    assert len(computed) == len(Table.read(shared.paths[1])) + 1
    assert_same_archive(grown, shared.infer("whole", *shared.paths))


def test_another_flow_adds_nothing(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    grown = shared.infer("grown", shared.paths[0])
    monkeypatch.setattr(new_archive, "digest_file", lambda path: "another")
    with pytest.raises(InputError, match="flow_sha256"):
        shared.infer("grown", shared.paths[1], append=True)
    assert grown.posteriors.exists()
    assert not grown.before.exists()
    assert grown.config().infer.catalogues == [str(shared.paths[0])]


def test_one_galaxy_is_done_alone_and_the_rest_afterwards(
    shared: Shared, whole: Run, computed: list[tuple[str, str]]
) -> None:
    some = grown_galaxies(shared.paths[1])[0]
    computed.clear()
    run = shared.infer("one", *shared.paths, galaxy=some.lower())
    archive = infer.PosteriorArchive.open(run.posteriors)
    galaxies = archive.read("galaxy")
    assert {g for g, _ in computed} >= {some}
    assert len(computed) < len(galaxies)
    done = {p.index for p in archive.partitions} - {p.index for p in archive.missing()}
    assert done == {p.index for p in archive.partitions if (galaxies[p.start : p.stop] == some).any()}
    shared.infer("one", *shared.paths)
    assert_same_archive(run, whole)
    computed.clear()
    shared.infer("one", *shared.paths, galaxy=some)  # again, and nothing changes
    assert some in {g for g, _ in computed}
    assert_same_archive(run, whole)
    with pytest.raises(InputError, match=f"no cluster of M31; use --galaxy with one of {min(galaxies)}"):
        shared.infer("one", *shared.paths, galaxy="M31")


def test_galaxies_are_together_in_the_order_they_come(shared: Shared) -> None:
    catalogue = read_catalogues(shared.load(shared.paths[1], shared.paths[0]))
    _, first = np.unique(catalogue.galaxy, return_index=True)
    assert np.count_nonzero(catalogue.galaxy[1:] != catalogue.galaxy[:-1]) == len(first) - 1
    assert catalogue.galaxy[0] in grown_galaxies(shared.paths[1])


def test_clusters_without_a_distance_wait_until_one_is_given(shared: Shared, computed: list[tuple[str, str]]) -> None:
    table = Table.read(shared.paths[0])
    galaxies = np.unique(strings(table["PHANGS_GALAXY"])).tolist()
    table["PHANGS_GALAXY"] = np.where(strings(table["PHANGS_GALAXY"]) == galaxies[0], "m51", table["PHANGS_GALAXY"])
    table.write(shared.paths[0], overwrite=True)
    run = shared.infer("run", shared.paths[0])
    ds = xr.open_zarr(run.posteriors).load()
    waits = ds["galaxy"].values == "M51"
    assert waits.any() and not waits.all()
    assert (ds["flag"].values[waits] & Flag.NOT_GIVEN).all()
    assert not (ds["flag"].values[~waits] & Flag.NOT_GIVEN).any()
    np.testing.assert_array_equal(np.isnan(ds["map"].values).all(axis=1), waits)
    (stage,) = [one for one in status(run) if one.stage == "infer"]
    assert (stage.waiting, stage.finished) == (waits.sum(), True)
    lines = {line.name: line.value for line in headline(RunFolder(run.path, {}, {}), ds)}
    assert lines["waiting for a distance"] == str(waits.sum())

    computed.clear()
    given = with_values(shared.load(), {"infer.distance_mpc": {"M51": 8.6}})
    infer.infer(given, run, InProcess(), append=True)
    assert len(computed) == waits.sum()
    after = xr.open_zarr(run.posteriors).load()
    assert np.isfinite(after["map"].values).all()
    assert (after["distance"].values[waits] == 8.6).all()
    np.testing.assert_array_equal(after["theta"].values[~waits], ds["theta"].values[~waits])


def test_a_plain_table_of_four_bands_needs_nothing_else(shared: Shared, caplog: pytest.LogCaptureFixture) -> None:
    n, path = 5, shared.folder / "four.csv"
    table = Table({"galaxy": ["NGC1566"] * n, "id": np.arange(n)})
    for name in ("F275W", "F336W", "F555W", "F814W"):
        table[name], table[f"{name}_err"] = np.full(n, 1.5e-3), np.full(n, 1e-4)
    table.write(path)
    with caplog.at_level("INFO", logger="hpcflow"):
        ds = xr.open_zarr(shared.infer("four", path).posteriors).load()
    assert np.isfinite(ds["map"].values).all()
    assert ds["observed"].sum("band").values.tolist() == [4] * n
    assert set(ds["reason"].sel(band="F438W").values.tolist()) == {Reason.NO_BAND}
    assert not (ds["flag"].values & (Flag.TOO_FEW_BANDS | Flag.BANDS_OUTSIDE_TRAINING)).any()
    assert "four.csv lacks F438W: it is masked for all its clusters" in caplog.text


def test_where_no_cluster_has_a_distance_nothing_is_written(shared: Shared) -> None:
    table = Table.read(shared.paths[0])
    table["PHANGS_GALAXY"] = "m51"
    table["ID_PHANGS_CLUSTER"] = np.arange(len(table))
    table.write(shared.paths[0], overwrite=True)
    with pytest.raises(InputError, match="the distance of M51 is unknown"):
        shared.infer("none", shared.paths[0])
    assert not (shared.folder / "none").exists()


def test_a_flow_of_another_model_is_not_a_reason_to_change_the_model(shared: Shared) -> None:
    config = with_values(shared.load(shared.paths[0]), {"observe.missing": 0.2})
    with pytest.raises(InputError, match=r"take model and observe from the config of that run .*bands.* are masked"):
        infer.infer(config, Run(shared.folder / "other"), InProcess())
