"""`hpcflow samples`: what inference drew, and the archive keeps a part of, comes again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.compute.where import InProcess
from hpcflow.config.load import load_config
from hpcflow.flow import checkpoint
from hpcflow.stages.infer import infer
from hpcflow.stages.look.samples import samples, write_samples
from hpcflow.stages.run import Run
from hpcflow.store.archive import PosteriorArchive


def test_samples_are_reproduced_bit_for_bit(inferred: Run) -> None:
    archive = PosteriorArchive.open(inferred.posteriors)
    ds = archive.dataset()
    for row in (0, 17, 30):
        again = samples(inferred.path, str(ds.cluster_id.values[row]), str(ds.galaxy.values[row]))
        assert len(again) == 200
        theta = np.stack([again[name] for name in ds["parameter"].values.tolist()], axis=1, dtype=np.float64)
        kept = {"theta_flow": theta[None, :50], **{name: again[name][None, :50] for name in ("log_q", "log_weight")}}
        partition = archive.partitions[row // 16]
        for name, packed in archive.packed(kept).items():
            np.testing.assert_array_equal(packed[0], archive.read(name, partition)[row % 16], err_msg=name)
        np.testing.assert_allclose(theta.mean(axis=0), ds["mean_flow"].values[row], rtol=1e-6)
        np.testing.assert_allclose(-again["log_q"].mean(), ds["entropy_flow"].values[row], rtol=1e-5)


def test_they_are_written_with_units(inferred: Run, tmp_path: Path) -> None:
    ds = PosteriorArchive.open(inferred.posteriors).dataset()
    cluster, galaxy = str(ds.cluster_id.values[0]), str(ds.galaxy.values[0])
    for path in (None, tmp_path / "one.ecsv"):
        written = Table.read(write_samples(inferred.path, cluster, galaxy, path))
        assert written.colnames == ["log_age", "log_mass", "ebv", "log_q", "log_weight"]
        assert str(written["ebv"].unit) == "mag"
        assert len(written) == 200


def test_what_cannot_be_drawn_is_said(inferred: Run) -> None:
    ds = PosteriorArchive.open(inferred.posteriors).dataset()
    with pytest.raises(InputError, match="has no cluster nothing"):
        samples(inferred.path, "nothing")
    ids = ds.cluster_id.values.tolist()
    twice = next(i for i in ids if ids.count(i) > 1)
    with pytest.raises(InputError, match=r"a cluster .* in each of .*; choose one with --galaxy"):
        samples(inferred.path, twice)
    with pytest.raises(InputError, match="of NGC0001"):
        samples(inferred.path, twice, "NGC 1")


def test_another_flow_is_refused(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    weights = run.flow / checkpoint.WEIGHTS
    weights.write_bytes(weights.read_bytes() + b" ")
    cluster = PosteriorArchive.open(run.posteriors).dataset().cluster_id.values[0]
    with pytest.raises(InputError, match="made from another flow_sha256"):
        samples(run.path, str(cluster))


def test_a_cluster_that_is_not_inferred_yet_has_none(inferred: Run, copied: Callable[[Run], Run]) -> None:
    run = copied(inferred)
    archive = PosteriorArchive.open(run.posteriors)
    archive.forget(archive.partitions[0])
    ds = archive.dataset()
    with pytest.raises(InputError, match="has no posterior yet; run `hpcflow infer` again"):
        samples(run.path, str(ds.cluster_id.values[0]), str(ds.galaxy.values[0]))


def test_samples_over_distances_are_reproduced_too(inferred: Run, tmp_path: Path) -> None:
    sets = [f"infer.flow={inferred.path}", f"infer.catalogues=[{inferred.path.parent / 'mock.fits'}]"]
    config = load_config(inferred.path.parent / "tiny.yaml", [*sets, "infer.marginalise_distance=true"])
    run = Run(tmp_path / "run")
    infer(config, run, InProcess())
    archive = PosteriorArchive.open(run.posteriors)
    ds = archive.dataset()
    assert (ds["distance_error"].values > 0).all()
    assert "marginalised over the errors" in ds.attrs["distances"]
    again = samples(run.path, str(ds.cluster_id.values[17]), str(ds.galaxy.values[17]))
    theta = np.stack([again[name] for name in ds["parameter"].values.tolist()], axis=1)
    theta = theta.astype(np.float64)  # as inference packs them
    packed = archive.packed({"theta_flow": theta[None, :50], "log_q": again["log_q"][None, :50]})
    for name, values in packed.items():
        np.testing.assert_array_equal(values[0], archive.read(name, archive.partitions[1])[1], err_msg=name)
    neglected = PosteriorArchive.open(inferred.posteriors).dataset()
    assert (neglected["distance_error"].values == 0).all()
    assert "neglected" in neglected.attrs["distances"]
