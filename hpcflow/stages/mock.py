"""`hpcflow mock`: a physical population of clusters with known truth, as the survey would catalogue it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Column, Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.galaxies import bands_of, galaxies
from hpcflow.catalogues.matching import parse_bands
from hpcflow.catalogues.phangs import write_phangs
from hpcflow.catalogues.units import AB_ZERO_MJY
from hpcflow.catalogues.write import write_rows
from hpcflow.model.observe import normal, scale
from hpcflow.model.simulator import Simulator
from hpcflow.sources.cluster.population import Population

__all__ = ["DEPTH_AB", "Drawn", "draw_mock", "make_mock", "write_truth"]

Floats = NDArray[np.float64]

# Assumed 5-sigma limits of a cluster's aperture photometry, AB mag: round numbers for about one orbit per band,
# not measured from any catalogue.
DEPTH_AB = {
    "F275W": 25.5,
    "F336W": 25.6,
    "F435W": 26.0,
    "F438W": 25.8,
    "F555W": 26.0,
    "F606W": 26.0,
    "F814W": 25.5,
}

V_BANDS = ("F555W", "F606W")
MIN_SIGNAL_TO_NOISE = 10.0  # in V, as in the survey's detection
FAINTEST_V = -6.0  # absolute AB mag, as in the survey's selection
RELATIVE_ERROR = 0.02
NO_COVERAGE_SHARE = 0.03
FIELD_DEG = 0.02  # standard deviation of the clusters' positions about the centre of their galaxy
BLOCK = 50_000
KEY = 0x6D6F636B  # "mock", so that this random stream differs from others of the same seed


@dataclass(frozen=True)
class _Field:
    """One galaxy: centre [deg], distance [Mpc], HST filters and their columns among the simulator's bands."""

    name: str
    ra: float
    dec: float
    distance: float
    filters: tuple[str, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class _Clusters:
    """Catalogued clusters: field (N,), truth (N, 3), flux and sigma (N, F) mJy, NaN where not covered."""

    field: NDArray[np.intp]
    truth: Floats
    flux: Floats
    sigma: Floats

    def rows(self, rows: NDArray[Any]) -> "_Clusters":
        return _Clusters(self.field[rows], self.truth[rows], self.flux[rows], self.sigma[rows])


@dataclass(frozen=True)
class Drawn:
    """A mock's clusters, sorted by galaxy.

    Args:
        galaxy, number: (N,) names and identifiers.
        ra, dec, distance: (N,) deg, deg, Mpc.
        truth: (N, 3) log_age, log_mass, ebv.
        flux, sigma: (N,) mJy by HST filter, NaN where not covered.
        rng: the mock's random numbers from here on.
    """

    galaxy: NDArray[np.str_]
    number: NDArray[np.integer]
    ra: Floats
    dec: Floats
    distance: Floats
    truth: Floats
    flux: dict[str, Floats]
    sigma: dict[str, Floats]
    rng: np.random.Generator

    def select(self, rows: NDArray[Any]) -> "Drawn":
        """Return some of the clusters."""
        names = ("galaxy", "number", "ra", "dec", "distance", "truth")
        chosen: dict[str, Any] = {name: getattr(self, name)[rows] for name in names}
        for name in ("flux", "sigma"):
            chosen[name] = {key: values[rows] for key, values in getattr(self, name).items()}
        return Drawn(**chosen, rng=self.rng)

    def by_curves(self) -> Iterator[tuple[tuple[str, ...], NDArray[np.bool_]]]:
        """Yield each set of curves that galaxies were observed in, and a mask (N,) of their clusters."""
        names, inverse = np.unique(self.galaxy, return_inverse=True)
        sets = [_curves(name) for name in names.tolist()]
        for curves in sorted(set(sets)):
            yield curves, np.array([curves == own for own in sets])[inverse]

    def has_acs(self, galaxy: str) -> bool:
        """Return whether a galaxy has bands from ACS."""
        return any(curve.startswith("ACS") for curve in _curves(galaxy))


def _curves(galaxy: str) -> tuple[str, ...]:
    """Return a galaxy's curves; each filter has that of the first instrument, as in the catalogue."""
    first: dict[str, str] = {}
    for curve in bands_of(galaxy) or ():
        first.setdefault(curve.partition(".")[2], curve)
    return tuple(first.values())


def make_mock(
    simulator: Simulator, bands: Mapping[str, str], n: int, seed: int, out_dir: str | Path
) -> tuple[Path, Path]:
    """Write `mock.fits`, a catalogue in the schema of PHANGS-HST, and `mock_truth.fits`, its true parameters.

    Clusters are drawn from `Population`, in all galaxies of the survey with equal probability, at the galaxies' real
    distances and in the filters of their own instruments. Errors are normal: a floor that gives `DEPTH_AB`, and 2 % of
    the flux. The mock holds the first n clusters with S/N >= 10 in V and an absolute V magnitude brighter than -6;
    fluxes in other bands may be negative. In 3 % of the rows one band other than V has no coverage.

    Args:
        simulator: of log_age and ebv, over curves with their shipped names (WFC3_UVIS.F275W, ...); a galaxy is in the
            mock if the simulator has all of its curves.
        bands: the config's bands; a galaxy is in the mock if it was observed in at least two of them.
        n: number of clusters.
        seed: seed of all random numbers; the same seed gives the same bytes.
        out_dir: output folder, created if missing.

    Returns:
        the two files. The truth has galaxy, cluster_id, log_age, log_mass and ebv, in the catalogue's order.

    Raises:
        InputError: if n or the seed is out of range, the simulator takes other parameters, no galaxy has the
            bands, or no cluster is bright enough.
    """
    drawn = draw_mock(simulator, bands, n, seed)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    catalogue, truth = folder / "mock.fits", folder / "mock_truth.fits"
    write_truth(truth, drawn)
    write_phangs(
        catalogue,
        galaxy=drawn.galaxy,
        cluster_id=drawn.number,
        ra=drawn.ra,
        dec=drawn.dec,
        flux=drawn.flux,
        sigma=drawn.sigma,
        cluster_class=drawn.rng.integers(1, 3, size=n),
    )
    return catalogue, truth


def draw_mock(simulator: Simulator, bands: Mapping[str, str], n: int, seed: int) -> Drawn:
    """Return the clusters of a mock; see `make_mock`."""
    if n < 1 or not 0 <= seed < 2**64:
        raise InputError(f"a mock needs n of at least 1 and a seed from 0 to 2^64 - 1, not n {n} and seed {seed}")
    if set(simulator.parameters) != {"log_age", "ebv"}:
        raise InputError(
            f"a mock draws log_age and ebv, but the simulator takes {', '.join(simulator.parameters)}; "
            "give the others a value in model.fixed"
        )
    fields = _fields(simulator.bands, bands)
    filters = tuple(sorted({name for field in fields for name in field.filters}))
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, KEY], dtype=np.uint64)))
    clusters = _draw(simulator, fields, filters, n, rng)
    return _placed(clusters, fields, filters, rng)


