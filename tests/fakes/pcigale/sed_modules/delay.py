"""A module that takes its time and nothing else: a slow simulator that leaves the processor to others."""

import time
from pathlib import Path

from pcigale.sed_modules import SedModule


class Module(SedModule):
    parameters = {
        "seconds": ("cigale_list(minvalue=0.)", "", 0.0),
        "until": ("string()", "a file; once it is there, no model takes time", ""),
    }

    def process(self, sed):
        until = self.parameters["until"]
        if not (until and Path(until).exists()):
            time.sleep(float(self.parameters["seconds"]))
        sed.add_module(self.name, self.parameters)
