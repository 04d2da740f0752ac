"""`hpcflow report`: figures and one self-contained page about what a run has computed so far."""

import base64
import gc
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from hpcflow.base.atomic import atomic_folder, write_whole
from hpcflow.calibration.recovery import find_truth, join_truth, recovery
from hpcflow.calibration.verdicts import Verdict, judge
from hpcflow.config.load import dump_yaml
from hpcflow.config.sections import Require
from hpcflow.figures.posteriors import example_clusters, outlier_clusters
from hpcflow.figures.style import save_pdf, to_png
from hpcflow.stages.look.compare import write_tables
from hpcflow.stages.look.exactly import exact_posteriors, trained_errors
from hpcflow.stages.look.folder import RunFolder, open_folder
from hpcflow.stages.look.headline import MOST, galaxy_rows, headline, recovery_numbers
from hpcflow.stages.look.plans import Beside, Plans, plan_figures
from hpcflow.stages.progress import tracked
from hpcflow.store.flags import POOR_CHI2
from hpcflow.store.summary import count_flags, has_posterior, summarise, units

__all__ = ["draw", "make_report", "render"]

TEMPLATES = Path(__file__).parent / "templates"


def make_report(run: Path) -> Path:
    """Draw the figures of a run, and write them and a page into its folder `report`.

    The page names stages that have not been run. The same run gives the same bytes.

    Args:
        run: the run's folder.

    Returns:
        the page, `report/index.html`; the folder `figures` beside it has the figures as PNG and PDF.

    Raises:
        InputError: if the folder is not a run, or a part of it cannot be read.
    """
    folder = open_folder(run)
    archive = None if folder.posteriors is None else summarise(folder.posteriors)
    truth = _truth(folder, archive)
    examples = {} if archive is None else example_clusters(archive) | outlier_clusters(archive)
    if archive is not None:
        write_tables(archive, truth, folder.paths.tables)
    exact, _ = ({}, "") if archive is None else exact_posteriors(folder.config, archive, examples.values())
    draws = {row: posterior.samples for row, posterior in exact.items()}
    errors = None if archive is None else trained_errors(folder.config)
    pictures = draw(plan_figures(folder, archive, Beside(truth, draws, errors), examples), folder.paths.figures)
    page = _render(folder, archive, truth, examples, pictures)
    write_whole(folder.paths.page, page)
    return folder.paths.page


def _truth(folder: RunFolder, archive: xr.Dataset | None) -> NDArray[np.floating] | None:
    """Return the true parameters (N, D) of the archive's clusters, or None if no catalogue has any."""
    files = find_truth((folder.config.get("infer") or {}).get("catalogues") or [], folder.path)
    if archive is None or not files:
        return None
    truth = join_truth(archive, files)
    return truth if np.isfinite(truth[has_posterior(archive)]).any() else None


def draw(plans: Plans, final: Path) -> dict[str, str]:
    """Draw the figures one by one and write them into a folder; return the PNGs as data URIs by name."""
    pictures = {}
    final.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(final) as growing, tracked("draw", len(plans), unit="figures") as track:
        for name, plan in plans.items():
            figure = plan()
            png = to_png(figure)
            (growing / f"{name}.png").write_bytes(png)
            save_pdf(figure, growing / f"{name}.pdf")
            pictures[name] = "data:image/png;base64," + base64.b64encode(png).decode()
            del figure
            track.advance(1)
            gc.collect()  # figures are large, and refer to their canvases and back
    return pictures


def _render(
    folder: RunFolder,
    archive: xr.Dataset | None,
    truth: NDArray[np.floating] | None,
    examples: Mapping[str, int],
    pictures: Mapping[str, str],
) -> str:
    numbers = headline(folder, archive)
    if archive is not None and truth is not None and (found := recovery(archive, truth)):
        numbers += recovery_numbers(found)
    return render(
        "report.html.j2",
        name=folder.config.get("name") or folder.path.resolve().name,
        groups=[(group, list(lines)) for group, lines in groupby(numbers, attrgetter("group"))],
        progress=folder.progress(),
        trained=folder.history is not None or bool(folder.flow),
        borrowed=(folder.config.get("infer") or {}).get("flow"),
        verdicts=_verdicts(folder),
        figures=pictures,
        examples=examples,
        clusters=None if archive is None else archive.sizes["cluster"],
        bands=[] if archive is None else archive["band"].values.tolist(),
        flags=[] if archive is None else count_flags(archive),
        poor_chi2=POOR_CHI2,
        galaxies=[] if archive is None else galaxy_rows(archive),
        units="" if archive is None else ", ".join(unit for unit in list(units(archive).values())[:MOST] if unit),
        provenance=list(_flat(folder.provenance)),
        config=dump_yaml(dict(folder.config)),
    )


def render(template: str, **values: Any) -> str:
    """Return a page made from a shipped template."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def _verdicts(folder: RunFolder) -> list[Verdict]:
    """Return the calibration findings, judged by the requirements of the run's config."""
    limits = (folder.config.get("validate") or {}).get("require", Require().model_dump())
    return [] if folder.validation is None or limits is None else judge(folder.validation.load(), limits)


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested values, each with its innermost key."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield str(key), str(value)
