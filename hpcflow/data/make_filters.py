"""Make the shipped filter curves from astro-sedpy and pyphot: `python -m hpcflow.data.make_filters`.

Most curves are sedpy's total throughputs. A WFC3 band that sedpy lacks is pyphot's filter element times the throughput
of telescope and detector, which is total / element of the bands of that camera that both packages have. ACS/WFC F550M
is pyphot's total throughput. All curves are then thinned to the nodes that band integrals need.
"""

import sys
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.extinction import odonnell94

__all__ = [
    "SEDPY",
    "Nodes",
    "bands_of",
    "build",
    "folder_of",
    "main",
    "read_curves",
    "read_pyphot",
    "read_sedpy",
    "thin",
]

Floats = NDArray[np.float64]
Nodes = tuple[Floats, Floats]

FOLDER = Path(__file__).parent / "filters"
SEDPY = {
    "WFC3_UVIS": "F225W F275W F336W F390W F475W F555W F606W F814W",
    "ACS_WFC": "F435W F475W F555W F606W F625W F775W F814W F850LP",
    "WFC3_IR": "F098M F105W F110W F125W F140W F160W",
    "NIRCAM": "F070W F090W F115W F140M F150W F162M F182M F200W F210M F250M F277W F300M F335M F356W F360M F410M F430M "
    "F444W F460M F480M",
}
PYPHOT = {"ACS_WFC": "F550M"}
BUILT = {
    "WFC3_UVIS": "F218W F390M F410M F438W F467M F547M F621M F625W F689M F763M F775W F845M F850LP",
    "WFC3_IR": "F127M F139M F153M",
}
LEAST = 1e-5  # transmission of an element, given to 1e-6, at which total / element can be used
# F438W was first made from the two bands beside it, each where its element transmits half of the light, and stays so.
F438W, F438W_NEIGHBOURS, F438W_LEAST = "WFC3_UVIS.F438W", ("WFC3_UVIS.F390W", "WFC3_UVIS.F475W"), 0.5
WING = 1e-6  # fraction of the band integral that may be lost at either end
SEGMENT = 1.5e-8  # fraction that one linear segment may misplace
# Temperatures [K] and E(B-V) of the bluest and reddest light. They include colder light than any population's, so that
# the red leaks of the ultraviolet bands survive.
EXTREMES = ((100_000.0, 0.0), (10_000.0, 0.0), (5_000.0, 0.7), (3_000.0, 1.6))


def bands_of(table: dict[str, str]) -> list[str]:
    """Return the names CAMERA.FILTER of a table camera -> filters."""
    return [f"{camera}.{name}" for camera, names in table.items() for name in names.split()]


def read_curves() -> dict[str, Nodes]:
    """Return every band's nodes [Angstrom] and total photon throughput from the two packages."""
    curves = {band: read_sedpy(band) for band in bands_of(SEDPY)}
    curves |= {band: read_pyphot(band) for band in bands_of(PYPHOT)}
    curves |= {band: build(band) for band in bands_of(BUILT)}
    return dict(sorted(curves.items()))


def build(band: str) -> Nodes:
    """Return a WFC3 band's nodes [Angstrom] and photon throughput without using its total in sedpy, if that has it."""
    wl, element = read_pyphot(band)
    camera, _, _ = band.partition(".")
    if band == F438W:
        return wl, element * _behind_element(wl, F438W_NEIGHBOURS, F438W_LEAST, alike=True)
    neighbours = [other for other in bands_of({camera: SEDPY[camera]}) if other != band]
    grid, _ = read_sedpy(neighbours[0])
    nodes = np.union1d(grid, wl[(wl > grid[0]) & (wl < grid[-1])])
    return nodes, np.interp(nodes, wl, element) * _behind_element(nodes, neighbours, LEAST)


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


def _behind_element(wl: Floats, neighbours: Iterable[str], least: float, alike: bool = False) -> Floats:
    """Return the throughput (K,) of telescope and detector, the mean total / element of neighbours at wavelengths `wl`.

    A neighbour counts as much as its element transmits, or like any other, and only where that is more than `least`.
    """
    weighted, weights = np.zeros_like(wl), np.zeros_like(wl)
    for band in neighbours:
        (grid, total), element = read_sedpy(band), read_pyphot(band)
        passed = np.interp(grid, *element, left=0.0, right=0.0)
        ok = passed > least
        ratio = np.interp(wl, grid[ok], total[ok] / passed[ok], left=np.nan, right=np.nan)
        weight = np.isfinite(ratio) * (1.0 if alike else np.interp(wl, grid, passed))
        weighted += np.nan_to_num(ratio) * weight
        weights += weight
    known = weights > 0
    return np.interp(wl, wl[known], weighted[known] / weights[known])


def read_sedpy(band: str) -> Nodes:
    """Return a band's nodes [Angstrom] and total photon throughput in sedpy."""
    name = band.replace("NIRCAM", "JWST").replace(".", "_").lower()
    wl, throughput = np.loadtxt(folder_of("sedpy") / "data/filters" / f"{name}.par").T[:2]
    return wl, throughput


def read_pyphot(band: str) -> Nodes:
    """Return a band's nodes [Angstrom] and transmission in pyphot: of the element for WFC3, in total for ACS/WFC."""
    camera, _, name = band.lower().partition(".")
    camera = "wfc3" if camera.startswith("wfc3") else camera
    file = folder_of("pyphot") / "libs/ascii_sources" / f"hst_{camera}_{name}.csv"
    text = [line for line in file.read_text().splitlines() if line[0].isdigit()]
    wl, throughput = np.loadtxt(text, delimiter=",").T
    return wl, throughput


def folder_of(package: str) -> Path:
    """Return the folder of an installed package."""
    # The package is found but not imported, because only its data files are needed.
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed; install astro-sedpy and pyphot in the versions of SOURCES.md")
    return Path(spec.origin).parent


def _pivot(wl: Floats, throughput: Floats) -> float:
    return float(np.sqrt(np.trapezoid(throughput * wl, wl) / np.trapezoid(throughput / wl, wl)))


def _header(band: str, pivot: float) -> list[str]:
    sedpy, pyphot = f"astro-sedpy {version('astro-sedpy')}", f"pyphot {version('pyphot')}"
    of = "F390W, F475W" if band == F438W else "its camera's bands"
    built = f"{pyphot} filter element x mean total/element of {of} ({sedpy})"
    source = built if band in bands_of(BUILT) else pyphot if band in bands_of(PYPHOT) else sedpy
    return [
        f"# {band}: total photon throughput (filter, detector, telescope)",
        f"# source: {source}, thinned; licence: MIT (notices in SOURCES.md)",
        f"# pivot: {pivot:.2f} Angstrom",
        "# wavelength_Angstrom throughput",
    ]


if __name__ == "__main__":
    sys.exit(main())
