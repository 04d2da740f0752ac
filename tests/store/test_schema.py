"""The schema lists names, shapes and codes of all variables of an archive."""

from dataclasses import replace

import numpy as np
import pytest

from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.known import known_variables
from hpcflow.model.prior import Parameter
from hpcflow.model.simulator import Quantity
from hpcflow.sources.cluster.parameters import SCALE
from hpcflow.store.schema import Schema, known_names

PARAMETERS = (Parameter("log_age", 6, 10, "dex(yr)"), Parameter("r_v", 2, 5))
KNOWN = known_names(["distance"])
MAGNITUDE = Quantity("m_v", "mag", "magnitude")
SCHEMA = Schema(PARAMETERS, ("U", "V", "I"), samples=5, modes=2, derived=(MAGNITUDE,), given=SCALE.given)


@pytest.mark.parametrize("weighted", [False, True])
def test_nothing_has_absent_values_of_every_inferred_variable(weighted: bool) -> None:
    schema = replace(SCHEMA, weighted=weighted)
    nothing = schema.nothing(4)
    assert set(nothing) == set(schema.variables) - set(KNOWN)
    for name, values in nothing.items():
        assert values.shape == schema.shape(name, 4)
        assert (values == 0 if name in ("flag", "refined", "prior_edge") else np.isnan(values)).all(), name
    assert nothing["theta"].shape == (4, 5, 2)
    assert nothing["predictive_quantile"].shape == (4, 3, 3)
    assert nothing["derived_quantile"].shape == (4, 3, 1)


def test_catalogues_give_the_variables_known_before_inference() -> None:
    catalogue = Catalogue(
        galaxy=np.array(["a"]),
        cluster_id=np.array(["1"]),
        ra=np.zeros(1),
        dec=np.zeros(1),
        distance=np.ones(1),
        cluster_class=np.ones(1, np.int64),
        bands=("U", "V", "I"),
        flux=np.ones((1, 3)),
        sigma=np.ones((1, 3)),
        reason=np.zeros((1, 3), np.uint8),
    )
    known = known_variables(catalogue, 0.0, PARAMETERS)
    assert list(known) == KNOWN
    assert {name: values.shape for name, values in known.items()} == {name: SCHEMA.shape(name, 1) for name in KNOWN}


def test_schemas_do_not_share_band_sets() -> None:
    other = replace(SCHEMA, band_sets=[["U", "V"], ["V", "I"]])
    assert other.variables["band_set"].attrs["flag_meanings"] == "U+V V+I"
    assert SCHEMA.variables["band_set"].attrs["flag_meanings"] == "U+V+I"
    assert SCHEMA.variables["band_set"].attrs["flag_values"] == [0]
