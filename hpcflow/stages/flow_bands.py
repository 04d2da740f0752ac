"""A flow and the bands of a catalogue: which of them it knows, and the model it was trained for, in these bands."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpcflow.base.errors import InputError
from hpcflow.catalogues.guess import Guess
from hpcflow.config.load import Config
from hpcflow.stages.same_model import has_columns, trained_config
from hpcflow.stages.which import flow_named
from hpcflow.store.flags import LEAST_BANDS

__all__ = ["in_bands", "known_to"]


def known_to(flow: str, found: Guess) -> Guess:
    """Return what was guessed of a catalogue without the bands that a flow does not know, if it is not open to any.

    Args:
        flow: the flow, as `infer.flow` names it.
        found: what was guessed.

    Raises:
        InputError: if there is no such flow, or too few bands are left.
    """
    if not has_columns(flow_named(flow)):
        return found
    known = set(trained_config(flow_named(flow)).model.bands.values())
    bands = {label: curve for label, curve in found.bands.items() if curve in known}
    gone = [label for label in found.bands if label not in bands]
    if len(bands) < LEAST_BANDS:
        raise InputError(
            f"the flow {flow} knows only {len(bands)} of the bands {', '.join(found.bands.values())}; leave out "
            "infer.flow for the exact posterior, or choose another flow (`hpcflow flows` lists those that ship)"
        )
    why = {_column(found, label): f"{flow} does not know {found.bands[label]}" for label in gone}
    return replace(
        found,
        bands=bands,
        band_sets=[[label for label in labels if label in bands] for labels in found.band_sets],
        columns={key: of for key, of in found.columns.items() if key not in gone},
        left_out={**found.left_out, **why},
    )


def _column(found: Guess, label: str) -> str:
    """Return the name of the column of a band's values; the label where the format says the columns."""
    pair = found.columns.get(label)
    return pair[0] if pair and not isinstance(pair, str) else label


def in_bands(trained: Config, bands: Mapping[str, str]) -> dict[str, Any]:
    """Return the source, model and observations that a flow was trained for, as plain values, in some of its bands.

    Args:
        trained: the config that it was trained with.
        bands: label -> curve; of curves that it does not know, the systematic is the largest of those it knows.
    """
    plain = trained.plain()
    model, observe = plain["model"] | {"bands": dict(bands)}, plain["observe"] | {"band_sets": []}
    if isinstance(systematic := observe["systematic"], dict):
        of_curve = {plain["model"]["bands"][label]: value for label, value in systematic.items()}
        observe["systematic"] = {label: of_curve.get(curve, max(of_curve.values())) for label, curve in bands.items()}
    return {"source": plain["source"], "model": model, "observe": observe}
