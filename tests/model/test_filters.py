from pathlib import Path

import numpy as np
import pytest

from hpcflow.base.errors import InputError
from hpcflow.model.filters import (
    LIGHT_M_PER_S,
    MJY_PER_SI,
    PARSEC_M,
    Curve,
    band_weights,
    line_weights,
    load_curve,
    shipped_curves,
)

AREA = 4 * np.pi * (10 * PARSEC_M) ** 2
# Pivot wavelengths in Angstrom: WFC3 instrument handbook, table 6.2; ACS instrument handbook, table 5.1.
PIVOTS = {
    "WFC3_UVIS.F275W": 2709.7,
    "WFC3_UVIS.F336W": 3354.5,
    "WFC3_UVIS.F438W": 4326.2,
    "WFC3_UVIS.F555W": 5308.4,
    "WFC3_UVIS.F814W": 8039.1,
    "ACS_WFC.F435W": 4328.2,
    "ACS_WFC.F555W": 5360.2,
    "ACS_WFC.F606W": 5921.1,
    "ACS_WFC.F814W": 8057.0,
}
curves = pytest.mark.parametrize("name", shipped_curves())
NODES = np.union1d(np.linspace(150.0, 5300.0, 10_301), [153.3, 499.9])


def flat(wavelength_nm: np.ndarray, mjy: float = 1.0) -> np.ndarray:
    """Return the luminosity per nm of a source with the same flux density, in mJy at 10 pc, at all wavelengths."""
    per_frequency = mjy / MJY_PER_SI * AREA
    return per_frequency * LIGHT_M_PER_S * 1e9 / wavelength_nm**2


@pytest.mark.parametrize("name", PIVOTS)
def test_shipped_pivots_are_the_published_ones(name: str) -> None:
    assert 10 * load_curve(name).pivot_nm == pytest.approx(PIVOTS[name], rel=2e-3)


@curves
def test_a_flat_spectrum_gives_its_flux(name: str) -> None:
    curve = load_curve(name)
    # linear between nodes, c / l^2 is off by (step / l)^2 at most
    assert band_weights(curve, NODES) @ flat(NODES, 3.7) == pytest.approx(3.7, rel=2e-5)


def test_a_flat_spectrum_gives_its_flux_ever_better_on_finer_nodes() -> None:
    curve = load_curve("WFC3_UVIS.F555W")
    errors = []
    for count in (200, 400, 800):
        nodes = np.linspace(250.0, 1150.0, count)
        errors.append(abs(band_weights(curve, nodes) @ flat(nodes) - 1))
    assert errors[2] < errors[0] / 8
    assert errors[2] < 5e-6


@curves
def test_on_nodes_of_the_curve_it_is_the_definition(name: str) -> None:
    curve = load_curve(name)
    wl, t = curve.wavelength_nm, curve.throughput
    luminosity = np.random.default_rng(3).uniform(1e25, 1e26, len(wl))
    definition = np.trapezoid(t * wl * luminosity, wl) / np.trapezoid(t * LIGHT_M_PER_S * 1e9 / wl, wl) / AREA * 1e29
    assert band_weights(curve, wl) @ luminosity == pytest.approx(definition, rel=1e-12)


@curves
def test_the_flux_is_that_of_the_spectrum_taken_as_linear_between_its_nodes(name: str) -> None:
    # Splitting the spectrum's intervals where it is linear anyway moves only the trapezoid's own error.
    curve = load_curve(name)
    coarse = np.linspace(180.0, 5300.0, 800)
    luminosity = np.random.default_rng(4).uniform(1.0, 2.0, len(coarse))
    fine = np.linspace(180.0, 5300.0, 799 * 60 + 1)
    there = band_weights(curve, fine) @ np.interp(fine, coarse, luminosity)
    assert band_weights(curve, coarse) @ luminosity == pytest.approx(there, rel=2e-4)


def test_the_flux_is_linear_in_the_throughput_scale_and_blind_to_it() -> None:
    curve = load_curve("WFC3_UVIS.F438W")
    doubled = Curve(curve.wavelength_nm, 2 * curve.throughput)
    np.testing.assert_allclose(band_weights(doubled, NODES), band_weights(curve, NODES), rtol=1e-12, atol=0)


