"""The meanings of flags quote the thresholds that raise them."""

import re

import pytest

from hpcflow.store.flags import (
    ERROR_MARGIN,
    LARGEST_ERROR,
    LEAST_BANDS,
    LEAST_EFFECTIVE,
    LEAST_P,
    MEANINGS,
    MOST_SCATTER,
    POOR_CHI2,
    PRESSED,
    PRIOR_MARGIN,
    SPELT,
    Classifier,
    Flag,
    Reason,
    Refined,
    flag_attributes,
    value_attributes,
)

THRESHOLDS = {
    Flag.NOT_DETECTED: [f"{100 * LARGEST_ERROR:g}"],
    Flag.TOO_FEW_BANDS: [SPELT[LEAST_BANDS]],
    Flag.ERROR_OUTSIDE_TRAINING: [f"{MOST_SCATTER:g}"],
    Flag.FLUX_OUTSIDE_TRAINING: [f"{MOST_SCATTER:g}"],
    Flag.POOR_FIT: [f"{POOR_CHI2:g}"],
    Flag.LOW_EFFICIENCY: [f"{LEAST_EFFECTIVE:g}"],
    Flag.UNLIKELY: [f"{LEAST_P:g}"],
    Flag.PRIOR_EDGE: [f"{100 * PRESSED:g}", f"{100 * PRIOR_MARGIN:g}"],
    Flag.LARGEST_ERROR_EDGE: [f"{100 * PRESSED:g}", f"{100 * ERROR_MARGIN:g}"],
    Flag.SMALLEST_ERROR_EDGE: [f"{100 * PRESSED:g}", f"{100 * ERROR_MARGIN:g}"],
}


def numbers(meaning: str) -> list[str]:
    """Return the numbers in a text, in digits or spelt out, except the power of chi."""
    return re.findall(rf"\b(?:\d[\d.]*|{'|'.join(SPELT[2:])})\b", meaning.replace("chi^2", ""))


@pytest.mark.parametrize("flag", Flag, ids=lambda flag: flag.name)
def test_a_meaning_quotes_its_threshold_and_no_other_number(flag: Flag) -> None:
    assert numbers(MEANINGS[flag]) == THRESHOLDS.get(flag, [])


def test_every_bit_has_a_name_and_a_meaning() -> None:
    said = flag_attributes()
    assert said["flag_masks"] == [2**bit for bit in range(len(Flag))]
    assert said["flag_meanings"].split() == [str(flag.name).lower() for flag in Flag]
    assert said["comment"].split("; ", 1)[0] == f"1: {MEANINGS[Flag.MISSING_BAND]}"


@pytest.mark.parametrize("values", [Reason, Classifier, Refined])
def test_every_value_has_a_name(values: type[Reason] | type[Classifier] | type[Refined]) -> None:
    said = value_attributes(values)
    names = said["flag_meanings"].split()
    assert [values[name.upper()] for name in names] == said["flag_values"]
