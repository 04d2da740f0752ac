"""Objects in memory, arrays or a table, as the table that a file of them would be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import Column, Row, Table
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.catalogues.plain import COLUMNS, find_column
from hpcflow.catalogues.sentinels import marks
from hpcflow.store.flags import Reason

__all__ = ["Objects"]

Columns = dict[str, str | Sequence[str]]


@dataclass(frozen=True)
class Objects:
    """One or several objects.

    Args:
        table: their table.
        columns: the names of its columns, as in the config's `infer.columns`.
        options: how else to read it; see `catalogues.read_options`.
        single: whether it is one object that was given as such.
    """

    table: Table
    columns: Columns
    options: dict[str, Any]
    single: bool

    @classmethod
    def of_table(cls, rows: Any, columns: Mapping[str, str | Sequence[str]], unit: str | None) -> "Objects | None":
        """Return the objects of a table, a row or columns by name; None if it is none of these.

        Args:
            rows: what may be a table or a row of astropy, pandas or numpy, or a mapping of names to columns.
            columns: names of its columns.
            unit: unit of the columns that carry none.
        """
        single = isinstance(rows, Row) or hasattr(rows, "to_frame")  # of pandas, a Series
        if isinstance(rows, Row):
            table = Table(rows.table[rows.index : rows.index + 1])
        elif isinstance(rows, Table | Mapping) or getattr(getattr(rows, "dtype", None), "names", None):
            table = Table(rows)
        elif hasattr(rows, "to_frame") or hasattr(rows, "iloc"):
            table = Table.from_pandas(rows.to_frame().T.infer_objects() if single else rows)
        else:
            return None
        return cls(table, dict(columns), {"unit": unit or ""}, single)

    @classmethod
    def of_arrays(cls, flux: Any, error: Any, bands: Sequence[str], unit: str | None) -> "Objects":
        """Return the objects of arrays (B,) or (N, B).

        Args:
            flux: fluxes or magnitudes.
            error: their standard deviations.
            bands: labels of the bands.
            unit: unit of numbers without one.

        Raises:
            InputError: if shapes disagree, errors are negative, or nothing says the unit.
        """
        if error is None:
            raise InputError("nothing says the errors of flux; give error, of the same shape")
        values, own = _numbers(flux, "flux")
        errors, of_error = _numbers(error, "error")
        if values.shape != errors.shape:
            raise InputError(f"flux has the shape {values.shape}, error {errors.shape}; give one error for each flux")
        if values.ndim not in (1, 2) or values.shape[-1] != len(bands) or not len(values):
            raise InputError(
                f"flux has the shape {values.shape}, but there are {len(bands)} bands ({', '.join(bands)}); give "
                f"({len(bands)},) for one object, or (N, {len(bands)}) for several"
            )
        if own is None and unit is None:
            raise InputError("nothing says the unit of flux; give unit, mJy, Jy, uJy, nJy, AB or Vega, or a Quantity")
        magnitudes = unit in ("AB", "Vega") if own in (None, u.mag) else not _is_flux(own)
        if of_error is not None and _is_flux(of_error) == magnitudes:
            raise InputError(f"flux is in {own or unit}, but error is in {of_error}; give both alike")
        if (negative := errors[(errors < 0) & (marks(values, errors, magnitudes) == Reason.OK)]).size:
            raise InputError(f"an error is negative, {negative[0]:g}; give NaN where a band is missing")
        table, columns = Table(), dict[str, Any]()
        for label, value, sigma in zip(bands, np.atleast_2d(values).T, np.atleast_2d(errors).T, strict=True):
            columns[label] = [f"flux of {label}", f"error of {label}"]
            for name, numbers, of in zip(columns[label], (value, sigma), (own, of_error), strict=True):
                table[name] = Column(numbers, unit=of)
        return cls(table, columns, {"unit": unit or ""}, values.ndim == 1)

    def placed(self, galaxy: Any, cluster_id: Any, distance_mpc: Any, given: Mapping[str, Any]) -> "Objects":
        """Return the objects with their names, distances and whatever else is given, where these are not None.

        Args:
            galaxy: one galaxy, or (N,).
            cluster_id: (N,) identifiers, or that of one object.
            distance_mpc: one distance, (N,), or a mapping of galaxies to distances.
            given: further quantities by name, one value or (N,) each.

        Raises:
            InputError: if there are not as many as there are objects, or a distance is not positive.
        """
        options, columns = dict(self.options), dict[str, Any](given)
        if isinstance(galaxy, str):
            options["galaxy"] = galaxy
        elif galaxy is not None:
            columns["galaxy"] = galaxy
        if cluster_id is not None:
            columns["cluster_id"] = cluster_id
        if isinstance(distance_mpc, Mapping):
            options["distance_mpc"] = dict(distance_mpc)
        elif distance_mpc is not None:
            columns["distance"], options["distance_mpc"] = _distances(distance_mpc), {}  # not that of a run's config
        placed = replace(self, options=options)
        for name, values in columns.items():
            placed = placed._with(name, values)
        if "galaxy" not in options and placed._lacks("galaxy") and not placed._lacks("distance"):
            options["galaxy"] = ""  # nothing but the distance depends on it
        return placed

    @property
    def placeless(self) -> bool:
        """Whether nothing says how far the objects are."""
        return "galaxy" not in self.options and self._lacks("galaxy") and self._lacks("distance")

    def _lacks(self, key: str) -> bool:
        return key not in self.columns and find_column(self.table, COLUMNS[key]) is None

    def _with(self, name: str, values: Any) -> "Objects":
        """Return the objects with a column, instead of any that has its name in other letters."""
        table, unit = self.table.copy(), getattr(values, "unit", None)
        table.remove_columns([other for other in table.colnames if other.lower() == name.lower()])
        plain = np.asarray(values.value if unit is not None else values)
        if plain.shape not in ((), (1,), (len(table),)):
            raise InputError(f"{name} has the shape {plain.shape}, but there are {len(table)} objects; give one each")
        table[name] = Column(np.broadcast_to(plain, len(table)).copy(), unit=unit)
        return replace(self, table=table, columns={**self.columns, name: name} if name in COLUMNS else self.columns)


def _numbers(values: Any, what: str) -> tuple[NDArray[np.float64], u.UnitBase | None]:
    """Return an array of numbers, NaN where it is masked, and its unit if it has one."""
    unit = getattr(values, "unit", None)
    try:
        plain = np.ma.asarray(values.value if unit is not None else values)
        numbers = np.asarray(np.ma.filled(plain.astype(np.float64), np.nan))
    except (TypeError, ValueError) as e:
        raise InputError(f"{what} is not an array of numbers; give (B,) or (N, B) of them ({e})") from e
    return numbers, None if unit == u.dimensionless_unscaled else unit


def _is_flux(unit: Any) -> bool:
    """Return whether a unit is a flux density; those of magnitudes are equivalent to it, but linear it is not."""
    return isinstance(unit, u.UnitBase) and unit.is_equivalent(u.mJy)


def _distances(values: Any) -> NDArray[np.float64]:
    """Return distances in Mpc."""
    if isinstance(values, u.Quantity):
        if not values.unit.is_equivalent(u.Mpc):
            raise InputError(f"distance_mpc is in {values.unit}, which is no length; give Mpc")
        values = values.to_value(u.Mpc)
    distance, _ = _numbers(values, "distance_mpc")
    if not (distance > 0).all():
        raise InputError("distance_mpc must be positive; correct it, or leave out objects whose distance is unknown")
    return distance
