"""The fake's modules: made by name, with every parameter checked against the module's own list."""

from importlib import import_module


class SedModule:
    parameters = {}

    def __init__(self, name=None, **given):
        self.name = name
        if unknown := set(given) - set(self.parameters):
            raise KeyError(f"Unexpected parameters: {unknown}.")
        self.parameters = {key: given.get(key, entry[2]) for key, entry in self.parameters.items()}
        self._init_code()

    def _init_code(self):
        pass


def get_module(name, **kwargs):
    try:
        return import_module("." + name, "pcigale.sed_modules").Module(name=name, **kwargs)
    except ImportError as e:
        raise Exception(f"Module {name} could not be imported.") from e
