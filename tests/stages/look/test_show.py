import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hpcflow.base.errors import InputError
from hpcflow.config.load import dump_yaml, load_yaml
from hpcflow.stages.look.show import show
from hpcflow.stages.run import Run


@pytest.fixture
def run(copied: Callable[[Run], Run], inferred: Run) -> Run:
    return copied(inferred)


def one(run: Run, row: int) -> xr.Dataset:
    return xr.open_zarr(run.posteriors).isel(cluster=row).load()


def test_everything_that_is_known_is_on_the_page(run: Run) -> None:
    cluster = one(run, int(np.nanargmax(xr.open_zarr(run.posteriors).efficiency.values)))
    page = show(run.path, cluster.cluster_id.item(), cluster.galaxy.item())
    assert page.parent == run.path / "report" / "clusters"
    text = page.read_text()
    for outside in ("http://", "https://", "<script", "<link", "url("):
        assert outside not in text
    assert text.count("data:image/png;base64,") == 2
    figures = {path.name for path in (page.parent / page.stem).iterdir()}
    assert figures == {"corner.png", "corner.pdf", "sed.png", "sed.pdf"}
    for wanted in (
        "MAP",
        "flow alone, median",
        "posterior, median",
        "exact, median",
        "truth",
        "mode 1",
        "exact, 1",
        "F275W",
    ):
        assert f">{wanted}<" in text, wanted
    rows = dict(re.findall(r'<th scope="row">(.*?)</th><td class="number">(.*?)</td>', text))
    assert rows["MAP"] == f"{cluster['map'].values[0]:.3f}"
    assert "log of the evidence, on the exact grid" in rows
    # the two ways to the posterior agree as far as a flow of 20 steps allows
    width = float(rows["exact, 84 %"]) - float(rows["exact, 16 %"])
    assert abs(float(rows["exact, median"]) - float(rows["posterior, median"])) < width
    flags = str(cluster.flag.attrs["flag_meanings"]).split()
    for mask, name in zip(cluster.flag.attrs["flag_masks"], flags, strict=True):
        assert (f'<th scope="row">{name.replace("_", " ")}</th>' in text) == bool(cluster.flag.item() & mask)


def test_without_an_exact_posterior_it_says_why(run: Run) -> None:
    text = load_yaml(run.path / "run.yaml")
    text["config"]["observe"] |= {"noise": "lognormal", "relative_error": [0.1, 0.1]}
    (run.path / "run.yaml").write_text(dump_yaml(text))
    cluster = one(run, 3)
    page = show(run.path, cluster.cluster_id.item(), cluster.galaxy.item()).read_text()
    assert "has no width" in page
    assert "exact, median" not in page


def test_a_cluster_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cluster nobody"):
        show(run.path, "nobody")
    with pytest.raises(InputError, match=r"no run\.yaml"):
        show(tmp_path / "nowhere", "1")
    assert not (run.path / "report" / "clusters").exists()