def test_nodes_outside_the_band_have_no_weight() -> None:
    curve = load_curve("WFC3_UVIS.F438W")
    weights = band_weights(curve, NODES)
    step = np.diff(NODES).max()
    far = (curve.wavelength_nm[0] - step > NODES) | (curve.wavelength_nm[-1] + step < NODES)
    assert (weights[far] == 0).all()
    assert (weights >= 0).all()
    assert weights.shape == NODES.shape


def test_the_pivot_turns_mean_flux_per_wavelength_into_per_frequency() -> None:
    # The pivot's definition: f_nu = f_lambda pivot^2 / c for a source of constant f_lambda.
    curve = load_curve("WFC3_UVIS.F336W")
    constant = np.full(len(NODES), 1e26)
    expected = 1e26 / AREA * curve.pivot_nm**2 / (LIGHT_M_PER_S * 1e9) * MJY_PER_SI
    assert band_weights(curve, NODES) @ constant == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("nodes", [np.linspace(300.0, 1200.0, 100), np.linspace(100.0, 400.0, 100)])
def test_a_spectrum_that_does_not_cover_the_band_is_an_error(nodes: np.ndarray) -> None:
    with pytest.raises(InputError, match=f"covers {nodes[0]:.1f}-{nodes[-1]:.1f} nm"):
        band_weights(load_curve("WFC3_UVIS.F275W"), nodes)


def test_a_file_is_read_in_angstrom(tmp_path: Path) -> None:
    path = tmp_path / "box.dat"
    path.write_text("# wavelength throughput more\n4000 0.0 9\n4500 0.5 9\n5000 0.25 9\n")
    curve = load_curve(str(path))
    np.testing.assert_allclose(curve.wavelength_nm, [400, 450, 500])
    np.testing.assert_allclose(curve.throughput, [0, 0.5, 0.25])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "4000\n5000\n",
        "a b\nc d\n",
        "4000 0.5\n",
        "4000 0.1\n4000 0.2\n",
        "5000 0.1\n4000 0.2\n",
        "4000 0.1\n5000 nan\n",
        "4000 0.1\n5000 inf\n",
        "4000 0\n5000 0\n",
        "4000 0.5\n5000 -0.1\n",
    ],
)
def test_what_is_no_curve_is_an_error_that_names_the_file(text: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.dat"
    path.write_text(text)
    with pytest.raises(InputError, match=r"wrong\.dat"):
        load_curve(str(path))


@curves
def test_a_line_is_a_narrow_spectrum(name: str) -> None:
    curve = load_curve(name)
    peak = curve.wavelength_nm[curve.throughput.argmax()]
    lines = np.array([100.0, 0.998 * peak, peak, 6000.0])
    beside = lines[1:3, None] * (1 + 1e-6 * np.array([-1, 0, 1]))
    nodes = np.union1d(beside, curve.wavelength_nm[[0, -1]])
    expected = []
    for left, line, right in beside:
        spectrum = np.where(nodes == line, 2 / (right - left), 0.0)
        expected.append(band_weights(curve, nodes) @ spectrum)
    found = line_weights(curve, lines)
    np.testing.assert_allclose(found[1:3], expected, rtol=1e-4)
    assert (found[1:3] > 0).all()
    assert not found[[0, 3]].any()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("f555w", r"did you mean .*ACS_WFC\.F555W"),
        ("WFC3.F555W", r"did you mean .*WFC3_UVIS\.F555W"),
        ("JWST.F150W", r"did you mean .*NIRCAM\.F150W"),
        ("nowhere", r"or a name such as ACS_WFC\.F814W"),
    ],
)
def test_an_unknown_curve_is_a_short_error_that_says_what_is_alike(name: str, words: str) -> None:
    with pytest.raises(InputError, match=rf"{name}.*{words}.*docs/models\.md lists") as error:
        load_curve(name)
    assert len(str(error.value)) < 200


def test_the_digest_is_of_the_numbers() -> None:
    digests = {load_curve(name).digest for name in shipped_curves()}
    assert len(digests) == len(shipped_curves())
    one = load_curve("ACS_WFC.F606W")
    assert one.digest == load_curve("ACS_WFC.F606W").digest
    assert one.digest != Curve(one.wavelength_nm, one.throughput + 1e-12).digest
