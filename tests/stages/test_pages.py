"""Pages in a real browser: nothing is asked of the network, nothing is wrong in the console, every figure is there.

HPCFLOW_PAGES names pages of real runs to open as well, separated by colons; HPCFLOW_SCREENSHOTS a folder for pictures.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from hpcflow.stages.look.show import show
from hpcflow.stages.report import make_report
from hpcflow.stages.run import Run

PAGES = [Path(page).resolve() for page in os.environ.get("HPCFLOW_PAGES", "").split(":") if page]
PICTURES = os.environ.get("HPCFLOW_SCREENSHOTS")


def look(browse: Callable[..., Any], page: Path, width: int = 1280) -> Any:
    picture = None if PICTURES is None else Path(PICTURES) / f"{page.parents[1].name}-{page.stem}-{width}.png"
    found = browse(page, picture, width)
    assert found.errors == []
    assert [url for url in found.requests if not url.startswith("data:")] == [page.as_uri()]
    assert found.broken == []
    assert not found.wider_than_window
    return found


@pytest.mark.slow
def test_the_page_of_a_mock_of_the_survey(
    browse: Callable[..., Any], copied: Callable[[Run], Run], inferred: Run
) -> None:
    page = make_report(copied(inferred).path)
    assert look(browse, page).images == len(list((page.parent / "figures").glob("*.png"))) > 15
    look(browse, page, 500)  # and on a telephone


@pytest.mark.slow
def test_the_page_of_a_cluster(browse: Callable[..., Any], copied: Callable[[Run], Run], inferred: Run) -> None:
    ds = xr.open_zarr(inferred.posteriors)
    page = show(copied(inferred).path, str(ds.cluster_id.values[3]), str(ds.galaxy.values[3]))
    assert look(browse, page).images == 2


if PAGES:

    @pytest.mark.parametrize("page", PAGES)
    def test_the_page_of_a_real_run(browse: Callable[..., Any], page: Path) -> None:
        assert look(browse, page).images > 1


def test_a_page_that_is_wrong_is_seen(browse: Callable[..., Any], tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text("<img src='gone.png' alt='a figure'><div style='width: 3000px'>x</div><script>undefined.x</script>")
    found = browse(page, tmp_path / "wrong.png")
    assert len(found.errors) >= 2 and "TypeError" in "".join(found.errors)
    assert found.broken == ["a figure"]
    assert found.wider_than_window
    assert any("gone.png" in url for url in found.requests)
    assert (tmp_path / "wrong.png").read_bytes().startswith(b"\x89PNG")
