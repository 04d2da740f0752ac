"""The `cigale` simulator: chains of CIGALE modules, row by row (the only file that imports pcigale).

pcigale (Boquien et al. 2019, A&A 622, A103) is in no package registry and needs numpy < 2: it is imported when
a simulator is built, and this file works with nothing but numpy beside it, see `sources.elsewhere`.
"""

import importlib
import importlib.util
import inspect
import json
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.sources.cluster.chain import Chain
from hpcflow.sources.cluster.cigale_content import digest_arrays, digest_package, filter_digest
from hpcflow.sources.cluster.cigale_screen import NAME as SCREEN
from hpcflow.sources.cluster.cigale_screen import inject_screen

__all__ = ["CigaleSimulator"]

Floats = NDArray[np.floating]

PRUNE_EVERY = 256  # rows between two looks at pcigale's cache of modules, which it never empties


class CigaleSimulator:
    """Simulate fluxes with a chain of CIGALE modules.

    Calling it with theta (N, D), columns as `parameters`, returns fluxes (N, B) in mJy at 10 pc per solar mass
    formed. A row that CIGALE refuses or fails on is NaN, and counted under its reason in `reasons`. An age is
    rounded to a whole Myr before CIGALE sees it, theta stays as it was drawn: inside a bin labels are spread as
    the prior spreads them, and never leave its bounds. `warehouse` is CIGALE's own, with its caches.

    Args:
        modules: names of the chain's modules, first to last.
        filters: CIGALE's name of each band's filter.
        parameters: names of theta's columns.
        fixed: values of our parameters that are no columns.
        routes: where our parameters go, as "module.parameter".
        settings: of some modules, values of their own parameters.

    Raises:
        InputError: if pcigale cannot be imported, or has no such module, parameter, value or filter.
    """

    def __init__(
        self,
        *,
        modules: Sequence[str],
        filters: Mapping[str, str],
        parameters: Sequence[str],
        fixed: Mapping[str, float],
        routes: Mapping[str, str],
        settings: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.parameters, self.bands = tuple(parameters), tuple(filters)
        self.reasons: Counter[str] = Counter()
        self._filters = tuple(filters.values())
        with _undone():
            pcigale = _import("pcigale")
            injected = SCREEN in modules and inject_screen()
            types = {name: _types(name) for name in modules}
            self._chain = Chain(modules, types, settings, routes, self.parameters, fixed)
            kind = _import("pcigale.warehouse").SedWarehouse
            takes = inspect.signature(kind).parameters
            self.warehouse = kind(nocache=self._chain.unbounded) if "nocache" in takes else kind()
            sed, probe = self._probe()
        self.provenance = {
            "simulator": "cigale",
            "pcigale": _version(pcigale),
            "pcigale_sha256": digest_package(pcigale),
            "modules": " > ".join(modules),
            "settings": json.dumps(self._chain.settings(), sort_keys=True),
            "parameters": ", ".join(f"{name}={routes[name]}" for name in self.parameters),
            "screen": "hpcflow's" if injected else "pcigale's" if SCREEN in modules else "none",
            "ssp_sha256": self._ssp_digest(),
            "filters_sha256": ", ".join(f"{band}={filter_digest(sed, name)}" for band, name in filters.items()),
            "probe_mjy": ", ".join(f"{flux:.9g}" for flux in probe),
        }

    def __call__(self, theta: Floats) -> Floats:
        """Return fluxes (N, B) of the rows of theta (N, D), in float64."""
        theta = np.asarray(theta, dtype=np.float64)
        self.reasons = Counter()
        values = self._chain.values(theta)
        flux = np.full((len(theta), len(self.bands)), np.nan)
        good = self._refuse(values)
        before = np.full(values.shape[1], np.nan)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for done, row in enumerate(good[self._chain.order(values[good])]):
                self._forget(self._chain.shared(before, values[row]), done % PRUNE_EVERY == 0)
                before = values[row]
                flux[row] = self._row(before)
        return flux

    def order(self, theta: Floats) -> NDArray[np.intp]:
        """Return the order in which rows of theta are cheapest, for callers that hand them over in pieces."""
        return self._chain.order(self._chain.values(np.asarray(theta, dtype=np.float64)))

    def _refuse(self, values: Floats) -> NDArray[np.intp]:
        good = np.ones(len(values), dtype=bool)
        for route, column in zip(self._chain.routes, values.T, strict=True):
            bad = good & ~route.allowed(column)
            if bad.any():
                self.reasons[f"{route.parameter} is out of range"] += int(bad.sum())
            good &= ~bad
        return np.flatnonzero(good)

    def _row(self, values: Floats) -> Floats:
        try:
            # pcigale hands out the very object that it keeps: it is only read.
            sed = self.warehouse.get_sed(list(self._chain.modules), self._chain.settings(values))
            flux = np.array([sed.compute_fnu(name) for name in self._filters], dtype=np.float64)
        except Exception as e:  # whatever a module raises belongs to this row alone
            self.reasons[f"{type(e).__name__}: {' '.join(str(e).split()):.120}"] += 1
            return np.full(len(self.bands), np.nan)
        if not np.isfinite(flux).all():
            self.reasons["a flux is not finite"] += 1
            flux[:] = np.nan
        return flux

    def _forget(self, shared: int, modules_too: bool) -> None:
        """Drop from pcigale's caches what the rows to come cannot use; not every version does so by itself."""
        if hasattr(self.warehouse, "partial_clear_cache"):
            self.warehouse.partial_clear_cache(shared)
        if modules_too:
            cache = self.warehouse.module_cache
            for key in [key for key, module in cache.items() if module.name in self._chain.unbounded]:
                del cache[key]

    def _probe(self) -> tuple[Any, Floats]:
        """Compute one model with pcigale's defaults for what changes, which shows most of what can be wrong."""
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sed = self.warehouse.get_sed(list(self._chain.modules), self._chain.settings())
                flux = np.array([sed.compute_fnu(name) for name in self._filters], dtype=np.float64)
        except Exception as e:
            says = f"{type(e).__name__}: {' '.join(str(e).split()):.200}"
            raise InputError(f"model.cigale: CIGALE cannot compute one model of this chain ({says}); mend it") from e
        if lost := [name for name, value in zip(self._filters, flux, strict=True) if not np.isfinite(value)]:
            raise InputError(f"model.cigale.filters: no flux in {', '.join(lost)}; the spectra may not cover it")
        formed = sed.info.get("sfh.integrated", 1.0)
        if not np.isclose(formed, 1.0):
            raise InputError(f"model.cigale: the chain forms {formed:g} solar masses, not 1; set normalise: true")
        return sed, flux

    def _ssp_digest(self) -> str:
        ssps = [module.ssp for module in self.warehouse.module_cache.values() if hasattr(module, "ssp")]
        return ", ".join(digest_arrays(vars(ssp)) for ssp in ssps) or "none"


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as e:  # an old pcigale meets a new numpy or setuptools in many ways
        raise InputError(
            f"the simulator cigale needs pcigale, which this Python ({sys.executable}) cannot import "
            f"({type(e).__name__}: {e}); simulate.python names another one, see docs/cigale.md"
        ) from e


def _types(name: str) -> dict[str, str]:
    """Return a module's parameters with pcigale's description of their types."""
    if importlib.util.find_spec(f"pcigale.sed_modules.{name}") is None and name != SCREEN:
        raise InputError(f"model.cigale.modules: this pcigale has no module {name}")
    module = _import(f"pcigale.sed_modules.{name}").Module
    listed = getattr(module, "parameter_list", None) or module.parameters
    return {key: str(entry[0]) for key, entry in listed.items()}


def _version(pcigale: ModuleType) -> str:
    try:
        return version("pcigale")
    except PackageNotFoundError:
        return str(getattr(pcigale, "__version__", "unknown"))


@contextmanager
def _undone() -> Iterator[None]:
    """Undo what importing pcigale does to the whole process: threads, floating-point errors, tracebacks, warnings."""
    environment, errors, hook, filters = dict(os.environ), np.geterr(), sys.excepthook, warnings.filters[:]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        np.seterr(**errors)
        sys.excepthook = hook
        warnings.filters[:] = filters  # type: ignore[index]
