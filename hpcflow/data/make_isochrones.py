"""Make the shipped isochrones from COSMIC's single stars: `python -m hpcflow.data.make_isochrones`.

COSMIC (the package cosmic-popsynth, not a dependency of hpcflow) evolves stars by the formulae of SSE (Hurley, Pols &
Tout 2000, MNRAS 315, 543), with the winds that are its defaults. Each phase of a track is cut into points that are
evenly spaced in the Hertzsprung-Russell diagram and in time, so that the points of neighbouring masses correspond, and
an isochrone is where each of these points, and each mass of a grid, is at its age. Remnants are left out.

One thing is changed. SSE's red supergiants have 2800 to 3400 K, where they would hardly be seen in V. Observed ones
have 3450 to 4100 K (Levesque et al. 2005, ApJ 628, 973) and log luminosities up to 5.5 (Davies, Crowther & Beasor 2018,
MNRAS 478, 3138), so cooler ones get the temperature of the median type, M2 I.
"""

import ast
import json
import sys
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tracks", "isochrone", "main", "points_of"]

Floats = NDArray[np.float64]

TABLE = Path(__file__).parent / "isochrones" / "sse.npz"
METALLICITY = (0.0004, 0.004, 0.008, 0.02, 0.03)
LOG_AGE = np.concatenate([6 + 0.025 * np.arange(81), 8.05 + 0.05 * np.arange(43)])
MASSES = np.geomspace(0.1, 100, 401)  # of the tracks, in solar masses
GRID = np.geomspace(0.1, 100, 81)  # of every isochrone
# SSE's kinds of living stars in the order of evolution, and into how many points each is cut.
PHASES = {(0, 1): 20, (2,): 14, (3,): 25, (4,): 22, (5,): 12, (6,): 25, (7,): 8, (8,): 5, (9,): 5}
TIME, HEAT = 4.0, 4.0  # how far apart the ends of a phase, and ten times the temperature, are to one dex of luminosity
END_MYR = 15_000.0
YOUNGEST_MYR = 1e-4  # of a star on the zero-age main sequence, whose age needs a logarithm
SUN_K, SUN_LOG_G = 5772.0, 4.438
COLUMNS = ("kstar_1", "tphys", "lum_1", "teff_1", "mass_1")
SUPERGIANT, MASSIVE, COOLEST_K = (4.0, 5.5), 8.0, 3660.0  # log luminosities, initial mass, temperature
PULSING = 6  # SSE's kind of stars on the thermally pulsing branch, which are no supergiants however massive
STEPS = 1000  # per solar luminosity, kelvin and gravity: logarithms are kept in thousandths


class Tracks:
    """Points of stars of one metallicity: log10 of age [Myr], luminosity, temperature, gravity, by mass.

    Args:
        mass: initial masses (M,).
        points: (M, E, 4) of corresponding points.
    """

    def __init__(self, mass: Floats, points: Floats) -> None:
        self.log_mass, self.points = np.log10(mass), points

    def at(self, log_mass: float, log_myr: float) -> Floats | None:
        """Return log10 of luminosity, temperature and gravity (3,) of a star; None if it has died."""
        j = int(np.clip(np.searchsorted(self.log_mass, log_mass, side="right") - 1, 0, len(self.log_mass) - 2))
        share = (log_mass - self.log_mass[j]) / (self.log_mass[j + 1] - self.log_mass[j])
        track = (1 - share) * self.points[j] + share * self.points[j + 1]
        if log_myr > track[-1, 0]:
            return None
        return np.array([np.interp(log_myr, track[:, 0], track[:, k]) for k in (1, 2, 3)])


def isochrone(tracks: Tracks, log_myr: float) -> Floats:
    """Return the stars alive at an age in the order of mass: mass, log luminosity, log temperature, log gravity."""
    found = [(mass, star) for mass in np.log10(GRID) if (star := tracks.at(mass, log_myr)) is not None]
    age = tracks.points[:, :, 0] - log_myr
    rows, columns = np.nonzero((age[:-1] > 0) != (age[1:] > 0))
    for j, e in zip(rows.tolist(), columns.tolist(), strict=True):
        share = age[j, e] / (age[j, e] - age[j + 1, e])
        mass = (1 - share) * tracks.log_mass[j] + share * tracks.log_mass[j + 1]
        found.append((mass, (1 - share) * tracks.points[j, e, 1:] + share * tracks.points[j + 1, e, 1:]))
    found.sort(key=lambda pair: pair[0])
    table = np.array([[10**mass, *star] for mass, star in found])
    return table[np.append(np.diff(table[:, 0]) > 1e-9 * table[1:, 0], True)]


