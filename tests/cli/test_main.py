"""The command line as a user meets it: every command, wrong input, restarts, and the same bytes every time."""

import errno
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table
from numpy.typing import NDArray

from hpcflow import __version__
from hpcflow.cli.main import main
from hpcflow.store.flags import Flag

STORES = ("simulations.zarr", "posteriors.zarr", "report/validation.zarr")


@dataclass(frozen=True)
class Said:
    stdout: str
    stderr: str


def hpcflow(*arguments: object, code: int = 0) -> Said:
    """Run a command in this process, as the console script does."""
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["hpcflow", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = argv
    assert (ended.value.code or 0) == code, err.getvalue()
    return Said(out.getvalue(), err.getvalue())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(one: Path, other: Path) -> None:
    """Stores are the same if every file is."""
    a, b = files(one), files(other)
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == []


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, write_config: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    path = write_config(folder)
    hpcflow("mock", path, "--out", folder / "mock")
    return path


@pytest.fixture(scope="module")
def catalogue(config: Path) -> str:
    return f"infer.catalogues=[{config.parent / 'mock' / 'mock.fits'}]"


@pytest.fixture(scope="module")
def run(config: Path, catalogue: str) -> Path:
    """A run of all stages on one worker."""
    folder = config.parent / "one"
    done = hpcflow("run", config, "--run", folder, "--set", catalogue, "--workers", 1)
    assert done.stdout.strip() == str(folder / "report" / "index.html")
    return folder


@pytest.fixture(scope="module")
def again(config: Path, catalogue: str) -> Path:
    """The same run, stage by stage, on four workers."""
    folder = config.parent / "four"
    for stage in ("simulate", "train", "infer", "validate"):
        # As many threads in training as before: how sums round depends on it.
        workers = 1 if stage == "train" else 4
        hpcflow(stage, config, "--run", folder, "--set", catalogue, "--workers", workers)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("store", [*STORES, "flow/weights.safetensors"])
def test_one_and_four_workers_write_the_same_bytes(run: Path, again: Path, store: str) -> None:
    if store.startswith("flow"):
        assert (run / store).read_bytes() == (again / store).read_bytes()
    else:
        same(run / store, again / store)


def test_a_run_has_what_was_promised(run: Path) -> None:
    for name in ("run.yaml", "simulations.zarr", "flow", "posteriors.zarr", "report/index.html", "logs"):
        assert (run / name).exists(), name


def test_the_archive_opens_with_xarray_alone(run: Path) -> None:
    ds = xr.open_zarr(run / "posteriors.zarr")
    assert dict(ds.sizes) | {"cluster": 50, "sample": 50, "parameter": 3, "band": 5, "mode": 3, "quantile": 3} == dict(
        ds.sizes
    )
    theta = ds["theta"].values
    have = np.isfinite(theta).all(axis=(1, 2))
    assert have.any()
    for i, (low, high) in enumerate([(6.0, 10.1383), (2.0, 8.0), (0.0, 1.5)]):
        assert theta[have][..., i].min() >= low - 1e-9
        assert theta[have][..., i].max() <= high + 1e-9
    assert all("long_name" in ds[name].attrs for name in ds.data_vars)
    no_posterior = (ds["flag"].values & (8 | 128)) > 0
    assert (no_posterior == ~have).all()


@pytest.mark.slow
def test_what_is_done_is_not_done_again(config: Path, catalogue: str, run: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*") if p.is_file() and "report" not in p.parts}
    done = hpcflow("run", config, "--run", run, "--set", catalogue)
    after = {p: p.stat().st_mtime_ns for p in before}
    changed = {p.name for p in before if before[p] != after[p]} - {"run.yaml"}
    assert all(name.endswith(".log") for name in changed), changed
    assert "done already" in done.stderr


@pytest.mark.parametrize(("store", "stage"), [(STORES[0], "simulate"), (STORES[1], "infer"), (STORES[2], "validate")])
def test_a_lost_partition_is_made_again(
    config: Path, catalogue: str, run: Path, tmp_path: Path, store: str, stage: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (broken / store / "status" / "c" / "1").unlink()
    for array in ("theta", "flux") if stage == "simulate" else ("theta", "map") if stage == "infer" else ("rank",):
        for shard in (broken / store / array / "c" / "1").rglob("*"):
            if shard.is_file():
                shard.write_bytes(b"torn")
    status = hpcflow("status", broken).stdout
    assert f"next: hpcflow {stage}" in status
    hpcflow(stage, config, "--run", broken, "--set", catalogue, "--workers", 1)
    same(run / store, broken / store)


def test_verify_says_what_is_read_and_what_is_damaged(run: Path, tmp_path: Path) -> None:
    sound = hpcflow("verify", run).stderr
    assert sound.count("partitions read, 0 damaged") == 3 and "flow: read, not damaged" in sound
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    torn = broken / "posteriors.zarr" / "theta" / "c" / "1" / "0" / "0"
    torn.write_bytes(torn.read_bytes()[:-9])
    assert f"run `hpcflow infer CONFIG --run {broken}`" in hpcflow("verify", broken, code=1).stderr
    assert "next: hpcflow infer" in hpcflow("status", broken).stdout
    assert "not a run folder" in hpcflow("verify", tmp_path / "none", code=2).stderr


def test_status_of_a_finished_run(run: Path) -> None:
    assert "everything is done" in hpcflow("status", run).stdout


def test_another_config_is_refused_with_the_difference(config: Path, catalogue: str, run: Path) -> None:
    before = (run / "run.yaml").read_bytes()
    done = hpcflow("simulate", config, "--run", run, "--set", catalogue, "--set", "simulate.seed=9", code=2)
    assert "simulate.seed: 3 -> 9" in done.stderr
    assert (run / "run.yaml").read_bytes() == before


def test_another_catalogue_is_refused(config: Path, run: Path, tmp_path: Path) -> None:
    hpcflow("mock", config, "--out", tmp_path / "other", "--set", "mock.seed=7")
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    # The same path with other contents: the config cannot tell, the archive can.
    original = config.parent / "mock" / "mock.fits"
    kept = original.read_bytes()
    try:
        shutil.copy(tmp_path / "other" / "mock.fits", original)
        done = hpcflow("infer", config, "--run", copy, "--set", f"infer.catalogues=[{original}]", code=2)
    finally:
        original.write_bytes(kept)
    assert "catalogue_sha256" in done.stderr


@pytest.mark.parametrize("ending", ["fits", "csv", "ecsv", "parquet"])
def test_export_has_one_row_per_cluster(run: Path, ending: str) -> None:
    path = Path(hpcflow("export", run, "--to", ending).stdout.strip())
    formats = {"csv": "ascii.csv", "ecsv": "ascii.ecsv"}
    table = Table.read(path, format=formats.get(ending, ending))
    ds = xr.open_zarr(run / "posteriors.zarr")
    assert len(table) == ds.sizes["cluster"]
    got = np.ma.filled(np.ma.asarray(table["log_age_map"], dtype=float), np.nan)
    np.testing.assert_allclose(got, ds["map"].values[:, 0], rtol=1e-6)
    if ending in ("fits", "ecsv"):
        assert str(table["F555W_flux"].unit) == "mJy"


def test_export_to_an_unknown_format(run: Path) -> None:
    assert ".parquet" in hpcflow("export", run, "--to", "xls", code=2).stderr


def test_flux_scales_with_mass_and_distance(config: Path, tmp_path: Path) -> None:
    rows = Table(
        {
            "log_age": [6.5, 8.0, 99.0],
            "ebv": [0.1, 0.5, 0.1],
            "log_mass": [0.0, 4.0, 4.0],
            "distance": [1e-5, 1e-3, 1.0],
        }
    )
    rows.write(tmp_path / "in.csv")
    done = hpcflow("flux", config, tmp_path / "in.csv", "--out", tmp_path / "out.ecsv")
    assert "1 rows could not be simulated" in done.stderr
    bare = rows["log_age", "ebv"]
    bare.write(tmp_path / "bare.csv")
    hpcflow("flux", config, tmp_path / "bare.csv", "--out", tmp_path / "bare.ecsv")
    scaled, unit = (Table.read(tmp_path / name)["flux_F555W"] for name in ("out.ecsv", "bare.ecsv"))
    np.testing.assert_allclose(scaled[:2] / unit[:2], [1.0, 1.0], rtol=1e-12)
    assert np.isnan(unit[2])


def test_init_copies_a_config_once(tmp_path: Path) -> None:
    assert Path(hpcflow("init", "demo", tmp_path).stdout.strip()) == tmp_path / "demo.yaml"
    assert "exists already" in hpcflow("init", "demo", tmp_path, code=2).stderr
    assert "walter2026" in hpcflow("init", "nonsense", tmp_path, code=2).stderr


def test_a_flow_serves_another_run(config: Path, catalogue: str, run: Path, tmp_path: Path) -> None:
    other = ("--run", tmp_path / "other", "--set", catalogue, "--set", f"infer.flow={run}", "--workers", 1)
    said = hpcflow("infer", config, *other, "--set", "model.fixed.r_v=4", code=2).stderr
    assert "model.fixed.r_v: 3.1 -> 4.0" in said
    assert not (tmp_path / "other").exists()
    hpcflow("infer", config, *other)
    same(run / "posteriors.zarr", tmp_path / "other" / "posteriors.zarr")


def refused(config: Path, tmp_path: Path, *sets: str) -> str:
    """Run everything with wrong input; it must end in one sentence, exit code 2 and nothing written."""
    folder = tmp_path / "refused"
    options = [part for one in sets for part in ("--set", one)]
    done = hpcflow("run", config, "--run", folder, *options, code=2)
    assert not folder.exists()
    assert done.stderr.startswith("hpcflow: ")
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


def table(rows: NDArray[np.float64] | float = 1e-4, errors: float = 1e-5, bands: int = 5) -> Table:
    names = ["F275W", "F336W", "F438W", "F555W", "F814W"][:bands]
    flux = np.broadcast_to(np.asarray(rows, dtype=float), (4,))
    columns = {name: (flux, np.full(4, errors)) for name in names}
    made = Table({"galaxy": ["NGC1566"] * 4, "cluster_id": ["1", "2", "3", "4"]})
    for name, (value, error) in columns.items():
        made[f"{name}_flux"], made[f"{name}_err"] = value, error
    return made


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (table(bands=1), ["F275W", "wrong.csv"]),
        (table(np.nan), ["two usable", "wrong.csv"]),
        (table(errors=-1.0), ["two usable"]),
        (table(1.0, 0.1), ["infer.check_units", "mJy"]),
    ],
    ids=["missing band", "all NaN", "bad errors", "wrong units"],
)
def test_wrong_catalogues(config: Path, tmp_path: Path, made: Table, says: list[str]) -> None:
    made.write(tmp_path / "wrong.csv")
    said = refused(config, tmp_path, f"infer.catalogues=[{tmp_path / 'wrong.csv'}]")
    for part in says:
        assert part in said


def test_wrong_keys_and_paths(config: Path, catalogue: str, tmp_path: Path) -> None:
    assert "known here" in refused(config, tmp_path, "train.lerning_rate=1")
    assert "no catalogue" in refused(config, tmp_path)
    assert "none.fits" in refused(config, tmp_path, "infer.catalogues=[none.fits]")
    assert "none.npz" in refused(config, tmp_path, catalogue, "model.ssp=none.npz")
    assert "none.txt is neither a file nor shipped" in refused(
        config, tmp_path, catalogue, "model.bands.F275W=none.txt"
    )


def test_the_exit_code_leaves_the_process(config: Path) -> None:
    command = [sys.executable, "-m", "hpcflow", "simulate", str(config), "--set", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("hpcflow: --set nonsense")


def test_the_namesake_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpcflow.cli.main.distribution", lambda name: name)
    assert "virtual environment of its own" in hpcflow("init", code=2).stderr


def test_help_groups_the_commands_for_a_reader() -> None:
    said = hpcflow("-h").stdout
    assert said == hpcflow("--help").stdout
    order = ["init", "run", "simulate", "Looking at a run", "status", "verify", "Catalogues", "mock", "SLURM", "cancel"]
    places = [re.search(rf"│ {word} |─ {word}", said) for word in order]
    starts = [place.start() for place in places if place]
    assert len(starts) == len(order) and starts == sorted(starts)
    assert "Train the flow" in hpcflow("train", "-h").stdout


def test_version() -> None:
    assert hpcflow("--version").stdout.strip() == __version__


def test_places_that_cannot_be_written(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "check the path" in hpcflow("mock", config, "--out", tmp_path / "file" / "mock", code=2).stderr
    assert "check the path" in hpcflow("simulate", config, "--run", tmp_path / "file" / "run", code=2).stderr


def test_a_full_disk_is_no_bug_but_a_time_out_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(error: OSError) -> None:
        raise error

    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("hpcflow.stages.init.shipped_configs", lambda: fail(full))
    assert "No space left on device: make room" in hpcflow("init", "demo", tmp_path, code=2).stderr
    monkeypatch.setattr("hpcflow.stages.init.shipped_configs", lambda: fail(TimeoutError("scheduler")))
    assert "please report it" in hpcflow("init", "demo", tmp_path, code=3).stderr


def test_a_bug_is_called_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hpcflow.stages.init.shipped_configs", lambda: 1 / 0)
    assert "please report it" in hpcflow("init", "demo", tmp_path, code=3).stderr


def test_a_search_shows_the_best_and_what_to_do_next(config: Path, catalogue: str, run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("flow", "posteriors.zarr", "report"))
    # As after `hpcflow simulate` alone.
    text = (copy / "run.yaml").read_text()
    (copy / "run.yaml").write_text(text[: text.index("frozen:")] + "frozen: [name, model, simulate]\n")
    options = ("--run", copy, "--set", catalogue, "--set", "search.steps=10", "--workers", 1)
    space = "search.space={train.warmup: {low: 0, high: 9}}"
    said = hpcflow("search", config, *options, "--set", space, "--trials", 2).stdout
    assert "train.warmup" in said
    best = copy / "search" / "best.yaml"
    assert said.strip().endswith(f"next: hpcflow train {best} --run {copy}")
    assert not (copy / "flow").exists()
    hpcflow("train", best, "--run", copy, "--workers", 1)
    assert (copy / "flow").exists()
    assert (
        "known here"
        in hpcflow("search", config, "--trials", 2, "--set", "search.space={x: {low: 0, high: 1}}", code=2).stderr
    )


def test_stages_out_of_order(config: Path, tmp_path: Path) -> None:
    assert "run the stage that writes it first" in hpcflow("train", config, "--run", tmp_path / "x", code=2).stderr
    said = hpcflow("search", config, "--run", tmp_path / "x", "--trials", 1, code=2).stderr
    assert "run `hpcflow simulate` first" in said
    flow = ("--set", "infer.posterior=flow")
    assert "hpcflow train" in hpcflow("infer", config, "--run", tmp_path / "x", *flow, code=2).stderr
    assert "no run.yaml" in hpcflow("status", tmp_path / "x", code=2).stderr
    assert not (tmp_path / "x").exists()


def test_bad_rows_stop_no_others(config: Path, catalogue: str, run: Path, tmp_path: Path) -> None:
    """A catalogue of one good cluster among rows that are not usable gives that cluster the same posterior."""
    flux = np.array([1e-4, np.nan, -1e-4, 1e-4])
    made = table(flux)
    made["F275W_err"][3] = np.inf
    made.write(tmp_path / "mixed.csv")
    table(1e-4)[:1].write(tmp_path / "alone.csv")
    archives = []
    for name in ("mixed", "alone"):
        copy = tmp_path / name
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("posteriors.zarr", "report"))
        text = (copy / "run.yaml").read_text().replace("- infer\n", "")
        (copy / "run.yaml").write_text(text)
        hpcflow("infer", config, tmp_path / f"{name}.csv", "--run", copy, "--workers", 1)
        archives.append(xr.open_zarr(copy / "posteriors.zarr").load())
    mixed, alone = archives
    for name in ("theta", "log_q", "mode", "map", "quantile", "predictive_rank", "chi2_map"):
        np.testing.assert_array_equal(mixed[name].values[0], alone[name].values[0], err_msg=name)
    assert mixed["flag"].values[1] & 8
    assert mixed["flag"].values[2] & Flag.UPPER_LIMIT
    assert mixed["flag"].values[2] & Flag.FLUX_OUTSIDE_TRAINING
    assert mixed["flag"].values[3] & 4
    assert np.isfinite(mixed["theta"].values[2:]).all()
    assert np.isnan(mixed["theta"].values[1]).all()


def test_a_calibration_that_is_not_good_enough_ends_with_1_after_the_page(
    config: Path, catalogue: str, run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    page = folder / "report" / "index.html"
    page.unlink()
    options = ("--run", folder, "--set", catalogue, "--set", "validate.require={gap: 0.001}")
    done = hpcflow("run", config, *options, code=1)
    assert done.stdout.strip() == str(page) and "FAILED" in page.read_text()
    assert "more than validate.require.gap = 0.001 allows" in done.stderr.splitlines()[-1]
    assert "validate.require.gap" in hpcflow("validate", config, *options, code=1).stderr
    ds = xr.open_zarr(folder / "posteriors.zarr")
    one = int(np.flatnonzero(np.isfinite(ds["entropy"].values))[0])
    shown = hpcflow("show", folder, ds["cluster_id"].values[one], "--galaxy", ds["galaxy"].values[one])
    assert Path(shown.stdout.strip()).is_file()
