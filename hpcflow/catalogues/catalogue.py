"""The catalogue that every reader returns: clusters, their photometry in mJy, and why a band cannot be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.model.observe import add_systematic
from hpcflow.store.flags import Reason

__all__ = ["Catalogue"]

LONGEST_NAME = 200


@dataclass(frozen=True)
class Catalogue:
    """Observed clusters, N rows in B bands.

    Args:
        galaxy: (N,) normalised names, see `normalise_galaxy`.
        cluster_id: (N,) the catalogue's own identifiers, as text.
        ra: (N,) right ascension in degrees, NaN where unknown.
        dec: (N,) declination in degrees, NaN where unknown.
        distance: (N,) in Mpc, NaN where unknown.
        cluster_class: (N,) morphological class, -1 where unknown.
        bands: labels of the B bands.
        flux: (N, B) mJy as catalogued, NaN where unusable.
        sigma: (N, B) mJy as catalogued, no systematic added; NaN where unusable.
        reason: (N, B) uint8, a `Reason` each.
        published: what the catalogue itself gives of the parameters, in their declared units, and chi2 (reduced), (N,)
            each, NaN where there is none.
        published_error: their published standard deviations, (N,) each, in the same units.
        distance_error: (N,) standard deviation of log10 of the distance in dex, 0 where unknown; 0 if left out.
        given: what else is given of each object besides its distance, (N,) each, NaN where unknown.
        given_error: its standard deviations, (N,) each; 0 if left out.
        classifier: (N,) a `Classifier` each: who assigned the class.
        notes: remarks on the file, a sentence each.
    """

    galaxy: NDArray[np.str_]
    cluster_id: NDArray[np.str_]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    distance: NDArray[np.float64]
    cluster_class: NDArray[np.int64]
    bands: tuple[str, ...]
    flux: NDArray[np.float64]
    sigma: NDArray[np.float64]
    reason: NDArray[np.uint8]
    published: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    published_error: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    distance_error: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    classifier: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    given: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    given_error: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("distance_error", "classifier"):
            if not len(given := getattr(self, name)):
                object.__setattr__(self, name, np.zeros(len(self), dtype=given.dtype))

    def __len__(self) -> int:
        return len(self.galaxy)

    @property
    def observed(self) -> NDArray[np.bool_]:
        """(N, B) whether a band of a cluster can be used."""
        return np.asarray(self.reason == Reason.OK)

    def masked(self, negative: bool = False) -> Self:
        """Return the catalogue with every unusable number set to NaN and its reason noted.

        A reason that is already set stays; the others follow from the numbers themselves.

        Args:
            negative: whether fluxes of zero and below can be used.
        """
        with np.errstate(invalid="ignore"):
            bad_error = ~(np.isfinite(self.sigma) & (self.sigma > 0))
            causes = [self.reason != Reason.OK, ~np.isfinite(self.flux), (self.flux <= 0) & (not negative), bad_error]
        derived = [np.uint8(r) for r in (Reason.NOT_FINITE, Reason.NEGATIVE, Reason.BAD_ERROR)]
        reason = np.select(causes, [self.reason, *derived], np.uint8(Reason.OK))
        usable = reason == Reason.OK
        flux, sigma = np.where(usable, self.flux, np.nan), np.where(usable, self.sigma, np.nan)
        return replace(self, flux=flux, sigma=sigma, reason=reason)

    def bright(self, systematic: float | Mapping[str, float], largest: float) -> Self:
        """Return the catalogue without bands whose relative error is large: log-normal noise cannot describe them.

        Args:
            systematic: relative error added in quadrature, one for all bands or one for each.
            largest: largest relative error that stays.
        """
        relative = np.array([systematic[b] if isinstance(systematic, Mapping) else systematic for b in self.bands])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            faint = add_systematic(self.flux, self.sigma, relative) > largest * self.flux
        faint &= self.observed
        flux, sigma = np.where(faint, np.nan, self.flux), np.where(faint, np.nan, self.sigma)
        return replace(self, flux=flux, sigma=sigma, reason=np.where(faint, np.uint8(Reason.FAINT), self.reason))

    def select(self, rows: NDArray[Any]) -> Self:
        """Return the rows of a boolean mask (N,) or of indices (M,)."""
        chosen: dict[str, Any] = {name: getattr(self, name)[rows] for name in _BY_ROW}
        for name in _TABLES:
            chosen[name] = {key: value[rows] for key, value in getattr(self, name).items()}
        return replace(self, **chosen)

    def by_galaxy(self) -> Self:
        """Return the catalogue with the rows of each galaxy together, in the order of the galaxies' first rows."""
        names, first, inverse = np.unique(self.galaxy, return_index=True, return_inverse=True)
        place = np.empty(len(names), dtype=np.intp)
        place[np.argsort(first)] = np.arange(len(names))
        order = np.argsort(place[inverse], kind="stable")
        return self if (np.diff(order) == 1).all() else self.select(order)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return for each band the number of clusters with each reason; reasons that do not occur are left out."""
        return {
            band: {r.name: int(n) for r in Reason if (n := np.count_nonzero(self.reason[:, i] == r))}
            for i, band in enumerate(self.bands)
        }

    def refuse_unreadable(self, where: str) -> None:
        """Raise if a name of a galaxy or a cluster is no text that tables and pages can show.

        Raises:
            InputError: naming the first row with such a name, and `where`.
        """
        for row, names in enumerate(zip(self.galaxy.tolist(), self.cluster_id.tolist(), strict=True), start=1):
            if any(len(name) > LONGEST_NAME or not name.isprintable() for name in names):
                raise InputError(
                    f"{where}: row {row} has a galaxy or an identifier that is not printable, or longer than "
                    f"{LONGEST_NAME} characters ({names!r:.80}); give each cluster a plain name"
                )

    def refuse_duplicates(self, where: str) -> None:
        """Raise if two rows are the same cluster.

        Raises:
            InputError: naming the first (galaxy, cluster_id) that occurs twice, and `where`.
        """
        seen: set[tuple[str, str]] = set()
        for key in zip(self.galaxy.tolist(), self.cluster_id.tolist(), strict=True):
            if key in seen:
                raise InputError(
                    f"{where}: cluster {key[1]} of {key[0]} occurs more than once; "
                    "keep one row of each, or name the right identifier column in infer.columns.cluster_id"
                )
            seen.add(key)

    def refuse_without_distance(self) -> None:
        """Raise if no cluster has a distance.

        Raises:
            InputError: naming the galaxies.
        """
        if np.isnan(self.distance).all():
            names = [name or "(no name)" for name in np.unique(self.galaxy).tolist()]
            galaxies = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more galaxies" if len(names) > 5 else "")
            raise InputError(
                f"the distance of {galaxies} is unknown; set infer.distance_mpc to a positive number for it, "
                "or give the table a column distance in Mpc"
            )

    @staticmethod
    def concatenate(catalogues: Sequence["Catalogue"]) -> "Catalogue":
        """Return the rows of several catalogues as one.

        A cluster that the human and the machine catalogue share, with the same photometry, is kept once, from the first
        of them; a note says how many there were.

        Raises:
            InputError: if there are none, their bands differ, or a cluster occurs again with other photometry.
        """
        if not catalogues:
            raise InputError("there is no catalogue to read; name at least one in infer.catalogues")
        if len({c.bands for c in catalogues}) > 1:
            raise InputError("catalogues to be joined have different bands; read them all with the bands of one config")
        if len(catalogues) == 1:
            return catalogues[0]
        joined: dict[str, Any] = {name: np.concatenate([getattr(c, name) for c in catalogues]) for name in _BY_ROW}
        for name in _TABLES:
            joined[name] = {
                key: np.concatenate([getattr(c, name).get(key, np.full(len(c), np.nan)) for c in catalogues])
                for key in dict.fromkeys(key for c in catalogues for key in getattr(c, name))
            }
        notes = tuple(note for c in catalogues for note in c.notes)
        whole = Catalogue(**joined, bands=catalogues[0].bands, notes=notes)._once()
        whole.refuse_duplicates("the catalogues together")
        return whole

    def _once(self) -> "Catalogue":
        """Return the catalogue without rows that repeat an earlier cluster with another classifier."""
        first: dict[tuple[str, str], int] = {}
        keep = np.ones(len(self), dtype=bool)
        for row, key in enumerate(zip(self.galaxy.tolist(), self.cluster_id.tolist(), strict=True)):
            before = first.setdefault(key, row)
            keep[row] = before == row or not self._same(before, row)
        if keep.all():
            return self
        note = f"{np.count_nonzero(~keep)} clusters were classified by humans and by machines: each is kept once"
        return replace(self.select(keep), notes=(*self.notes, note))

    def _same(self, one: int, other: int) -> bool:
        """Whether two rows have the same photometry and different classifiers."""
        return bool(self.classifier[one] != self.classifier[other]) and all(
            np.array_equal(a[one], a[other], equal_nan=True) for a in (self.flux, self.sigma)
        )


_TABLES = ("published", "published_error", "given", "given_error")
_BY_ROW = tuple(f.name for f in fields(Catalogue) if f.name not in ("bands", "notes", *_TABLES))
