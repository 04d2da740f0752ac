"""In Python the numbers are those of the command line, whatever holds the objects."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from astropy import units as u
from astropy.table import QTable, Table

import hpcflow
from hpcflow.catalogues.units import to_mjy
from hpcflow.compute.where import InProcess
from hpcflow.config.load import dump_yaml, load_config, with_values
from hpcflow.flow import shipped
from hpcflow.model.zero_points import AB_ZERO_MJY
from hpcflow.stages.infer import infer
from hpcflow.stages.python import load
from hpcflow.stages.run import Run
from hpcflow.stages.session import Session

LABELS = ["F275W", "F336W", "F438W", "F555W", "F814W"]
KEYS = ("galaxy", "cluster_id")
N = 12


class Listed:
    """Some of the small run's clusters, as a catalogue would list them."""

    def __init__(self, run: Run) -> None:
        with xr.open_zarr(run.posteriors) as ds:
            ds = ds.isel(cluster=slice(N)).load()
        self.galaxy, self.cluster_id = (np.array(ds[name].values.tolist()) for name in KEYS)
        self.flux, self.distance = ds["flux"].values, ds["distance"].values
        self.error = np.sqrt(ds["sigma"].values ** 2 - (0.05 * self.flux) ** 2)

    @property
    def who(self) -> dict[str, Any]:
        return {"galaxy": self.galaxy, "cluster_id": self.cluster_id, "distance_mpc": self.distance}

    @property
    def table(self) -> Table:
        rows = Table({"galaxy": self.galaxy, "cluster_id": self.cluster_id, "distance": self.distance})
        for i, band in enumerate(LABELS):
            rows[f"UVIS_{band}_flux"], rows[f"UVIS_{band}_err"] = self.flux[:, i], self.error[:, i]
        return rows

    @property
    def columns(self) -> dict[str, list[str]]:
        return {band: [f"UVIS_{band}_flux", f"UVIS_{band}_err"] for band in LABELS}


@pytest.fixture(scope="module")
def listed(inferred: Run) -> Listed:
    return Listed(inferred)


