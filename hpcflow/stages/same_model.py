"""Whether a flow may serve a config: it was trained for the same model, and knows the config's bands among others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpcflow.base.errors import InputError
from hpcflow.config.load import Config, difference, parse_config
from hpcflow.flow import checkpoint

__all__ = ["columns_of", "has_columns", "trained_config", "unseen_bands"]


def trained_config(flow: Path) -> Config:
    """Return the config that the flow in a folder was trained with.

    Raises:
        InputError: if there is no flow, or this version does not know such a config.
    """
    description = checkpoint.read_description(flow)
    try:
        return parse_config(description["config"])
    except InputError as e:
        raise InputError(f"{flow} was trained with a config that this version does not know: {e}") from e


def has_columns(flow: Path) -> bool:
    """Return whether a flow sees each band in a place of its own, and not bands as a set."""
    return bool(checkpoint.read_description(flow)["flow"].get("sees") != "set")


def unseen_bands(flow: Path, config: Config) -> list[bool]:
    """Return which of the config's bands have a filter curve that the flow was not trained with."""
    known = set(trained_config(flow).model.bands.values())
    return [curve not in known for curve in config.model.bands.values()]


def columns_of(flow: Path, config: Config) -> list[int] | None:
    """Return the flow's columns that are the config's bands, in the config's order; None if it has no columns.

    A band is known by its filter curve, and by its label only where several bands have the same curve. A flow that sees
    bands as a set has no columns, and is used in the config's bands as they are.

    Args:
        flow: the flow's folder.
        config: the config that it is to serve.

    Raises:
        InputError: if it was trained for another model, does not know one of the bands, or has never seen an object
            with just these.
    """
    trained = trained_config(flow)
    if not has_columns(flow):
        _refuse_another_model(flow, trained, config, None)
        return None
    known, wanted = trained.model.bands, config.model.bands
    place = {band: _place(known, band, curve) for band, curve in wanted.items()}
    if unknown := [f"{band} ({wanted[band]})" for band, column in place.items() if column is None]:
        raise InputError(
            f"{flow} does not know {', '.join(unknown)}; leave the bands out, or train a flow for them (it knows "
            f"{', '.join(known.values())})"
        )
    columns = [column for column in place.values() if column is not None]
    if len(set(columns)) < len(columns):
        raise InputError(f"{flow} cannot tell bands with the same curve apart; keep one of each in model.bands")
    labels = list(known)
    _refuse_another_model(flow, trained, config, [labels[column] for column in columns])
    _refuse_unseen(flow, trained, {labels[column] for column in columns})
    return columns


def _place(known: Mapping[str, str], band: str, curve: str) -> int | None:
    """Return the column of a band among those that a flow knows; None if it does not."""
    alike = [column for column, own in enumerate(known.values()) if own == curve]
    named = [column for column in alike if list(known)[column] == band]
    return named[0] if named else alike[0] if len(alike) == 1 else None


def _refuse_another_model(flow: Path, trained: Config, config: Config, labels: list[str] | None) -> None:
    """Raise if a flow was trained for another model or other observations than the config's, apart from its bands.

    Args:
        flow: the flow's folder.
        trained: the config that it was trained with.
        config: the config that it is to serve.
        labels: the flow's labels of the config's bands; None if it need not know them.
    """
    of_flow, of_config = _comparable(trained, labels), _comparable(config, labels and list(config.model.bands))
    if changed := difference(of_flow, of_config):
        raise InputError(
            f"{flow} was trained for another model ({'; '.join(changed[:5])}): take model and observe from the config "
            "of that run (bands that the catalogue lacks are masked), or train a flow for this one"
        )


def _comparable(config: Config, labels: list[str] | None) -> dict[str, Any]:
    """Return what two configs must agree in, in terms that do not depend on the names of bands."""
    plain = config.plain()
    of_bands = plain["observe"].pop("systematic")
    del plain["model"]["bands"], plain["observe"]["band_sets"]
    systematic = [of_bands[label] if isinstance(of_bands, dict) else of_bands for label in labels or ()]
    plain["observe"]["systematic"] = systematic
    return {key: plain[key] for key in ("source", "model", "observe")}


def _refuse_unseen(flow: Path, trained: Config, labels: set[str]) -> None:
    """Raise if a flow that was trained without missing bands has seen no object with these bands alone."""
    sets = trained.observe.band_sets or [list(trained.model.bands)]
    if not trained.observe.may_lack and not any(set(bands) <= labels for bands in sets):
        lacking = [band for band in trained.model.bands if band not in labels]
        raise InputError(
            f"{flow} was trained without missing bands and cannot do without {', '.join(lacking)}; add the bands to "
            "model.bands, or use a flow that was trained with observe.missing above 0 or observe.subset"
        )
