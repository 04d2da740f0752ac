"""Pairs of columns: which column holds the errors of which fluxes or magnitudes."""

from collections.abc import Iterable
from dataclasses import dataclass

from hpcflow.catalogues.column_names import ColumnName

__all__ = ["Pair", "pairs_of"]


@dataclass(frozen=True)
class Pair:
    """What the name of a column of fluxes or magnitudes says, and the name of the column of its errors.

    >>> from hpcflow.catalogues.column_names import parse_name
    >>> print(*pairs_of([parse_name(name) for name in ("F555W", "F555W_err", "F555W_snr")]))
    [F555W, F555W_err]
    """

    value: ColumnName
    error: str

    def __str__(self) -> str:
        return f"[{self.value.name}, {self.error}]"


def pairs_of(names: Iterable[ColumnName]) -> list[Pair]:
    """Return every pair of a value and an error that suit each other, and of which neither suits another one better.

    A value that has two equally good errors, or an error with two such values, is in two pairs.
    """
    values, errors = list[ColumnName](), list[ColumnName]()
    for name in names:
        (errors if name.error else values).append(name)
    unlike = {(v.name, e.name): distance for v in values for e in errors if (distance := _unlike(v, e)) is not None}
    best = dict[str, int]()  # of each column, how unlike it is to the column that it suits best
    for pair, distance in unlike.items():
        for column in pair:
            best[column] = min(distance, best.get(column, distance))
    return [
        Pair(value, error.name)
        for value in values
        for error in errors
        if (pair := (value.name, error.name)) in unlike and unlike[pair] == best[value.name] == best[error.name]
    ]


def _unlike(value: ColumnName, error: ColumnName) -> int | None:
    """Return in how many respects only one of two names says something; None if they contradict each other."""
    if (value.filter_name, value.rest) != (error.filter_name, error.rest):
        return None
    both = [(getattr(value, key), getattr(error, key)) for key in ("camera", "kind", "unit")]
    if any(one != other and one and other for one, other in both):
        return None
    return sum(one != other for one, other in both)
