"""The fake's warehouse: it caches by parameter values alone, keeps modules for ever and hands out what it keeps."""

from pcigale import sed_modules
from pcigale.sed import SED


class SedWarehouse:
    def __init__(self, nocache=None):
        if nocache is not None and not isinstance(nocache, list):
            raise TypeError("The nocache argument must be a list")
        self.nocache = nocache or []
        self.sed_cache, self.module_cache = {}, {}

    def get_module_cached(self, name, **kwargs):
        if name in self.nocache:
            return sed_modules.get_module(name, **kwargs)
        key = (name, tuple(kwargs.values()))
        if key not in self.module_cache:
            self.module_cache[key] = sed_modules.get_module(name, **kwargs)
        return self.module_cache[key]

    def get_sed(self, module_list, parameter_list):
        module_list, parameter_list = list(module_list), list(parameter_list)
        key = tuple(tuple(given.values()) for given in parameter_list)
        kept = self.sed_cache.get(len(key))
        if kept and kept[0] == key:
            return kept[1]
        module = self.get_module_cached(module_list.pop(), **parameter_list.pop())
        sed = self.get_sed(module_list, parameter_list).copy() if module_list else SED()
        module.process(sed)
        self.sed_cache[len(key)] = (key, sed)
        return sed
