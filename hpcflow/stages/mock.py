"""`hpcflow mock`: star clusters with known truth, as the survey would catalogue them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Column, Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import rng_for
from hpcflow.catalogues.depth import DEPTHS, photometric_error
from hpcflow.catalogues.galaxies import bands_of, galaxies
from hpcflow.catalogues.matching import parse_bands
from hpcflow.catalogues.phangs import write_phangs
from hpcflow.catalogues.write import write_rows
from hpcflow.model.observe import add_systematic, normal
from hpcflow.model.simulator import Simulator
from hpcflow.model.zero_points import AB_ZERO_MJY
from hpcflow.sources.cluster.parameters import EBV, LOG_AGE, LOG_MASS, METALLICITY, REALISATION, SCALE
from hpcflow.sources.cluster.population import SOLAR, Globulars, Population

__all__ = ["Drawn", "draw_mock", "make_mock", "recognised", "write_truth"]

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]  # (N,) or (N, F) each

V = "F555W"
MIN_SIGNAL_TO_NOISE = 10.0  # in V, as in the survey's detection
DETECTED, MIN_DETECTED = 3.0, 4  # as LEGUS asks: errors below 0.3 mag in four bands
FAINTEST_V = -6.0  # absolute AB mag, as in the survey's selection
RECOGNISED = 8.0  # log10 of the age in yr from which all clusters are recognised
GLOBULAR_SHARE = 0.05
NO_COVERAGE_SHARE = 0.03
FIELD_DEG = 0.02  # standard deviation of the clusters' positions about the centre of their galaxy
BLOCK = 50_000
UNITS = {LOG_AGE: None, LOG_MASS: None, EBV: u.mag, METALLICITY: None}


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
class _Survey:
    """What observes: the simulator, a metallicity for clusters without one, systematics (B,), galaxies and filters."""

    simulator: Simulator
    metallicity: float
    systematic: Floats
    fields: list[_Field]
    filters: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """A mock's clusters, sorted by galaxy.

    Args:
        galaxy, number: (N,) names and identifiers.
        ra, dec, distance: (N,) deg, deg, Mpc.
        component: (N,) `cluster` or `globular`.
        truth: (N,) log_age, log_mass, ebv, and metallicity where the simulator takes it.
        true_flux: (N,) mJy by HST filter, NaN where the galaxy was not observed.
        flux, sigma: (N,) mJy by HST filter as catalogued, NaN where not covered.
        rng: random numbers for whatever else a catalogue lists.
    """

    galaxy: NDArray[np.str_]
    number: NDArray[np.integer]
    ra: Floats
    dec: Floats
    distance: Floats
    component: NDArray[np.str_]
    truth: dict[str, Floats]
    true_flux: dict[str, Floats]
    flux: dict[str, Floats]
    sigma: dict[str, Floats]
    rng: np.random.Generator

    def select(self, rows: NDArray[Any]) -> "Drawn":
        """Return some of the clusters."""
        names = ("galaxy", "number", "ra", "dec", "distance", "component")
        chosen: dict[str, Any] = {name: getattr(self, name)[rows] for name in names}
        for name in ("truth", "true_flux", "flux", "sigma"):
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
    simulator: Simulator,
    bands: Mapping[str, str],
    n: int,
    seed: int,
    out_dir: str | Path,
    *,
    systematic: float | Mapping[str, float] = 0.05,
    metallicity: float = SOLAR,
) -> tuple[Path, Path]:
    """Write `mock.fits`, a catalogue in the schema of PHANGS-HST, and `mock_truth.fits`, its true parameters.

    Clusters are those of `Population` and, in 5 % of the rows, of `Globulars`, in all galaxies of the survey with
    equal probability, at the galaxies' real distances and in the filters of their own instruments. Noise is normal,

        f* ~ N(f, sigma),   sigma^2 = e^2 + (systematic f)^2,

    with e the error of photons and sky (`photometric_error`). The catalogue lists e alone, as real ones do; inference
    adds the systematic. Fluxes are listed as measured, even if negative.

    The mock holds the first n clusters that the survey would list: f* is above 10 e in V and above 3 e in four bands,
    and the absolute V magnitude is brighter than -6. Most of the youngest clusters are lost in crowds or pass for
    associations: a cluster of age t is listed with probability t / 100 Myr, if that is below 1. This law is round, and
    it brings medians close to those of the 39 234 real clusters of class 1, 2 or 3: U-B -0.52 (-0.40), V-I 0.69 (0.70),
    both Vega, and 88 Myr (76 Myr). In 3 % of the rows one band other than V has no coverage.

    Args:
        simulator: of log_age and ebv, over curves with their shipped names (WFC3_UVIS.F275W, ...); it may take log_mass
            and realisation too, and if it takes metallicity, globulars have their own. A galaxy is in the mock if the
            simulator has all its curves.
        bands: the config's bands; a galaxy is in the mock if it was observed in at least two of them.
        n: number of clusters.
        seed: seed of all random numbers; the same seed gives the same bytes.
        out_dir: output folder, created if missing.
        systematic: relative systematic error, of all bands or by the label of the band (0 if it has none).
        metallicity: mass fraction of metals of clusters that are not globulars, if the simulator takes it.

    Returns:
        the two files. The truth has galaxy, cluster_id, component (`cluster` or `globular`), log_age, log_mass, ebv,
        metallicity if the simulator takes it, and the true flux in each filter, in the catalogue's order.

    Raises:
        InputError: if n or the seed is out of range, the simulator takes other parameters, no galaxy has the
            bands, or no cluster is bright enough.
    """
    drawn = draw_mock(simulator, bands, n, seed, systematic=systematic, metallicity=metallicity)
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


def draw_mock(
    simulator: Simulator,
    bands: Mapping[str, str],
    n: int,
    seed: int,
    *,
    systematic: float | Mapping[str, float] = 0.05,
    metallicity: float = SOLAR,
) -> Drawn:
    """Return the clusters of a mock; see `make_mock`."""
    if n < 1 or not 0 <= seed < 2**64:
        raise InputError(f"a mock needs n of at least 1 and a seed from 0 to 2^64 - 1, not n {n} and seed {seed}")
    if set(simulator.parameters) - {METALLICITY, LOG_MASS, REALISATION} != {LOG_AGE, EBV}:
        raise InputError(
            f"a mock draws {LOG_AGE} and {EBV}, but the simulator takes {', '.join(simulator.parameters)}; "
            "give the others a value in model.fixed"
        )
    fields = _fields(simulator.bands, bands)
    filters = tuple(sorted({name for field in fields for name in field.filters}))
    survey = _Survey(simulator, metallicity, _by_curve(systematic, bands, simulator.bands), fields, filters)
    globular = rng_for(seed, "mock", "component").random(n) < GLOBULAR_SHARE
    rows: Columns = {}
    for law, mine in ((Population(), ~globular), (Globulars(), globular)):
        first = _first(survey, law, int(mine.sum()), seed) if mine.any() else {}
        for name, values in first.items():
            rows.setdefault(name, np.empty((n, *values.shape[1:]), values.dtype))[mine] = values
    rows["component"] = np.where(globular, "globular", "cluster")
    return _placed(rows, survey, rng_for(seed, "mock", "catalogue"))


def _by_curve(systematic: float | Mapping[str, float], bands: Mapping[str, str], curves: tuple[str, ...]) -> Floats:
    """Return the systematic of each curve (B,)."""
    if not isinstance(systematic, Mapping):
        return np.full(len(curves), float(systematic))
    by_curve = {bands[label]: value for label, value in systematic.items() if label in bands}
    return np.array([by_curve.get(curve, 0.0) for curve in curves])


def _fields(simulated: tuple[str, ...], bands: Mapping[str, str]) -> list[_Field]:
    wanted = {(band.filter_name, band.instrument) for band in parse_bands(bands)}
    fields = []
    for row in galaxies():
        curves = {curve.partition(".")[2]: curve for curve in _curves(str(row["galaxy"]))}
        known = sum(bool({(name, None), (name, c.partition(".")[0])} & wanted) for name, c in curves.items())
        if known < 2 or not set(curves.values()) <= set(simulated) & set(DEPTHS):
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


def _first(survey: _Survey, law: Population | Globulars, n: int, seed: int) -> Columns:
    """Return the first n clusters of a law that the survey would list, drawn in blocks that have their own keys."""
    blocks: list[Columns] = []
    found = 0
    while found < n:
        rng = rng_for(seed, "mock", type(law).__name__, len(blocks))
        blocks.append(_listed(survey, _drawn(survey, law, rng), rng))
        found += len(blocks[-1]["field"])
        if not found:
            raise InputError(f"none of {BLOCK} simulated clusters is bright enough to be catalogued; check model.ssp")
    return {name: np.concatenate([block[name] for block in blocks])[:n] for name in blocks[0]}


def _drawn(survey: _Survey, law: Population | Globulars, rng: np.random.Generator) -> Columns:
    """Draw a block of clusters: parameters and galaxy, of those that would be recognised as clusters."""
    drawn: Columns = {METALLICITY: np.full(BLOCK, survey.metallicity), **law.sample(BLOCK, rng)}
    drawn["field"] = rng.integers(len(survey.fields), size=BLOCK)
    kept = rng.random(BLOCK) < recognised(drawn[LOG_AGE])
    if REALISATION in survey.simulator.parameters:
        drawn[REALISATION] = rng.random(BLOCK)
    return {name: values[kept] for name, values in drawn.items()}


def recognised(log_age: Floats) -> Floats:
    """Return the probability (...) that a cluster of log_age (...) [dex(yr)] passes for one.

    >>> recognised(np.array([7.0, 8.0, 10.0])).tolist()
    [0.1, 1.0, 1.0]
    """
    return np.asarray(10 ** np.minimum(log_age - RECOGNISED, 0.0))


def _listed(survey: _Survey, clusters: Columns, rng: np.random.Generator) -> Columns:
    """Observe clusters, and return those that the survey would list, as it would."""
    simulator, fields, filters = survey.simulator, survey.fields, survey.filters
    distance = np.array([field.distance for field in fields])[clusters["field"]]
    theta = np.stack([clusters[name] for name in simulator.parameters], axis=1)
    unit = simulator(theta) * SCALE.factor(clusters[LOG_MASS], distance[:, None])[:, None]
    columns = [dict(zip(f.filters, f.columns, strict=True)) for f in fields]
    curve = np.array([[of.get(name, -1) for name in filters] for of in columns])[clusters["field"]]  # (N, F)
    true = np.where(curve >= 0, np.take_along_axis(unit, np.maximum(curve, 0), axis=1), np.nan)

    error = _errors(true, curve, simulator.bands, rng)
    sigma = add_systematic(true, error, survey.systematic[curve])
    flux = normal(true, sigma, rng.standard_normal(true.shape))
    lost = _lost(curve >= 0, filters.index(V), rng)
    clusters = clusters | {
        "true": true,
        "flux": np.where(lost, np.nan, flux),
        "sigma": np.where(lost, np.nan, error),
        "offset": FIELD_DEG * rng.standard_normal((len(true), 2)),
    }
    selected = _selected(flux, error, distance, filters.index(V))
    return {name: values[selected] for name, values in clusters.items()}


def _errors(true: Floats, curve: NDArray[np.intp], curves: tuple[str, ...], rng: np.random.Generator) -> Floats:
    """Return photon and sky errors (N, F) in mJy, NaN where the galaxy lacks the filter."""
    common, own = np.broadcast_to(rng.standard_normal((len(true), 1)), true.shape), rng.standard_normal(true.shape)
    error = np.full(true.shape, np.nan)
    for name, depth in DEPTHS.items():
        if name in curves:
            here = curve == curves.index(name)
            error[here] = photometric_error(true[here], depth, common[here], own[here])
    return error


def _selected(flux: Floats, error: Floats, distance: Floats, v: int) -> NDArray[np.bool_]:
    """Return which clusters (N,) the survey would list."""
    signal_to_noise = np.nan_to_num(flux / error)
    faintest = AB_ZERO_MJY * 10 ** (-0.4 * (FAINTEST_V + 5 * np.log10(distance * 1e5)))
    in_v = (signal_to_noise[:, v] >= MIN_SIGNAL_TO_NOISE) & (flux[:, v] > faintest)
    return np.asarray(in_v & ((signal_to_noise >= DETECTED).sum(axis=1) >= MIN_DETECTED))


def _lost(has: NDArray[np.bool_], v: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which bands (N, F) lose their coverage: one other than V, in a share of the rows."""
    may = has & (np.arange(has.shape[1]) != v)
    band = np.argmax(np.where(may, rng.random(has.shape), -1.0), axis=1)
    loses = rng.random(len(has)) < NO_COVERAGE_SHARE
    return np.asarray(loses[:, None] & (np.arange(has.shape[1]) == band[:, None]))


