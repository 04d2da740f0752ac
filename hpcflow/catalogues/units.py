"""Conversion of a catalogue's fluxes to mJy, and checks that the units are plausible."""

from collections.abc import Sequence

import numpy as np
from astropy import units as u
from astropy.table import Column
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.zero_points import AB_ZERO_MJY, VEGA_TO_AB
from hpcflow.sources.source import Source

__all__ = ["check_colours", "check_units", "in_unit", "magnitudes_of", "to_mjy", "unit_of"]

Floats = NDArray[np.float64]

# Units of magnitudes in headers, in small letters without blanks; astropy knows few of them.
MAGNITUDES = {"abmag": "AB", "mag(ab)": "AB", "ab": "AB", "vegamag": "Vega", "mag(vega)": "Vega", "vega": "Vega"}
COLOUR_MAG = 0.2  # tolerance of median colours: LEGUS is off by 0.05, or by 0.25 with Vega taken for AB
LEAST_ROWS = 50  # with fewer, a median says little


def to_mjy(
    value: Floats, error: Floats, unit: str, *, error_unit: str | None = None, curve: str = ""
) -> tuple[Floats, Floats]:
    """Return flux and its standard deviation in mJy.

    Magnitudes become f = 3631 Jy 10^(-0.4 m_AB) with sigma = f sigma_m ln(10) / 2.5.

    Args:
        value: (N,) fluxes or magnitudes.
        error: (N,) their errors.
        unit: a flux density as astropy writes it (mJy, Jy, uJy, nJy, ...), or the magnitudes AB or Vega.
        error_unit: unit of the errors, if it differs.
        curve: name of the band's shipped curve, which Vega magnitudes need.

    Raises:
        InputError: if the unit is neither, or the offset of the band's Vega magnitudes is not known.
    """
    if unit not in ("AB", "Vega"):
        return value * _factor(unit), error * _factor(error_unit or unit)
    if unit == "Vega" and curve not in VEGA_TO_AB:
        raise InputError(
            f"Vega magnitudes through {curve or 'an unnamed curve'} have no known offset to AB; give fluxes "
            "or AB magnitudes (offsets are known for the curves that ship, which docs/models.md lists)"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        flux = AB_ZERO_MJY * 10 ** (-0.4 * (value + (VEGA_TO_AB[curve] if unit == "Vega" else 0.0)))
        return flux, flux * error * np.log(10) / 2.5


def unit_of(column: Column, default: str) -> str:
    """Return the unit of a table's column, as `to_mjy` takes it, or `default` if it has none.

    Plain magnitudes are taken to be in the default, if that is AB or Vega.

    Raises:
        InputError: if the column's unit is neither a flux density nor such a magnitude, or there is neither a unit nor
            a default.
    """
    unit = column.unit
    if unit is None or unit == u.dimensionless_unscaled:
        if not default:
            raise InputError(f"nothing says the unit of {column.name}; set infer.unit to mJy, Jy, uJy, nJy, AB or Vega")
        return default
    if unit == u.mag and default in ("AB", "Vega"):
        return default
    if system := magnitudes_of(column):
        return system
    if isinstance(unit, u.UnitBase) and unit.is_equivalent(u.mJy):
        return str(unit.to_string())
    raise InputError(
        f"column {column.name} is in {unit}, which is not a flux density; convert it to mJy, "
        "or set infer.unit to AB or Vega if these are magnitudes"
    )


def magnitudes_of(column: Column) -> str | None:
    """Return AB or Vega if a table's column says that it is in such magnitudes, else None.

    >>> magnitudes_of(Column([20.0], "F555W", unit="mag(AB)")), magnitudes_of(Column([20.0], "F555W", unit="mag"))
    ('AB', None)
    """
    return MAGNITUDES.get(str(column.unit).lower().replace(" ", ""))


def in_unit(values: Floats, column: Column, unit: str, where: object) -> Floats:
    """Return a column's values in a unit, converted from the column's own unit if it has one.

    A linear unit is converted to a logarithmic one (yr to dex(yr)), and a bare dex is taken as it is.

    Args:
        values: (N,) the column's numbers.
        column: for its name and unit.
        unit: the unit to return, as astropy writes it; empty for none.
        where: the file, for the message.

    Raises:
        InputError: if the units are not of the same kind.

    >>> in_unit(np.array([100.0]), Column([100.0], "distance", unit="kpc"), "Mpc", "t.ecsv").tolist()
    [0.1]
    >>> in_unit(np.array([10.0]), Column([10.0], "log_age", unit="Myr"), "dex(yr)", "t.ecsv").tolist()
    [7.0]
    """
    own, wanted = column.unit, u.Unit(unit)
    if own is None or own == wanted or (own == u.dex and isinstance(wanted, u.DexUnit)):
        return values
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(own.to(wanted, values), dtype=np.float64)
    except (u.UnitConversionError, TypeError, ValueError) as e:
        raise InputError(
            f"{where}: column {column.name} is in {own}, but it must be in {unit or 'no unit at all'}; convert it"
        ) from e


def check_units(flux: Floats, distance: Floats, source: Source, where: str, unit: str = "mJy") -> None:
    """Refuse fluxes whose median cannot be that of such sources.

    Args:
        flux: (N, B) mJy, NaN where unusable.
        distance: (N,) Mpc, NaN where unknown; such rows are not judged.
        source: what is listed.
        where: what is being read, for the message.
        unit: the unit that was assumed, so that a better one can be named.

    Raises:
        InputError: if the median absolute AB magnitude lies outside the range of its kind of source.
    """
    known = np.isfinite(distance)
    if source.absolute_mag is None or not known.any():
        return
    low, high = source.absolute_mag
    flux, distance = flux[known], distance[known]
    modulus = np.broadcast_to(5 * np.log10(distance * 1e5)[:, None], flux.shape)
    positive = flux > 0
    magnitudes = -2.5 * np.log10(flux[positive] / AB_ZERO_MJY) - modulus[positive]
    median = float(np.median(magnitudes)) if len(magnitudes) else np.inf
    if low <= median <= high:
        return
    guesses = [] if unit in ("AB", "Vega") else ["Jy", "mJy", "uJy", "nJy"]
    would_be = {guess: median - 2.5 * np.log10(_factor(guess) / _factor(unit)) for guess in guesses}
    fits = "".join(f" ({m:.1f} if they are {guess})" for guess, m in would_be.items() if low <= m <= high)
    raise InputError(
        f"{where}: the median absolute AB magnitude of its fluxes would be {median:.1f}{fits}, but that of "
        f"{source.plural} lies from {low} to {high}; fluxes must be in mJy, or set infer.unit to theirs, or "
        "infer.check_units: false to go on regardless"
    )


def check_colours(flux: Floats, model: NDArray[np.floating], bands: Sequence[str], where: str, unit: str) -> None:
    """Refuse fluxes whose median colours no model has: Vega taken for AB, or bands in different units.

    Clusters with all bands of an instrument are checked together. Those that lack some are left out, because which
    bands they lack depends on their colours.

    Args:
        flux: (N, B) mJy, NaN where unusable.
        model: (M, B) fluxes of models that cover the prior.
        bands: their labels.
        where: what is being read, for the message.
        unit: the unit that was assumed.

    Raises:
        InputError: if the nearest model is off by more than `COLOUR_MAG` in some band.
    """
    patterns, which = np.unique(np.nan_to_num(flux) > 0, axis=0, return_inverse=True)
    for number, have in enumerate(patterns):
        rows, contained = which.ravel() == number, (patterns | ~have).all(axis=1)
        # Two bands have a single colour, and dust can produce nearly any.
        if contained.sum() > 1 or rows.sum() < LEAST_ROWS or have.sum() < 3:
            continue
        median, models = np.median(_colours(flux[rows][:, have]), axis=0), _colours(model[:, have])
        away = np.abs(models - median)
        nearest = away[np.argmin(away.max(axis=1))]
        if nearest.max() <= COLOUR_MAG:
            continue
        names = np.array(bands)[have].tolist()
        raise InputError(
            f"{where}: no model has the median colours of its {rows.sum()} clusters with {', '.join(names)}: the "
            f"nearest is off by {nearest.max():.1f} mag in {names[int(nearest.argmax())]}; check infer.unit ({unit}; "
            "Vega for AB, or the other way round?) and infer.columns, or set infer.check_units: false to go on "
            "regardless"
        )


def _colours(flux: NDArray[np.floating]) -> Floats:
    """Return magnitudes (N, B) minus their mean over the bands."""
    magnitude = -2.5 * np.log10(flux)
    return np.asarray(magnitude - magnitude.mean(axis=1, keepdims=True))


def _factor(unit: str) -> float:
    try:
        return float(u.Unit(unit).to(u.mJy))
    except (ValueError, TypeError) as e:
        raise InputError(f"infer.unit {unit} is none of mJy, Jy, uJy, nJy, AB, Vega or another flux density") from e
