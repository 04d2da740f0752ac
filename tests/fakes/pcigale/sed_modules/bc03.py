"""The mean spectrum over n-0.9, n-0.8 .. n Myr, from tables that are slow to load in the real one."""

from types import SimpleNamespace

import numpy as np

from pcigale.sed_modules import SedModule
from pcigale.spectra import AGES, WAVELENGTHS, table

LOADED = []


class Module(SedModule):
    parameters = {
        "imf": ("cigale_list(dtype=int, options=0. & 1.)", "", 0),
        "metallicity": ("cigale_list(options=0.004 & 0.02)", "", 0.02),
    }

    def _init_code(self):
        LOADED.append(self.parameters["metallicity"])
        self.ssp = SimpleNamespace(t=AGES, wl=WAVELENGTHS, spec=table(float(self.parameters["metallicity"])))

    def process(self, sed):
        ages = np.maximum(len(sed.sfh) - np.arange(10) / 10, AGES[0])
        if ages[0] > 13_753:
            raise ValueError("older than the universe")
        mean = np.mean([[np.interp(age, AGES, row) for row in self.ssp.spec] for age in ages], axis=0)
        sed.add_module(self.name, self.parameters)
        sed.add_contribution("stellar", WAVELENGTHS, mean)
