"""The foreground screen `dustext` for versions of CIGALE that lack it (it exists in the PHANGS lineage only)."""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.model.extinction import odonnell94

__all__ = ["NAME", "inject_screen"]

NAME = "dustext"
PARAMETERS = {
    "E_BV": ("cigale_list(minvalue=0.)", "E(B-V) in mag.", 0.1),
    "Rv": ("cigale_list(minvalue=0.)", "R_V.", 3.1),
    "law": ("cigale_list(dtype=int, options=0)", "0 is CCM89 with the coefficients of O'Donnell 1994.", 0),
    "filters": ("string()", "Without effect here.", ""),
}


def inject_screen() -> bool:
    """Give pcigale a module `dustext` if it has none, and return whether it had none."""
    name = f"pcigale.sed_modules.{NAME}"
    if name in sys.modules:
        return getattr(sys.modules[name], "of_hpcflow", False)
    if importlib.util.find_spec(name) is not None:
        return False
    module = ModuleType(name)
    module.Module = _screen(importlib.import_module("pcigale.sed_modules").SedModule)  # type: ignore[attr-defined]
    module.of_hpcflow = True  # type: ignore[attr-defined]
    # find_spec asks a module that is already there for the spec it came from.
    module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
    sys.modules[name] = module
    return True


def extinguish(wavelength_nm: NDArray[np.floating], ebv: float, r_v: float) -> NDArray[np.floating]:
    """Return the share of light (W,) that a screen lets through; all of it where the law is not defined."""
    a, b = odonnell94(wavelength_nm)
    return np.asarray(10 ** (-0.4 * ebv * np.nan_to_num(r_v * a + b)))


def _screen(base: Any) -> Any:
    class Screen(base):
        """Attenuate everything emitted so far; calls and attribute names as pcigale's own modules have them."""

        parameters = PARAMETERS
        parameter_list = PARAMETERS  # the attribute's name in version 0.9

        def _init_code(self) -> None:
            given: Any = self.parameters
            self.ebv, self.r_v = float(given["E_BV"]), float(given["Rv"])

        def process(self, sed: Any) -> None:
            passes = extinguish(sed.wavelength_grid, self.ebv, self.r_v)
            sed.add_module(self.name, self.parameters)
            sed.add_contribution("attenuation.screen", sed.wavelength_grid, sed.luminosity * (passes - 1))

    return Screen
