"""The user's class as a simulator: loaded from its file, and asked for rows of any order of parameters.

This runs in a process of its own (see `own_worker`), so that whatever the class does, hpcflow goes on.
"""

import hashlib
import importlib
import importlib.util
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError

__all__ = ["UserSimulator"]

Floats = NDArray[np.floating]

LONGEST = 120  # characters of a reason


class UserSimulator:
    """A simulator from `FILE.py:CLASS` or `package.module:CLASS`.

    The class takes no arguments, and has `parameters` and `bands`, names in the order of the columns of theta (N, D)
    and flux (N, B), and `__call__(theta) -> flux`.

    Args:
        target: where the class is.
        parameters: names of theta's columns.
        bands: names of flux's columns.

    Raises:
        InputError: if there is no such class, or it has other parameters or bands.
    """

    def __init__(self, target: str, parameters: Sequence[str], bands: Sequence[str]) -> None:
        where, _, name = target.rpartition(":")
        made, path = _load(where, name)
        own = {kind: list(getattr(made, kind, ())) for kind in ("parameters", "bands")}
        for kind, wanted in (("parameters", parameters), ("bands", bands)):
            if sorted(own[kind]) != sorted(wanted):
                raise InputError(
                    f"model.{kind} has {', '.join(sorted(wanted))}, but {target} has {', '.join(sorted(own[kind]))}; "
                    "give both the same"
                )
        self._simulate, self._target, self.reasons = made, target, Counter[str]()
        self._columns = [list(parameters).index(one) for one in own["parameters"]]
        self._bands = [own["bands"].index(one) for one in bands]
        self.parameters, self.bands = tuple(parameters), tuple(bands)
        self.provenance = {"simulator": name, "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}

    def order(self, theta: Floats) -> NDArray[np.intp]:
        """Return the order in which rows are best simulated: their own."""
        return np.arange(len(theta))

    def __call__(self, theta: Floats) -> Floats:
        """Return fluxes (N, B); a row that raises or has no positive, finite fluxes is NaN, with its reason.

        Raises:
            InputError: if the class returns another shape, or something that is no number.
        """
        self.reasons = Counter()
        try:
            flux = self._checked(theta)
        except InputError:
            raise
        except Exception:
            flux = np.concatenate([self._alone(row) for row in theta[:, None]])
        bad = ~np.isfinite(flux).all(axis=1)
        dark = np.asarray(~bad & (flux <= 0).any(axis=1))
        raised = self.reasons.total()  # whose rows are NaN as well
        self.reasons += Counter(
            {"flux is not finite": int(bad.sum()) - raised, "flux is not positive": int(dark.sum())}
        )
        return np.where((bad | dark)[:, None], np.nan, flux)

    def _alone(self, row: Floats) -> Floats:
        try:
            return self._checked(row)
        except InputError:
            raise
        except Exception as e:
            self.reasons[f"{type(e).__name__}: {' '.join(str(e).split())}"[:LONGEST]] += 1
            return np.full((1, len(self.bands)), np.nan)

    def _checked(self, theta: Floats) -> Floats:
        flux = np.asarray(self._simulate(theta[:, self._columns].copy()))
        wanted = (len(theta), len(self.bands))
        if flux.shape != wanted:
            raise InputError(f"{self._target} returns fluxes of shape {flux.shape} for {wanted}; return (N, B)")
        if flux.dtype.kind not in "fiu":
            raise InputError(f"{self._target} returns fluxes of type {flux.dtype}; return real numbers")
        return flux[:, self._bands].astype(np.float64)


def _load(where: str, name: str) -> tuple[Any, Path]:
    """Return an instance of the class, and its file."""
    try:
        if where.endswith(".py"):
            path = Path(where)
            spec: Any = importlib.util.spec_from_file_location(path.stem, path)
            module = importlib.util.module_from_spec(spec)
            sys.path.insert(0, str(path.resolve().parent))  # it may import what lies beside it
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(where)
            path = Path(str(module.__file__))
        return getattr(module, name)(), path
    except Exception as e:  # whatever the user's file does, its user has to mend it
        raise InputError(
            f"model.simulator: {where}:{name} cannot be loaded ({type(e).__name__}: {' '.join(str(e).split()):.200}); "
            "correct the file, or its name"
        ) from e
