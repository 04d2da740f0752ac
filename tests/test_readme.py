"""The recipes of the README do what they say, on a small run, with and without importance weights."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

from hpcflow.stages.run import Run
from hpcflow.store.flags import Flag

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture
def recipes(inferred: Run) -> Callable[[Callable[[xr.Dataset], xr.Dataset]], dict[str, Any]]:
    """Give a function that runs the README's Python, on the archive as the function it is given changes it."""
    ds = xr.open_zarr(inferred.posteriors)
    first = np.flatnonzero(np.isfinite(ds["entropy"].values))[0]
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
    opening = 'ds = xr.open_zarr("runs/demo/posteriors.zarr")'
    assert opening in code
    code = code.replace(opening, "ds = given").replace("runs/demo", str(inferred.path))
    code = code.replace("NGC1566", str(ds.galaxy.values[first])).replace('"12"', repr(str(ds.cluster_id.values[first])))

    def run(change: Callable[[xr.Dataset], xr.Dataset]) -> dict[str, Any]:
        mpl.use("agg")
        fits = ds.flag & ~Flag.POOR_FIT.value  # the small run's flow is hardly trained: nothing fits
        names: dict[str, Any] = {"given": change(ds.assign(flag=fits.assign_attrs(ds.flag.attrs)))}
        exec(compile(code, "README.md", "exec"), names)
        names["plt"].close("all")
        return names

    return run


def test_recipes(recipes: Callable[..., dict[str, Any]]) -> None:
    found = recipes(lambda ds: ds)
    count = np.isfinite(found["good"]["entropy"].values).sum()
    assert 0 < count <= 50
    assert len(found["table"]) == 200
    np.testing.assert_allclose(
        found["one"]["mean_flow"], [found["table"][n].mean() for n in found["table"].colnames[:3]], 1e-5
    )
    assert found["mass_function"]().sum() == count
    assert (found["low"] <= found["median"]).all()
    assert (found["median"] <= found["high"]).all()
    assert len(found["middle"]) == (found["good"].galaxy == found["one"].galaxy).sum()