@pytest.fixture(scope="module")
def archives(inferred: Run, listed: Listed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give runs of the command line on these clusters: by the small run's flow, and exact."""
    folder = tmp_path_factory.mktemp("archives")
    listed.table.write(folder / "t.ecsv")
    config = with_values(
        load_config(inferred.path.parent / "tiny.yaml"),
        {"infer.catalogues": [str(folder / "t.ecsv")], "infer.columns": listed.columns, "infer.refine": True},
    )
    asked: dict[str, dict[str, Any]] = {
        "flow": {"infer.flow": str(inferred.path)},
        "exact": {"infer.posterior": "exact", "infer.refine": False},
    }
    for name, values in asked.items():
        infer(with_values(config, values), Run(folder / name), InProcess())
    return {name: folder / name for name in asked}


def assert_same(found: xr.Dataset, archive: Path) -> None:
    """Every variable is that of the archive, bit for bit, object by object."""
    with hpcflow.open(archive) as there:
        wanted = there.load()
    keys = list(zip(*(wanted[key].values.tolist() for key in KEYS), strict=True))
    single = "cluster" not in found.dims
    own = list(zip(*(np.atleast_1d(found[key].values).tolist() for key in KEYS), strict=True))
    rows = [keys.index(key) for key in own]
    wanted = wanted.isel(cluster=rows[0] if single else rows)
    assert set(found.variables) == set(wanted.variables)
    for name in set(wanted.variables) - {"status", "checksum"}:
        np.testing.assert_array_equal(found[name].values, wanted[name].values, err_msg=str(name))
        assert found[name].dtype == wanted[name].dtype


@pytest.mark.parametrize("kind", ["flow", "exact"])
def test_arrays_give_what_the_command_line_archives(archives: dict[str, Path], listed: Listed, kind: str) -> None:
    session = load(archives[kind])
    post = session.posterior(listed.flux, listed.error, bands=LABELS, unit="mJy", **listed.who)
    assert len(post) == N
    assert_same(post.dataset, archives[kind])
    with hpcflow.open(archives[kind]) as there:
        assert post.dataset.sizes["cluster"] == there.sizes["cluster"]
        for name in ("theta", "mode", "log_evidence"):
            assert there[name].attrs == post.dataset[name].attrs
    shuffled = np.random.default_rng(1).permutation(N)[:5]
    who = {key: values[shuffled] for key, values in listed.who.items()}
    some = session.posterior(listed.flux[shuffled], listed.error[shuffled], bands=LABELS, unit="mJy", **who)
    assert some.dataset["cluster_id"].values.tolist() == listed.cluster_id[shuffled].tolist()
    assert_same(some.dataset, archives[kind])


@pytest.mark.parametrize("form", ["astropy", "quantity", "pandas", "mapping", "structured"])
def test_tables_give_the_same(archives: dict[str, Path], listed: Listed, form: str) -> None:
    rows, unit = listed.table, "mJy"
    given: Any = rows
    if form == "quantity":
        given, unit = QTable(rows), ""
        for name in rows.colnames[3:]:
            given[name] = given[name] * 1e3 * u.uJy
    elif form == "pandas":
        given = rows.to_pandas()
    elif form == "mapping":
        given = {name: rows[name].tolist() for name in rows.colnames}
    elif form == "structured":
        given = rows.as_array()
    before = repr(given)
    post = load(archives["exact"]).posterior(given, unit=unit or None, columns=listed.columns)
    assert repr(given) == before
    if form == "quantity":  # whose last bits are not those of mJy
        np.testing.assert_allclose(post.dataset["flux"].values, listed.flux, rtol=1e-12)
    else:
        assert_same(post.dataset, archives["exact"])


@pytest.mark.parametrize("form", ["arrays", "astropy", "pandas"])
def test_one_object_has_no_axis_of_objects(archives: dict[str, Path], listed: Listed, form: str) -> None:
    session, row = load(archives["flow"]), 3
    if form == "arrays":
        who = {key: values[row].item() for key, values in listed.who.items()}
        post = session.posterior(listed.flux[row], listed.error[row], bands=LABELS, unit="mJy", **who)
    else:
        rows = listed.table if form == "astropy" else listed.table.to_pandas()
        one = rows[row] if form == "astropy" else rows.iloc[row]
        post = session.posterior(one, unit="mJy", columns=listed.columns)
    assert post.samples.dims == ("sample", "parameter")
    assert len(post) == 1
    assert_same(post.dataset, archives["flow"])


def test_units_are_converted(archives: dict[str, Path], listed: Listed) -> None:
    session = load(archives["exact"])
    good = np.flatnonzero((listed.flux > 0).all(axis=1))
    who = {key: values[good] for key, values in listed.who.items()}
    flux, error = listed.flux[good], listed.error[good]
    magnitude, spread = -2.5 * np.log10(flux / AB_ZERO_MJY), error / flux * 2.5 / np.log(10)
    np.testing.assert_allclose(to_mjy(magnitude, spread, "AB")[0], flux)
    who["distance_mpc"] = who["distance_mpc"] * 1e3 * u.kpc
    given = [
        (flux * 1e-3 * u.Jy, error * 1e3 * u.uJy, None),
        (magnitude * u.ABmag, spread * u.mag, None),
        (magnitude * u.mag, spread, "AB"),
        (magnitude, spread, "AB"),
    ]
    for value, sigma, unit in given:
        found = session.posterior(value, sigma, bands=LABELS, unit=unit, **who).dataset
        np.testing.assert_allclose(found["flux"].values, flux, rtol=1e-12)
        np.testing.assert_allclose(found["sigma"].values, np.hypot(error, 0.05 * flux), rtol=1e-12)
        np.testing.assert_allclose(found["distance"].values, listed.distance[good], rtol=1e-12)


def test_what_is_said_of_objects_prevails_over_a_runs_config(archives: dict[str, Path], listed: Listed) -> None:
    config = Run(archives["exact"]).config()
    of_run = {"infer.distance_mpc": {"NGC1566": 12.5}, "infer.unit": "Jy", "infer.galaxy": "NGC1365"}
    session = Session(with_values(config, of_run))
    asked: dict[str, Any] = {"bands": LABELS, "unit": "mJy", "galaxy": "NGC1566"}
    for said, distance in (({"distance_mpc": 10}, 10.0), ({}, 12.5), ({"distance_mpc": {"NGC1566": 14}}, 14.0)):
        post = session.posterior(np.abs(listed.flux[0]), listed.error[0], **asked, **said)
        assert post.dataset["distance"].item() == distance
        assert post.dataset["galaxy"].item() == "NGC1566"


def test_some_of_a_flows_bands_by_any_name(inferred: Run, listed: Listed) -> None:
    session = load(inferred.path)
    assert session.bands == {band: f"WFC3_UVIS.{band}" for band in LABELS}
    assert session.parameters == ("log_age", "log_mass", "ebv")
    chosen = [4, 0, 2]
    flux, error = listed.flux[:, chosen], listed.error[:, chosen]
    names = {"I": "F814W", "NUV": "WFC3_UVIS.F275W", "B": "uvis f438w"}
    post = session.posterior(flux, error, bands=names, unit="mJy", **listed.who)
    masked = np.full_like(listed.error, np.nan)
    masked[:, chosen] = error
    whole = session.posterior(listed.flux, masked, bands=LABELS, unit="mJy", **listed.who)
    assert post.dataset["band"].values.tolist() == list(names)
    have = np.isfinite(post.dataset["map"].values).all(axis=1)
    assert have.any()
    np.testing.assert_array_equal(post.proposals.values, whole.proposals.values)
    np.testing.assert_array_equal(post.log_prob.values, whole.log_prob.values)


def test_the_exact_posterior_takes_any_bands_that_are_named(listed: Listed) -> None:
    session = load("exact", samples=512, keep=100, predictive=50, seed=4)
    assert "ACS_WFC.F606W" in session.bands
    post = session.posterior(
        [1e-3, 1.1e-3, 1.2e-3], [1e-4] * 3, bands=["F275W", "ACS_WFC.F435W", "acs f555w"], unit="mJy", distance_mpc=40
    )
    assert post.samples.shape == (100, 3)
    assert post.dataset.attrs["seed"] == 4
    assert post.flags == {}  # 40 Mpc is farther than usual, and nothing was trained on distances
    with pytest.raises(hpcflow.InputError, match=r"nothing says which bands these are; give bands"):
        session.posterior(listed.table)


def test_every_kind_of_name_is_loaded(
    inferred: Run, archives: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "tiny").symlink_to(inferred.flow)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "flows")
    config = load_config(inferred.path.parent / "tiny.yaml")
    (tmp_path / "mine.yaml").write_text(dump_yaml(config.plain()))
    flow, exact = "<hpcflow: {} of star clusters, log_age, log_mass, ebv>", "<hpcflow: the exact posterior of star"
    assert repr(load("tiny")) == flow.format("shipped:tiny")
    assert repr(load(inferred.flow)) == flow.format(inferred.flow)
    assert repr(load(inferred.path)) == flow.format(inferred.flow)
    for name in (tmp_path / "mine.yaml", archives["exact"], "exact"):
        assert repr(load(name)).startswith(exact)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("tiny", {}, "no flow tiny ships with this version"),
        ("nowhere/tiny", {}, "nowhere/tiny is no folder of a run or a flow"),
        ("exact", {"sample": 3}, "sample is no setting; those known are .*samples"),
        ("exact", {"samples": 3}, r"infer\.samples: .*greater than or equal to 100"),
    ],
)
def test_what_cannot_be_loaded_is_said(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(hpcflow.InputError, match=words):
        load(name, **settings)


FLUX, ERROR = [1e-3, 1.1e-3, 1.2e-3], [1e-4, 1e-4, 1e-4]
THREE = ["F275W", "F336W", "F438W"]


@pytest.fixture(scope="module")
def exact() -> Session:
    return load("exact", samples=512, keep=100, predictive=50)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": None}, "nothing says the unit of flux; give unit"),
        ({"unit": "parsec"}, "unit parsec is none of mJy"),
        ({"flux": FLUX * u.mag, "unit": None}, "is in mag, .* or set unit to AB or Vega"),
        ({"flux": [22.0] * 3 * u.ABmag, "error": [0.1] * 3 * u.mJy}, r"flux is in mag\(AB\), but error is in mJy"),
        ({"flux": FLUX * u.pc}, "is in pc, which is not a flux density|but error"),
        ({"error": None}, "nothing says the errors of flux; give error"),
        ({"error": [1e-4, -1e-4, 1e-4]}, "an error is negative, -0.0001"),
        ({"error": [1e-4, 1e-4]}, r"flux has the shape \(3,\), error \(2,\)"),
        ({"flux": "bright"}, "flux is not an array of numbers"),
        ({"bands": THREE[:2]}, r"flux has the shape \(3,\), but there are 2 bands"),
        ({"bands": ["F275W", "F336W", "F275W"]}, "names one band twice"),
        ({"bands": "F275W"}, "bands is the text 'F275W'; give a list"),
        ({"bands": ["F275W", "F336W", "F999W"]}, "the band F999W is not known here"),
        ({"bands": ["F275W", "F336W", "F555W"]}, r"the band F555W may be ACS_WFC\.F555W or WFC3_UVIS\.F555W"),
        ({"bands": None}, "nothing says which bands"),
        ({"distance_mpc": None}, "nothing says how far the objects are; give distance_mpc"),
        ({"distance_mpc": -1}, "distance_mpc must be positive"),
        ({"distance_mpc": 3 * u.mJy}, "distance_mpc is in mJy, which is no length"),
        ({"distance_mpc": [1, 2]}, r"distance has the shape \(2,\), but there are 1 objects"),
        ({"distance_mpc": None, "galaxy": "M999"}, "the distance of M999 is unknown; set distance_mpc"),
        ({"flux": [1.0, 1.0, 1.0], "error": [0.1] * 3}, "set unit to theirs, or check_units=False"),
        ({"flux": Table({"F275W_flux": [1.0]})}, "a table has its errors in columns; leave out error"),
        ({"flux": [FLUX] * 2, "error": [ERROR] * 2, "cluster_id": ["a", "a"]}, "cluster a of  occurs more than once"),
    ],
)
def test_wrong_input_is_one_sentence_in_terms_of_arguments(exact: Session, change: dict[str, Any], words: str) -> None:
    asked = {"flux": FLUX, "error": ERROR, "bands": THREE, "unit": "mJy", "distance_mpc": 10.0, **change}
    with pytest.raises(hpcflow.InputError, match=words) as refused:
        exact.posterior(**asked)
    assert "infer." not in str(refused.value)
    assert "model." not in str(refused.value)


def test_a_table_without_units_is_asked_for_them(exact: Session) -> None:
    rows = {"distance": [10.0]} | {
        f"{band}_{of}": [1e-3 if of == "flux" else 1e-4] for band in THREE for of in ("flux", "err")
    }
    with pytest.raises(hpcflow.InputError, match="nothing says the unit of F275W_flux; set unit to mJy"):
        exact.posterior(rows, bands=THREE)
    assert exact.posterior(rows, bands=THREE, unit="mJy").flags == [{}]
