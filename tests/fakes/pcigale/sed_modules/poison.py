"""A module that raises, or takes the whole process along: what real libraries do on some rows."""

import os
from pathlib import Path

from pcigale.sed_modules import SedModule


class Module(SedModule):
    parameters = {"dose": ("cigale_list()", "above 1 it raises, above 2 it kills", 0.0), "once": ("string()", "", "")}

    def process(self, sed):
        dose, once = float(self.parameters["dose"]), self.parameters["once"]
        if once and Path(once).exists():
            Path(once).unlink()
            os._exit(9)
        if dose > 2:
            os.write(2, b"Segmentation fault\n")
            os._exit(11)
        if dose > 1:
            raise ValueError("too strong a dose")
        print("pcigale likes to talk")
        sed.add_module(self.name, self.parameters)
