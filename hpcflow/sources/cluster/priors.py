"""Priors of star clusters that ship: how their parameters hang together, as `model.prior` in a config says it."""

from collections.abc import Mapping
from typing import Any

from hpcflow.sources.cluster.parameters import EBV, LOG_AGE, METALLICITY

__all__ = ["PRIORS"]

# Whitmore et al. 2023 (MNRAS 520, 63): old globular clusters are metal-poor and free of dust, which ages from
# photometry at solar metallicity do not know.
PRIORS: Mapping[str, Mapping[str, Any]] = {
    "phangs": {
        "disc": {"weight": 0.85, "parameters": {METALLICITY: {"low": 0.008, "high": 0.03}}},
        "globular": {
            "weight": 0.15,
            "parameters": {LOG_AGE: {"low": 9.7}, METALLICITY: {"low": 0.0004, "high": 0.008}, EBV: {"high": 0.1}},
        },
    },
}
