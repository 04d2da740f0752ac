"""A flow serves configs of the same model in any of its bands, whatever they are called there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.compute.where import InProcess
from hpcflow.config.load import Config, load_config
from hpcflow.flow import checkpoint, shipped
from hpcflow.stages.infer import infer
from hpcflow.stages.run import Run
from hpcflow.stages.same_model import columns_of
from hpcflow.stages.trained import trained_flow
from hpcflow.store.flags import Flag, Reason

Serve = Callable[..., Config]
OF_THE_DATA = (
    Flag.ERROR_OUTSIDE_TRAINING,
    Flag.FLUX_OUTSIDE_TRAINING,
    Flag.BANDS_OUTSIDE_TRAINING,
    Flag.TOO_FEW_BANDS,
    Flag.UPPER_LIMIT,
)
OWN = {"I": "WFC3_UVIS.F814W", "NUV": "WFC3_UVIS.F275W", "B": "WFC3_UVIS.F438W", "V": "WFC3_UVIS.F555W"}


@pytest.fixture
def serve(inferred: Run) -> Serve:
    """Give a function that returns the config of the flow `tiny`, with other bands and values."""

    def config(bands: dict[str, str] | None = None, *sets: str) -> Config:
        named = [f"model.bands={{{', '.join(f'{k}: {v}' for k, v in bands.items())}}}"] if bands else []
        return load_config(inferred.path.parent / "tiny.yaml", ["infer.flow=shipped:tiny", *named, *sets])

    return config


@pytest.fixture(autouse=True)
def tiny_ships(inferred: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the small run's flow be one that ships."""
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "tiny").symlink_to(inferred.flow)
    monkeypatch.setattr(shipped, "FOLDER", folder)


def test_bands_are_known_by_their_curves(inferred: Run, serve: Serve) -> None:
    assert columns_of(inferred.flow, serve()) == [0, 1, 2, 3, 4]
    assert columns_of(inferred.flow, serve(OWN)) == [4, 0, 2, 3]
    per_band = "{I: 0.05, NUV: 0.05, B: 0.05, V: 0.05}"
    assert columns_of(inferred.flow, serve(OWN, f"observe.systematic={per_band}")) == [4, 0, 2, 3]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("observe.noise=lognormal", "was trained for another model .*observe.noise: normal -> lognormal"),
        ("observe.systematic=0.1", r"another model .*systematic: \[0.05, .*\] -> \[0.1, "),
        ("model.fixed={r_v: 3.5, metallicity: 0.02}", r"another model .*model\.fixed\.r_v: 3\.1 -> 3\.5"),
        ("model.parameters.ebv={low: 0, high: 1}", "another model .*parameters.ebv.high: 1.5 -> 1.0"),
        ("model.bands.V=ACS_WFC.F555W", r"does not know V \(ACS_WFC.F555W\); leave the bands out"),
        ("model.bands.B=WFC3_UVIS.F555W", "cannot tell bands with the same curve apart"),
    ],
)
def test_another_model_is_refused(inferred: Run, serve: Serve, change: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        columns_of(inferred.flow, serve(OWN, change))


def test_a_flow_that_never_lacked_bands_cannot_do_without(inferred: Run, serve: Serve, tmp_path: Path) -> None:
    description = checkpoint.read_description(inferred.flow)
    description["config"]["observe"]["missing"] = 0.0
    checkpoint.save(trained_flow(inferred.flow), tmp_path / "whole", description)
    assert columns_of(tmp_path / "whole", serve(None, "observe.missing=0")) == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="without missing bands and cannot do without F336W; add the bands"):
        columns_of(tmp_path / "whole", serve(OWN, "observe.missing=0"))
    description["config"]["observe"]["band_sets"] = [["F275W", "F438W", "F555W", "F814W"]]
    checkpoint.save(trained_flow(inferred.flow), tmp_path / "sets", description)
    assert columns_of(tmp_path / "sets", serve(OWN, "observe.missing=0")) == [4, 0, 2, 3]


@pytest.fixture
def table(inferred: Run) -> Table:
    """Give the small run's clusters as a plain table, a pair of columns for each band."""
    with xr.open_zarr(inferred.posteriors) as ds:
        rows = Table({name: np.array(ds[name].values.tolist()) for name in ("galaxy", "cluster_id")})
        rows["distance"] = ds["distance"].values
        flux = ds["flux"].values
        listed = np.sqrt(ds["sigma"].values ** 2 - (0.05 * flux) ** 2)
        for name, curve in {**OWN, "U": "WFC3_UVIS.F336W"}.items():
            band = ds["band"].values.tolist().index(curve.partition(".")[2])
            rows[f"{name}_flux"], rows[f"{name}_err"] = flux[:, band], listed[:, band]
    return rows


def test_bands_of_ones_own_give_what_masked_ones_do(serve: Serve, table: Table, tmp_path: Path) -> None:
    """The flow's own answer is the same to the last bit: samples, their density, and the flow's quantiles."""
    table.write(tmp_path / "own.csv")
    masked = table.copy()
    masked.remove_columns(["U_flux", "U_err"])
    for name, curve in OWN.items():
        masked.rename_columns([f"{name}_flux", f"{name}_err"], [f"{curve[-5:]}_flux", f"{curve[-5:]}_err"])
    masked.write(tmp_path / "masked.csv")
    one, two = Run(tmp_path / "one"), Run(tmp_path / "two")
    infer(serve(OWN, f"infer.catalogues={tmp_path / 'own.csv'}"), one, InProcess())
    infer(serve(None, f"infer.catalogues={tmp_path / 'masked.csv'}"), two, InProcess())
    with xr.open_zarr(one.posteriors) as own, xr.open_zarr(two.posteriors) as whole:
        assert own["band"].values.tolist() == list(OWN)
        assert (whole["reason"].sel(band="F336W") == Reason.NO_BAND).all()
        have = np.isfinite(own["map"].values).all(axis=1)
        assert have.sum() > 20
        for name in ("theta_flow", "log_q", "quantile_flow", "entropy_flow"):
            np.testing.assert_array_equal(own[name].values, whole[name].values, err_msg=name)
        for name in ("log_evidence", "efficiency"):  # sums of likelihoods over bands in another order
            np.testing.assert_allclose(own[name].values, whole[name].values, rtol=1e-4, err_msg=name)
        for flag in OF_THE_DATA:
            np.testing.assert_array_equal(own["flag"].values & flag, whole["flag"].values & flag, err_msg=str(flag))
