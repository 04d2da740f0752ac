"""A module that takes its time and nothing else: a slow simulator that leaves the processor to others."""

import time

from pcigale.sed_modules import SedModule


class Module(SedModule):
    parameters = {"seconds": ("cigale_list(minvalue=0.)", "", 0.0)}

    def process(self, sed):
        time.sleep(float(self.parameters["seconds"]))
        sed.add_module(self.name, self.parameters)