def _fields(simulated: tuple[str, ...], bands: Mapping[str, str]) -> list[_Field]:
    wanted = {(band.filter_name, band.instrument) for band in parse_bands(bands)}
    fields = []
    for row in galaxies():
        curves = {curve.partition(".")[2]: curve for curve in _curves(str(row["galaxy"]))}
        known = sum(bool({(name, None), (name, c.partition(".")[0])} & wanted) for name, c in curves.items())
        if known < 2 or not set(curves.values()) <= set(simulated):
            continue
        columns = tuple(simulated.index(curve) for curve in curves.values())
        place = (float(row["ra"]), float(row["dec"]), float(row["distance"]))
        fields.append(_Field(str(row["galaxy"]), *place, tuple(curves), columns))
    if not fields:
        raise InputError(
            f"no galaxy of the survey has two of the bands {', '.join(bands)} and all its curves among "
            f"{', '.join(simulated)}; add the survey's bands to model.bands"
        )
    return fields


def _draw(
    simulator: Simulator,
    fields: list[_Field],
    filters: tuple[str, ...],
    n: int,
    rng: np.random.Generator,
) -> _Clusters:
    """Return the first n clusters that the survey would have selected, drawn in blocks of a fixed size."""
    kept: list[_Clusters] = []
    while sum(len(block.field) for block in kept) < n:
        block = _observe(simulator, fields, filters, rng)
        if len(block.field) == 0 and not kept:
            raise InputError(f"none of {BLOCK} simulated clusters is bright enough to be catalogued; check model.ssp")
        kept.append(block)
    parts = zip(*((b.field, b.truth, b.flux, b.sigma) for b in kept), strict=True)
    whole = _Clusters(*(np.concatenate(part)[:n] for part in parts))
    return whole.rows(np.argsort(whole.field, kind="stable"))


