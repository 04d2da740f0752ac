"""Make the shipped filter curves from astro-sedpy and pyphot: `python -m hpcflow.data.make_filters`.

Eight curves are sedpy's total throughputs. F438W, which sedpy lacks, is pyphot's filter element times the throughput of
telescope and detector. That throughput is total / element of the two neighbours in both packages, F390W and F475W:
the mean of the two, or the value of the one that transmits at that wavelength. All curves are then thinned to the nodes
that band integrals need.
"""

import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.extinction import odonnell94

__all__ = ["main", "read_curves", "thin"]

Floats = NDArray[np.float64]
Nodes = tuple[Floats, Floats]

FOLDER = Path(__file__).parent / "filters"
SEDPY: tuple[str, ...] = ("WFC3_UVIS.F275W", "WFC3_UVIS.F336W", "WFC3_UVIS.F555W", "WFC3_UVIS.F814W")
SEDPY += ("ACS_WFC.F435W", "ACS_WFC.F555W", "ACS_WFC.F606W", "ACS_WFC.F814W")
NEIGHBOURS = ("F390W", "F475W")
OPEN = 0.5  # least transmission at which total / element is reliable
WING = 1e-6  # fraction of the band integral that may be lost at either end
SEGMENT = 1.5e-8  # fraction that one linear segment may misplace
# Temperatures [K] and E(B-V) of the bluest and reddest light. They include colder light than any population's, so that
# the red leaks of the ultraviolet bands survive.
EXTREMES = ((100_000.0, 0.0), (10_000.0, 0.0), (5_000.0, 0.7), (3_000.0, 1.6))


def read_curves() -> dict[str, Nodes]:
    """Return every band's nodes [Angstrom] and total photon throughput from the two packages."""
    curves = {band: _sedpy(band) for band in SEDPY}
    wl, element = _pyphot("F438W")
    behind = np.array([_behind_element(band, wl) for band in NEIGHBOURS])
    known = np.isfinite(behind).any(axis=0)
    ratio = np.interp(wl, wl[known], np.nanmean(behind[:, known], axis=0))
    curves["WFC3_UVIS.F438W"] = (wl, element * ratio)
    return dict(sorted(curves.items()))


def thin(wl: Floats, throughput: Floats) -> Nodes:
    """Return the few nodes of a curve that preserve its band integrals to 1e-5 for the light of any cluster.

    Args:
        wl: (K,) wavelengths in Angstrom.
        throughput: (K,) photon throughput.
    """
    weight = _importance(wl, throughput)
    steps = np.gradient(wl)
    share = throughput * weight * steps
    first = int(np.searchsorted(np.cumsum(share), WING))
    last = len(wl) - 1 - int(np.searchsorted(np.cumsum(share[::-1]), WING))
    keep, pieces = {first, last}, [(first, last)]
    while pieces:
        left, right = pieces.pop()
        inside = slice(left, right + 1)
        straight = np.interp(wl[inside], wl[[left, right]], throughput[[left, right]])
        misplaced = np.abs(throughput[inside] - straight) * (weight * steps)[inside]
        if misplaced.sum() > SEGMENT:
            middle = left + int(np.argmax(misplaced))
            keep.add(middle)
            pieces += [(left, middle), (middle, right)]
    nodes = sorted(keep)
    return wl[nodes], throughput[nodes]


def main() -> int:
    """Write the curves to `filters` and print the number of nodes and the pivot wavelength of each."""
    for band, (wl, throughput) in read_curves().items():
        nodes, values = thin(wl, throughput)
        header = _header(band, _pivot(wl, throughput))
        lines = [f"{x:.10g} {t:.6g}" for x, t in zip(nodes, values, strict=True)]
        (FOLDER / f"{band}.txt").write_text("\n".join([*header, *lines]) + "\n", encoding="ascii")
        print(f"{band}: {len(wl)} -> {len(nodes)} nodes, pivot {_pivot(nodes, values):.2f} Angstrom")
    return 0


def _importance(wl: Floats, throughput: Floats) -> Floats:
    """Return the largest fraction (K,) of a band integral, over the extremes, per unit of throughput and Angstrom."""
    a, b = odonnell94(wl / 10)
    weights = []
    for kelvin, ebv in EXTREMES:
        planck = 1 / (wl**5 * np.expm1(1.438777e8 / (wl * kelvin)))
        light = wl * planck * 10 ** (-0.4 * ebv * (3.1 * a + b))
        weights.append(light / np.trapezoid(throughput * light, wl))
    return np.max(weights, axis=0)


def _behind_element(band: str, wl: Floats) -> Floats:
    """Return total / element (K,) at wavelengths `wl`; NaN outside the range where the element transmits."""
    total, element = _sedpy(f"WFC3_UVIS.{band}"), _pyphot(band)
    grid = total[0]
    passed = np.interp(grid, *element, left=0.0, right=0.0)
    ok = passed > OPEN
    return np.interp(wl, grid[ok], total[1][ok] / passed[ok], left=np.nan, right=np.nan)


def _sedpy(band: str) -> Nodes:
    wl, throughput = np.loadtxt(_installed("sedpy") / "data/filters" / f"{band.replace('.', '_').lower()}.par").T[:2]
    return wl, throughput


def _pyphot(band: str) -> Nodes:
    file = _installed("pyphot") / "libs/ascii_sources" / f"hst_wfc3_{band.lower()}.csv"
    text = [line for line in file.read_text().splitlines() if line[0].isdigit()]
    wl, throughput = np.loadtxt(text, delimiter=",").T
    return wl, throughput


def _installed(package: str) -> Path:
    # The package is found but not imported, because only its data files are needed.
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed; install astro-sedpy and pyphot in the versions of SOURCES.md")
    return Path(spec.origin).parent


def _pivot(wl: Floats, throughput: Floats) -> float:
    return float(np.sqrt(np.trapezoid(throughput * wl, wl) / np.trapezoid(throughput / wl, wl)))


def _header(band: str, pivot: float) -> list[str]:
    source = f"astro-sedpy {version('astro-sedpy')}"
    if band == "WFC3_UVIS.F438W":
        source = f"pyphot {version('pyphot')} filter element x mean total/element of F390W, F475W ({source})"
    return [
        f"# {band}: total photon throughput (filter, detector, telescope)",
        f"# source: {source}, thinned; licence: MIT (notices in SOURCES.md)",
        f"# pivot: {pivot:.2f} Angstrom",
        "# wavelength_Angstrom throughput",
    ]


if __name__ == "__main__":
    sys.exit(main())
