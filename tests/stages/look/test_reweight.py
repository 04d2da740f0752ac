"""`hpcflow reweight`: posteriors under another prior, beside the archive."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.stages.look.export import export
from hpcflow.stages.look.reweight import reweight
from hpcflow.stages.run import Run
from hpcflow.store import reweighted as store
from hpcflow.store.reading import open_archive
from hpcflow.store.reweighted import ReweightedStore

OLD = "old: {weight: 1, parameters: {log_age: {low: 9.0}}}\n"


def asked(run: Run, prior: str) -> xr.Dataset:
    """Reweight a run, and return what was written."""
    *_, path = reweight(run, prior)
    return ReweightedStore.open(Path(path)).dataset()


def test_the_box_changes_nothing(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    ds, archive = asked(run, "box"), open_archive(run.posteriors)
    assert ds.cluster_id.values.tolist() == archive.cluster_id.values.tolist()
    there = np.isfinite(ds["mean"].values).all(axis=1)
    assert there.sum() > 10
    assert (there == np.isfinite(archive["mean"].values).all(axis=1)).all()
    np.testing.assert_allclose(ds["mean"].values[there], archive["theta"].values.mean(axis=1)[there], rtol=1e-4)
    assert (ds.effective.values[there] <= archive.effective.values[there] * 1.001).all()
    np.testing.assert_allclose(ds.log_evidence_ratio.values[there], 0, atol=1e-6)
    np.testing.assert_allclose(ds.share.values[there].sum(axis=1), 1, rtol=1e-4)


def test_weights_are_those_of_the_density(inferred: Run, copied: Callable[[Run], Run], tmp_path: Path) -> None:
    run, prior = copied(inferred), tmp_path / "steep.yaml"
    prior.write_text("all: {weight: 1, parameters: {log_mass: {slope: -1}}}\n")
    ds, archive = asked(run, str(prior)), open_archive(run.posteriors)
    mass = archive.parameter.values.tolist().index("log_mass")
    there = np.isfinite(ds["mean"].values).all(axis=1)
    checked = 0
    for k in np.flatnonzero(there):
        theta = archive["theta"].values[k, :, mass].astype(float)
        assert ds["mean"].values[k, mass] == pytest.approx(np.average(theta, weights=10.0**-theta), rel=1e-5)
        checked += 1
    assert checked > 10
    assert (ds["mean"].values - archive["mean"].values)[there, mass].mean() < 0  # fewer massive clusters than before


def test_a_narrower_prior_leaves_only_what_is_inside(
    inferred: Run, copied: Callable[[Run], Run], tmp_path: Path
) -> None:
    run, prior = copied(inferred), tmp_path / "old.yaml"
    prior.write_text(OLD)
    before = sorted(path.name for path in run.posteriors.iterdir())
    said = list(reweight(run, str(prior)))
    ds = ReweightedStore.open(Path(said[-1])).dataset()
    possible = ds.effective.values > 0
    assert 0 < possible.sum() < len(possible)
    age = ds.parameter.values.tolist().index("log_age")
    assert (ds["quantile"].values[possible, :, age] >= 9.0).all()
    assert np.isnan(ds["quantile"].values[~possible]).all()
    assert "fewer than 100 effective samples" in said[1]
    assert sorted(path.name for path in run.posteriors.iterdir()) == before


def test_blocks_and_repetition_make_no_difference(
    inferred: Run, copied: Callable[[Run], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, prior = copied(inferred), tmp_path / "old.yaml"
    prior.write_text(OLD)

    def content() -> dict[str, bytes]:
        *_, path = reweight(run, str(prior))
        return {str(p.relative_to(path)): p.read_bytes() for p in Path(path).rglob("*") if p.is_file()}

    first = content()
    assert content() == first
    whole = asked(run, str(prior)).load()
    monkeypatch.setattr(store, "PARTITION", 7)
    parts = asked(run, str(prior)).load()
    for name in ("share", "quantile", "mean", "std", "effective", "log_evidence_ratio"):
        np.testing.assert_array_equal(parts[name].values, whole[name].values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "neither ships nor is a file"),
        ("- 1\n", "prior must be|dictionary"),
        ("one: {weight: 1, parameters: {r_v: {low: 3}}}", "r_v, which is not among"),
        ("one: {weight: 0}", "weight"),
        ("one: {weight: 1, parameters: {ebv: {low: 1, high: 0.5}}}", "has no width"),
    ],
)
def test_what_is_no_prior_is_refused(inferred: Run, tmp_path: Path, text: str | None, said: str) -> None:
    prior = tmp_path / "prior.yaml"
    if text is not None:
        prior.write_text(text)
    with pytest.raises(InputError, match=said):
        list(reweight(inferred, str(prior)))
    assert not (inferred.path / "reweighted").exists()


def test_a_run_without_an_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        list(reweight(Run(tmp_path), "box"))


def test_a_wider_prior_is_refused_with_what_is_outside(
    inferred: Run, copied: Callable[[Run], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(inferred)
    plain = run.config().plain()
    plain["model"]["prior"] = {"young": {"weight": 1, "parameters": {"log_age": {"high": 8.0690}}}}
    monkeypatch.setattr(Run, "config", lambda _: stage_config(plain))
    with pytest.raises(InputError, match=r"(49|50|51)\.\d\d% of the prior box lies where"):
        list(reweight(run, "box"))
    assert not (run.path / "reweighted").exists()


def stage_config(plain: dict[str, object]) -> object:
    """Return a config of plain values."""
    from hpcflow.config.load import parse_config

    return parse_config(plain)


def test_it_is_exported_on_request(inferred: Run, copied: Callable[[Run], Run], tmp_path: Path) -> None:
    run, prior = copied(inferred), tmp_path / "steep.yaml"
    prior.write_text("all: {weight: 1, parameters: {log_mass: {slope: -1}}}\n")
    with pytest.raises(InputError, match="is not reweighted under steep; run `hpcflow reweight`"):
        export(run, "csv", prior="steep")
    ds = asked(run, str(prior))
    table = Table.read(export(run, "csv", prior="steep"))
    np.testing.assert_allclose(table["log_mass_mean"], ds["mean"].values[:, 1], rtol=1e-6)
    np.testing.assert_allclose(table["log_mass_q50"], ds["quantile"].values[:, 1, 1], rtol=1e-6)
    assert "log_mass_map" not in table.colnames
    assert "F555W_flux" in table.colnames
    plain = Table.read(export(run, "csv"))
    assert (plain["log_mass_mean"] > table["log_mass_mean"]).mean() > 0.9