def _observe(
    simulator: Simulator, fields: list[_Field], filters: tuple[str, ...], rng: np.random.Generator
) -> _Clusters:
    """Draw a block of the population, observe it, and return the clusters that the survey would have selected."""
    drawn = Population().sample(BLOCK, rng)
    truth = np.stack([drawn["log_age"], drawn["log_mass"], drawn["ebv"]], axis=1)
    index = rng.integers(len(fields), size=BLOCK)
    distance = np.array([field.distance for field in fields])[index]
    noise = rng.standard_normal((BLOCK, len(filters)))
    theta = np.stack([drawn[name] for name in simulator.parameters], axis=1)
    flux = simulator(theta) * scale(truth[:, 1], distance)[:, None]

    columns = np.array(
        [[dict(zip(f.filters, f.columns, strict=True)).get(name, -1) for name in filters] for f in fields]
    )
    chosen = columns[index]
    true = np.where(chosen >= 0, np.take_along_axis(flux, np.maximum(chosen, 0), axis=1), np.nan)
    floor = np.array([AB_ZERO_MJY * 10 ** (-0.4 * DEPTH_AB[name]) / 5 for name in filters])
    sigma = np.hypot(floor, RELATIVE_ERROR * true)
    observed = normal(true, sigma, noise)

    v = np.array([next(filters.index(name) for name in V_BANDS if name in f.filters) for f in fields])[index][:, None]
    v_flux, v_sigma = (np.take_along_axis(values, v, axis=1)[:, 0] for values in (observed, sigma))
    faintest = AB_ZERO_MJY * 10 ** (-0.4 * (FAINTEST_V + 5 * np.log10(distance * 1e5)))
    selected = (v_flux >= MIN_SIGNAL_TO_NOISE * v_sigma) & (v_flux > faintest)

    lost = _lost(chosen >= 0, v[:, 0], rng)
    observed, sigma = np.where(lost, np.nan, observed), np.where(lost, np.nan, sigma)
    return _Clusters(index, truth, observed, sigma).rows(selected)


def _lost(has: NDArray[np.bool_], v: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which bands (N, F) lose their coverage: one other than V, in a share of the rows."""
    may = has & (np.arange(has.shape[1]) != v[:, None])
    band = np.argmax(np.where(may, rng.random(has.shape), -1.0), axis=1)
    loses = rng.random(len(has)) < NO_COVERAGE_SHARE
    return np.asarray(loses[:, None] & (np.arange(has.shape[1]) == band[:, None]))


def _placed(clusters: _Clusters, fields: list[_Field], filters: tuple[str, ...], rng: np.random.Generator) -> Drawn:
    n = len(clusters.field)
    first = np.searchsorted(clusters.field, clusters.field)  # rows are sorted by galaxy
    centre = np.array([(field.ra, field.dec) for field in fields])[clusters.field]
    offset = FIELD_DEG * rng.standard_normal((n, 2))
    return Drawn(
        galaxy=np.array([field.name for field in fields])[clusters.field],
        number=np.arange(n) - first + 1,
        ra=centre[:, 0] + offset[:, 0] / np.cos(np.radians(centre[:, 1])),
        dec=centre[:, 1] + offset[:, 1],
        distance=np.array([field.distance for field in fields])[clusters.field],
        truth=clusters.truth,
        flux=dict(zip(filters, clusters.flux.T, strict=True)),
        sigma=dict(zip(filters, clusters.sigma.T, strict=True)),
        rng=rng,
    )


def write_truth(path: Path, drawn: Drawn) -> None:
    """Write the true parameters of a mock's clusters."""
    columns = [
        Column(drawn.galaxy, "galaxy"),
        Column(drawn.number.astype(np.str_), "cluster_id"),
        Column(drawn.truth[:, 0], "log_age"),
        Column(drawn.truth[:, 1], "log_mass"),
        Column(drawn.truth[:, 2], "ebv", unit=u.mag),
    ]
    write_rows(Table(columns), path)
