"""`hpcflow catalogue check`: show what a catalogue contains before anything is computed from it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.atomic import atomic
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.read import detect_format
from hpcflow.config.load import Config, with_values
from hpcflow.figures.colours import colour_colour
from hpcflow.figures.style import to_png
from hpcflow.model.observe import add_systematic
from hpcflow.sources.cluster.parameters import EBV, LOG_AGE, LOG_MASS
from hpcflow.stages.build import build_observer, simulator_over
from hpcflow.stages.input import read_catalogues
from hpcflow.store.flags import Classifier, Reason

__all__ = ["check"]

REDDENINGS = (0.0, 0.5, 1.0)  # E(B-V) of the tracks, mag
AGES = 200


def check(config: Config, path: Path, picture: Path | None) -> Iterator[str]:
    """Yield lines about what was recognised in a catalogue, and draw its colours over those of models.

    Args:
        config: the config with which to read it; `infer.classes` is ignored.
        path: the catalogue.
        picture: the PNG to write; None for no picture.

    Raises:
        InputError: if inference would refuse the catalogue.
    """
    whole = with_values(config, {"infer.catalogues": [str(path)], "infer.classes": None})
    catalogue = read_catalogues(whole)
    name = detect_format(path) if config.infer.format == "auto" else config.infer.format
    yield f"{path.name}: {name}, {len(catalogue):,} rows of {len(np.unique(catalogue.galaxy))} galaxies"
    yield from catalogue.notes
    yield from _galaxies(catalogue)
    yield from _bands(config, catalogue)
    yield from _sum(config, catalogue)
    if picture is not None:
        sets = config.observe.band_sets or [list(catalogue.bands)]
        figure = colour_colour(catalogue.flux, catalogue.bands, [s for s in sets if len(s) > 2], _tracks(config))
        picture.parent.mkdir(parents=True, exist_ok=True)
        with atomic(picture) as growing:
            growing.write_bytes(to_png(figure))
        yield f"colours over the models: {picture}"


def _galaxies(catalogue: Catalogue) -> Iterator[str]:
    for galaxy in np.unique(catalogue.galaxy).tolist():
        of = catalogue.select(catalogue.galaxy == galaxy)
        classes, counts = np.unique(of.cluster_class, return_counts=True)
        kinds = ", ".join(
            f"{n:,} of class {c}" if c >= 0 else f"{n:,} without a class"
            for c, n in zip(classes.tolist(), counts.tolist(), strict=True)
        )
        bands = "+".join(b for b, has in zip(of.bands, (of.reason != Reason.NO_BAND).any(axis=0), strict=True) if has)
        error = f" +- {of.distance_error[0]:.3f} dex" if of.distance_error[0] else ""
        known = of.distance[np.isfinite(of.distance)]
        place = f"at {np.median(known):.2f} Mpc{error}" if len(known) else "without a distance"
        yield f"  {galaxy}: {len(of):,} rows ({kinds}) {place}, in {bands}"


def _bands(config: Config, catalogue: Catalogue) -> Iterator[str]:
    """Yield a line per band: what is missing and why, and how its errors compare with those of training."""
    observer = build_observer(config)
    lowest, highest = observer.trained_errors
    given = config.observe.systematic
    systematic = np.array([given[b] if isinstance(given, dict) else given for b in catalogue.bands])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        error = add_systematic(catalogue.flux, catalogue.sigma, systematic) / np.abs(catalogue.flux)
    reach = f"{lowest:g} to {highest:g}" if np.isfinite(highest) else f"from {lowest:g} up"
    yield f"relative errors in training: {reach}; in the catalogue, with the systematic added:"
    for i, (band, counts) in enumerate(catalogue.counts().items()):
        values = error[np.isfinite(error[:, i]), i]
        lost = ", ".join(f"{n:,} {reason.lower()}" for reason, n in counts.items() if reason != "OK")
        text = f"  {band}: {counts.get('OK', 0):,} usable" + (f", {lost}" if lost else "")
        if len(values):
            low, middle, high = np.quantile(values, (0.16, 0.5, 0.84))
            outside = _percent((values < lowest) | (values > highest))
            text += f"; errors {low:.3f}, {middle:.3f}, {high:.3f} (16, 50, 84 %), {outside} beyond training's"
        yield text


def _sum(config: Config, catalogue: Catalogue) -> Iterator[str]:
    usable = catalogue.observed.sum(axis=1) >= 2
    who = {c.name.lower(): int(np.count_nonzero(catalogue.classifier == c)) for c in Classifier}
    who.pop("unknown")
    if any(who.values()):
        yield "classes were given by " + ", ".join(f"{k}s for {n:,}" for k, n in who.items() if n)
    for name, values in catalogue.published.items():
        yield f"published {name}: {np.count_nonzero(np.isfinite(values)):,} clusters"
    near, far = config.observe.distance_mpc
    if beyond := int(np.count_nonzero((catalogue.distance < near) | (catalogue.distance > far))):
        yield f"{beyond:,} clusters lie outside the distances of training, {near:g} to {far:g} Mpc"
    yield f"{np.count_nonzero(usable):,} clusters have at least two usable bands, {np.count_nonzero(~usable):,} do not"
    if config.infer.classes is not None:
        chosen = np.isin(catalogue.cluster_class, config.infer.classes)
        classes = ", ".join(map(str, config.infer.classes))
        yield f"{np.count_nonzero(chosen):,} are in class {classes}, which infer.classes selects"
        if (catalogue.cluster_class < 0).all():
            yield "there are no classes: set infer.classes to null to infer all clusters"


def _tracks(config: Config) -> dict[str, NDArray[np.floating]]:
    """Return model fluxes (M, B) from young to old by E(B-V); empty if the simulator is slow."""
    if config.model.simulator != "ssp" or set(config.model.parameters) != {LOG_AGE, LOG_MASS, EBV}:
        return {}
    bounds = config.model.parameters[LOG_AGE]
    simulator = simulator_over(config, (LOG_AGE, EBV))
    ages = np.linspace(bounds.low, bounds.high, AGES)
    return {f"E(B-V) {e:g}": np.asarray(simulator(np.column_stack([ages, np.full(AGES, e)]))) for e in REDDENINGS}


def _percent(rows: NDArray[np.bool_]) -> str:
    return f"{100 * rows.mean():.1f} %"
