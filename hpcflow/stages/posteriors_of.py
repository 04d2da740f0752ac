"""The posteriors of objects in memory: their archive, and in a word each what is usually asked of it."""

from typing import Any

import numpy as np
import xarray as xr

from hpcflow.base.errors import InputError
from hpcflow.base.partitions import rng_for
from hpcflow.store.accessor import Accessor
from hpcflow.store.schema import QUANTILES

__all__ = ["Posteriors"]

PREDICTIVE = ("predictive_mean", "predictive_quantile", "predictive_rank", "predictive_p", "map_flux", "chi2_map")


class Posteriors:
    """The posteriors of one or several objects.

    Every value is labelled (an xarray.DataArray); the axis `cluster` is there if several objects were given. Without a
    posterior, values are NaN and `flags` says why.

    Args:
        archive: their archive, as `hpcflow.open` gives it.
        single: whether it is one object that was given as such.

    Attributes:
        dataset: the archive: all variables, with units and meanings, and the accessor `dataset.hpcflow`.
    """

    def __init__(self, archive: xr.Dataset, single: bool = False) -> None:
        self._archive, self._single = archive, single
        self.dataset = archive.isel(cluster=0) if single else archive

    def __len__(self) -> int:
        return self._archive.sizes["cluster"]

    def __getitem__(self, row: int) -> "Posteriors":
        """Return the posterior of one object."""
        return Posteriors(self._archive.isel(cluster=[row]), single=True)

    def __repr__(self) -> str:
        names = ", ".join(self.dataset["parameter"].values.tolist())
        return f"<hpcflow: posteriors of {names} of {len(self)} objects>"

    @property
    def samples(self) -> xr.DataArray:
        """Samples (sample, parameter), all of the same weight, in the order of the archive, which has no meaning."""
        return self.dataset["theta"]

    @property
    def proposals(self) -> xr.DataArray:
        """The samples (sample, parameter) as drawn, to be weighted by `weights`: of a flow, its own."""
        return self.dataset["theta_flow" if "theta_flow" in self.dataset else "theta"]

    @property
    def log_prob(self) -> xr.DataArray:
        """Log density (sample) of what the proposals were drawn from, at each of them: log q, or the exact log p."""
        return self.dataset["log_q"]

    @property
    def weights(self) -> xr.DataArray:
        """Weights (sample) of the proposals, which sum to one; all alike where proposals need none."""
        if "log_weight" not in self.dataset:
            return xr.full_like(self.log_prob, 1 / self.log_prob.sizes["sample"]).rename("weight")
        log_weight = self.dataset["log_weight"]
        with np.errstate(invalid="ignore"):  # nothing but minus infinity gives NaN
            weight: xr.DataArray = xr.ufuncs.exp(log_weight - log_weight.max("sample"))
        return (weight / weight.sum("sample")).rename("weight")

    def quantile(self, level: float) -> xr.DataArray:
        """Return a quantile (parameter) of the marginal posteriors.

        Those at 0.16, 0.5 and 0.84 are the archive's, which knows all weighted samples; others are of `samples`.

        Args:
            level: from 0 to 1.

        Raises:
            InputError: if it is outside.
        """
        if not 0 <= level <= 1:
            raise InputError(f"the quantile {level} is none; give a number from 0 to 1")
        if level in QUANTILES:
            return self.dataset["quantile"].isel(quantile=QUANTILES.index(level), drop=True)
        return self.samples.quantile(level, "sample").drop_vars("quantile")

    @property
    def modes(self) -> xr.DataArray:
        """Modes (mode, parameter) of the joint posterior, highest first, NaN where there are fewer."""
        return self.dataset["mode"]

    @property
    def evidence(self) -> xr.DataArray:
        """Log of the evidence, log p(photometry), in nats.

        Raises:
            InputError: if the likelihood is not tractable.
        """
        if "log_evidence" not in self.dataset:
            raise InputError(f"there is no evidence, as there are no weights ({self.dataset.attrs.get('log_weight')})")
        return self.dataset["log_evidence"]

    @property
    def flags(self) -> Any:
        """The warnings about an object, by name, with what they mean; a list of these for several objects."""
        flags = Accessor(self._archive).flags()
        return flags[0] if self._single else flags

    def predictive(self) -> xr.Dataset:
        """Return what the posterior predicts of each band, and how well it fits: see the meaning of each variable."""
        return self.dataset[list(PREDICTIVE)]

    def corner(self, row: int = 0) -> Any:
        """Return a Matplotlib figure of one object's samples, in every pair of parameters.

        Args:
            row: number of the object.

        Raises:
            InputError: if it has no posterior.
        """
        from hpcflow.figures.posteriors import corner  # which takes a second

        one = self._archive.isel(cluster=row)
        if not np.isfinite(one["map"]).all():
            why = ", ".join(Accessor(self._archive).flags()[row])
            raise InputError(f"object {row} has no posterior to draw: {why}")
        return corner(one)

    def to_arviz(self) -> Any:
        """Return samples and photometry as ArviZ has them: a DataTree with `posterior` and `observed_data`.

        Samples are in random order, as those of one chain.

        Raises:
            InputError: if ArviZ is not installed.
        """
        try:
            from arviz_base import from_dict
        except ImportError as e:
            raise InputError('to_arviz needs ArviZ; install it with `pip install "starcluster-hpcflow[arviz]"`') from e
        theta, objects = self.samples, [] if self._single else ["cluster"]
        order = rng_for(0, "arviz").permutation(theta.sizes["sample"])
        shuffled = theta.isel(sample=order).transpose("parameter", "sample", *objects).values
        names = theta["parameter"].values.tolist()
        observed = {name: self.dataset[name].values for name in ("flux", "sigma")}
        return from_dict(
            {
                "posterior": {name: own[None] for name, own in zip(names, shuffled, strict=True)},
                "observed_data": observed,
            },
            coords={"band": self.dataset["band"].values.tolist()},
            dims={**dict.fromkeys(names, objects), **{name: [*objects, "band"] for name in observed}},
        )
