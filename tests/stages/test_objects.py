"""Objects in memory become the table that a file of them would be."""

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from hpcflow.base.errors import InputError
from hpcflow.stages.objects import Objects

NOTHING: dict[str, Any] = {"galaxy": None, "cluster_id": None, "distance_mpc": None, "given": {}}


def of_table(rows: Any, **said: Any) -> Objects:
    found = Objects.of_table(rows, {}, "mJy")
    assert found is not None
    return found.placed(**{**NOTHING, **said})


def test_arrays_have_columns_of_their_own_with_their_units() -> None:
    flux = np.ma.masked_less([[1.0, 2.0], [3.0, -99.0]], 0)
    found = Objects.of_arrays(flux, [[0.1, 0.2], [0.3, 0.4]] * u.uJy, ["U", "V"], "mJy")
    assert not found.single
    assert found.table[found.columns["V"][0]].tolist()[0] == 2.0
    assert np.isnan(found.table[found.columns["V"][0]][1])
    assert found.table[found.columns["U"][0]].unit is None
    assert found.table[found.columns["U"][1]].unit == u.uJy
    assert Objects.of_arrays([1.0, 2.0], [0.1, 0.2], ["U", "V"], "mJy").single


def test_sentinels_are_no_negative_errors() -> None:
    assert len(Objects.of_arrays([-99.0, 2.0], [-99.0, 0.2], ["U", "V"], "mJy").table) == 1
    with pytest.raises(InputError, match="an error is negative, -1"):
        Objects.of_arrays([-99.0, 2.0], [-99.0, -1.0], ["U", "V"], "mJy")


def test_what_is_said_of_objects_replaces_what_their_table_says() -> None:
    rows = Table({"Distance": [1.0, 2.0], "ID": [5, 6], "z": [0.1, 0.2]})
    found = of_table(rows, cluster_id=["a", "b"], distance_mpc=3.0, given={"z": [1, 2] * u.one}, galaxy=["M51", "M83"])
    assert sorted(found.table.colnames) == ["ID", "cluster_id", "distance", "galaxy", "z"]
    assert found.table["distance"].tolist() == [3.0, 3.0]
    assert found.table["z"].tolist() == [1, 2]
    assert found.columns == {"galaxy": "galaxy", "cluster_id": "cluster_id", "distance": "distance"}
    assert rows.colnames == ["Distance", "ID", "z"]
    assert rows["z"].tolist() == [0.1, 0.2]


def test_the_galaxy_may_be_left_out_where_the_distance_is_known() -> None:
    assert of_table(Table({"distance": [1.0]})).options["galaxy"] == ""
    assert of_table(Table({"x": [1.0]}), distance_mpc=5 * u.kpc).table["distance"].tolist() == [0.005]
    assert "galaxy" not in of_table(Table({"galaxy": ["M51"], "distance": [1.0]})).options
    assert of_table(Table({"x": [1.0]}), galaxy="M51", distance_mpc={"M51": 8.6}).options["distance_mpc"] == {
        "M51": 8.6
    }
    assert of_table(Table({"x": [1.0]})).placeless
    assert not of_table(Table({"x": [1.0]}), galaxy="M51").placeless


def test_what_is_no_table_is_said_to_be_none() -> None:
    assert Objects.of_table(np.ones(3), {}, None) is None
    assert Objects.of_table([1.0, 2.0] * u.mJy, {}, None) is None
    assert of_table(np.array([(1.0, 2.0)], dtype=[("a", float), ("b", float)])).table.colnames == ["a", "b"]
