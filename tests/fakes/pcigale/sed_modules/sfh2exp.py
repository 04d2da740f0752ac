"""A burst of one solar mass; like the real one it cannot have a burst older than the galaxy."""

import numpy as np

from pcigale.sed_modules import SedModule


class Module(SedModule):
    parameters = {
        "age": ("cigale_list(dtype=int, minvalue=0.)", "Myr", 5000),
        "burst_age": ("cigale_list(dtype=int, minvalue=1.)", "Myr", 20),
        "normalise": ("boolean()", "", True),
    }

    def _init_code(self):
        age = int(self.parameters["age"])
        self.sfr = np.zeros(age)
        self.sfr[0] = 1.0
        self.sfr[-int(self.parameters["burst_age"]) :] += np.zeros(int(self.parameters["burst_age"]))

    def process(self, sed):
        sed.sfh = self.sfr
        sed.info["sfh.integrated"] = 1.0 if self.parameters["normalise"] else 1e6
        sed.add_module(self.name, self.parameters)
