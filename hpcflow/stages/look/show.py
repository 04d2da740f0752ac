"""`hpcflow show`: one page with everything that is known about one cluster."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.base.atomic import write_whole
from hpcflow.base.paths import file_name
from hpcflow.calibration.recovery import find_truth, join_truth
from hpcflow.figures.chi2 import spectral_energy
from hpcflow.figures.posteriors import corner
from hpcflow.figures.style import WIDE
from hpcflow.stages.look.exactly import Exact, exact_posteriors
from hpcflow.stages.look.folder import open_folder
from hpcflow.stages.look.samples import find_cluster
from hpcflow.stages.report import draw, render
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.kind import given_names
from hpcflow.store.reading import open_archive
from hpcflow.store.summary import count_flags, units

__all__ = ["show"]

MODES = 3
LEVELS = (0.16, 0.5, 0.84)


def show(run: Path, cluster_id: str, galaxy: str | None = None) -> Path:
    """Draw one cluster, and write its page into the run's folder `report/clusters`.

    Args:
        run: the run's folder.
        cluster_id: as in its catalogue.
        galaxy: needed if several galaxies have this cluster_id.

    Returns:
        the page; a folder of the same name beside it has the figures as PNG and PDF.

    Raises:
        InputError: if the folder is not a run, or there is no such cluster with a posterior.
    """
    folder = open_folder(run)
    row = find_cluster(PosteriorArchive.open(folder.paths.posteriors, reading=True), cluster_id, galaxy)
    one = open_archive(folder.paths.posteriors, row).isel(cluster=[row]).load()
    truth = _truth(folder.config, run, one)
    found, why = exact_posteriors(folder.config, one, [0], MODES)
    exact = found.get(0)
    name = file_name(one["galaxy"].item(), one["cluster_id"].item())
    pages = folder.paths.clusters
    pivots = folder.pivots([str(band) for band in one["band"].values])
    samples = None if exact is None else exact.samples
    pictures = draw(
        {
            "corner": lambda: corner(one.isel(cluster=0), truth, samples, 0.8 * WIDE),
            "sed": lambda: spectral_energy(one, {"MAP": 0}, pivots),
        },
        pages / name,
    )
    page = render(
        "cluster.html.j2",
        name=folder.config.get("name") or run.resolve().name,
        figures=pictures,
        facts=_facts(one, exact),
        parameters=_parameters(one, exact, truth),
        modes=_modes(one, exact),
        bands=_bands(one),
        flags=[flag for flag in count_flags(one) if flag.clusters],
        exact_says=why,
        galaxy=one["galaxy"].item(),
        cluster=one["cluster_id"].item(),
    )
    path = pages / f"{name}.html"
    write_whole(path, page)
    return path


def _truth(config: Any, run: Path, one: xr.Dataset) -> NDArray[np.floating] | None:
    files = find_truth((config.get("infer") or {}).get("catalogues") or [], run)
    truth = join_truth(one, files)[0] if files else np.array([np.nan])
    return truth if np.isfinite(truth).any() else None


def _facts(one: xr.Dataset, exact: Exact | None) -> list[tuple[str, str]]:
    """Return the scalar quantities of a cluster, with their units."""

    def number(name: str, form: str = ".3g", unit: str = "") -> list[tuple[str, str]]:
        if name not in one or not np.isfinite(value := float(one[name].item())):
            return []
        text = f"{value:{form}}".replace("-", "\u2212")
        return [(str(one[name].attrs.get("long_name", name)), f"{text} {unit}".strip())]

    lines = number("ra", ".5f", "deg") + number("dec", ".5f", "deg")
    lines += [line for name in given_names(one.attrs) for line in number(name, ".2f", str(one[name].attrs["units"]))]
    if int(one["cluster_class"].item()) >= 0:
        lines.append(("class in the catalogue", str(one["cluster_class"].item())))
    lines += number("chi2_map") + number("predictive_p") + number("entropy", ".2f", "nat")
    lines += number("efficiency", ".3f") + number("log_bayes", ".2f", "nat") + number("log_evidence", ".2f", "nat")
    if exact is not None:
        text = f"{exact.log_evidence:.2f} nat".replace("-", "\u2212")
        lines.append(("log of the evidence, on the exact grid", text))
    return lines


def _parameters(
    one: xr.Dataset, exact: Exact | None, truth: NDArray[np.floating] | None
) -> dict[str, dict[str, float]]:
    """Return the estimates of each parameter, by the name of the estimate."""
    unit, found = units(one), {}
    for d, parameter in enumerate(one["parameter"].values.tolist()):
        values = {"MAP": float(one["map"][0, d])}
        for title, name in (("posterior", "quantile"), ("flow alone", "quantile_flow")):
            if name in one:
                values |= _interval(title, one[name][0, :, d].values)
        if exact is not None:
            values |= _interval("exact", np.quantile(exact.samples[:, d], LEVELS))
        values["published"] = float(one["published"][0, d])
        values["truth"] = np.nan if truth is None else float(truth[d])
        found[f"{parameter.replace('_', ' ')} / {unit[parameter]}" if unit.get(parameter) else parameter] = values
    known = {key for values in found.values() for key, value in values.items() if np.isfinite(value)}
    return {name: {key: v for key, v in values.items() if key in known} for name, values in found.items()}


def _interval(title: str, quantiles: NDArray[np.floating]) -> dict[str, float]:
    return {f"{title}, {text}": float(q) for text, q in zip(("16 %", "median", "84 %"), quantiles, strict=True)}


def _modes(one: xr.Dataset, exact: Exact | None) -> list[tuple[str, list[float], float]]:
    """Return the modes of the archive and of the exact posterior: name, location, and share of samples."""
    here = [
        (f"mode {k + 1}", location.tolist(), float(share))
        for k, (location, share) in enumerate(zip(one["mode"][0].values, one["mode_share"][0].values, strict=True))
        if np.isfinite(location).all()
    ]
    tops = [] if exact is None else [(f"exact, {k + 1}", top.tolist(), np.nan) for k, top in enumerate(exact.modes)]
    return here + tops


def _bands(one: xr.Dataset) -> list[tuple[Any, ...]]:
    """Return per band: flux, error, flux of the MAP, predictive rank, and the reason if it was not used."""
    names = str(one["reason"].attrs["flag_meanings"]).split()
    reasons = dict(zip(np.atleast_1d(one["reason"].attrs["flag_values"]).tolist(), names, strict=True))
    columns = [one[name].values[0] for name in ("flux", "sigma", "map_flux", "predictive_rank", "reason", "observed")]
    return [
        (str(band), *(float(v) for v in values[:4]), "" if values[5] else reasons[int(values[4])].replace("_", " "))
        for band, *values in zip(one["band"].values, *columns, strict=True)
    ]
