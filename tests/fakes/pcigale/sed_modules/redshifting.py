"""Nothing happens at redshift 0."""

from pcigale.sed_modules import SedModule


class Module(SedModule):
    parameters = {"redshift": ("cigale_list(minvalue=0.)", "", 0.0)}

    def process(self, sed):
        sed.add_module(self.name, self.parameters)