def _placed(rows: Columns, survey: _Survey, rng: np.random.Generator) -> Drawn:
    """Return clusters sorted by galaxy, with names and positions."""
    order = np.argsort(rows["field"], kind="stable")
    rows = {name: values[order] for name, values in rows.items()}
    field = rows["field"]
    first = np.searchsorted(field, field)
    centre = np.array([(one.ra, one.dec) for one in survey.fields])[field]
    known = [name for name in UNITS if name == LOG_MASS or name in survey.simulator.parameters]
    return Drawn(
        galaxy=np.array([one.name for one in survey.fields])[field],
        number=np.arange(len(field)) - first + 1,
        ra=centre[:, 0] + rows["offset"][:, 0] / np.cos(np.radians(centre[:, 1])),
        dec=centre[:, 1] + rows["offset"][:, 1],
        distance=np.array([one.distance for one in survey.fields])[field],
        component=rows["component"],
        truth={name: rows[name] for name in known},
        true_flux=dict(zip(survey.filters, rows["true"].T, strict=True)),
        flux=dict(zip(survey.filters, rows["flux"].T, strict=True)),
        sigma=dict(zip(survey.filters, rows["sigma"].T, strict=True)),
        rng=rng,
    )


def write_truth(path: Path, drawn: Drawn) -> None:
    """Write what is true of a mock's clusters."""
    columns = [
        Column(drawn.galaxy, "galaxy"),
        Column(drawn.number.astype(np.str_), "cluster_id"),
        Column(drawn.component, "component"),
        *(Column(values, name, unit=UNITS[name]) for name, values in drawn.truth.items()),
        *(Column(values, f"{name}_mJy", unit=u.mJy) for name, values in drawn.true_flux.items()),
    ]
    write_rows(Table(columns), path)