def points_of(track: Mapping[str, Floats]) -> Floats:
    """Return the corresponding points (E, 4) of a star's track, by COSMIC's columns; a phase it skips takes no time."""
    kind, age = track["kstar_1"], np.log10(np.maximum(track["tphys"], YOUNGEST_MYR))
    with np.errstate(divide="ignore"):  # of what is left of a star
        light, heat, mass = (np.log10(track[name]) for name in COLUMNS[2:])
    low, high = SUPERGIANT
    supergiant = (10 ** mass[0] > MASSIVE) & (light > low) & (light < high) & (kind != PULSING)
    heat = np.where(supergiant, np.maximum(heat, np.log10(COOLEST_K)), heat)
    gravity = SUN_LOG_G + mass + 4 * (heat - np.log10(SUN_K)) - light
    whole = np.stack([age, light, heat, gravity], axis=1)
    found, last = [], whole[0]
    for kinds, count in PHASES.items():
        own = whole[np.isin(kind, kinds)]
        if len(own) > 1:
            years = 10 ** own[:, 0]
            steps = np.diff([TIME * years / (years[-1] - years[0]), own[:, 1], HEAT * own[:, 2]], axis=1)
            along = np.append(0, np.cumsum(np.sqrt((steps**2).sum(axis=0))))
            places = np.linspace(0, along[-1], count)
            own = np.stack([np.interp(places, along, column) for column in own.T], axis=1)
        else:
            own = np.tile(last, (count, 1))
        found.append(own)
        last = own[-1]
    return np.concatenate(found)


def _defaults() -> dict[str, dict[str, Any]]:
    """Return COSMIC's default settings by category."""
    spec = find_spec("cosmic")
    if spec is None or spec.origin is None:
        raise SystemExit("COSMIC is not installed; run this where cosmic-popsynth 4.3.3 is")
    found: dict[str, dict[str, Any]] = {}
    for category in json.loads((Path(spec.origin).parent / "data" / "cosmic-settings.json").read_text()):
        for setting in category["settings"]:
            chosen = [one["name"] for one in setting.get("options", ()) if one.get("default")]
            found.setdefault(category["category"], {})[setting["name"]] = _value(chosen[0]) if chosen else None
    found["bse"]["fprimc_array"] = [2 / 21] * 16
    return found


def _value(text: Any) -> Any:
    try:
        return ast.literal_eval(text) if isinstance(text, str) else text
    except (ValueError, SyntaxError):
        return text


def _tracks(metallicity: float, settings: dict[str, dict[str, Any]]) -> Tracks:
    from cosmic.evolve import Evolve
    from cosmic.sample.initialbinarytable import InitialBinaryTable

    found = []
    for mass in MASSES:
        single = InitialBinaryTable.InitialBinaries(
            [mass], [0.0], [0.0], [-1.0], [END_MYR], [int(mass >= 0.7)], [15], [metallicity]
        )
        _, track, _, _ = Evolve.evolve(single, BSEDict=settings["bse"], SSEDict=settings["sse"], dtp=0.0)
        found.append(points_of({name: track[name].to_numpy(dtype=float) for name in COLUMNS}))
    return Tracks(MASSES, np.stack(found))


def main() -> int:
    """Write the isochrones to `isochrones`."""
    warnings.simplefilter("ignore")
    settings = _defaults()
    whole = [
        [isochrone(tracks, log_age - 6) for log_age in LOG_AGE]
        for tracks in (_tracks(metallicity, settings) for metallicity in METALLICITY)
    ]
    counts = np.array([[len(one) for one in of_z] for of_z in whole], dtype=np.int32)
    mass, *logs = np.concatenate([one for of_z in whole for one in of_z]).T
    log_l, log_teff, log_g = (np.rint(STEPS * column).astype(np.int16) for column in logs)
    np.savez(  # uncompressed, because versions of zlib write different bytes
        TABLE,
        log_age=LOG_AGE,
        metallicity=np.array(METALLICITY),
        stars=counts,
        mass=mass,
        log_l=log_l,
        log_teff=log_teff,
        log_g=log_g,
    )
    print(f"{TABLE.name}: {counts.shape} isochrones, {counts.sum()} stars, {TABLE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
