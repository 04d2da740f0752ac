"""`hpcflow reweight`: the posteriors of a run under another prior, from the samples that are there."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hpcflow.base.atomic import atomic_folder
from hpcflow.base.errors import InputError
from hpcflow.config.check import checked
from hpcflow.config.joint_prior import BOX, Chosen, Kind, law_of, named
from hpcflow.config.load import load_yaml
from hpcflow.model.prior import Prior
from hpcflow.posterior.reweighting import reweighted, share_outside
from hpcflow.stages.build import build_prior, source_of
from hpcflow.stages.run import Run
from hpcflow.store.flags import LEAST_EFFECTIVE
from hpcflow.store.reading import open_archive
from hpcflow.store.reweighted import ReweightedStore
from hpcflow.store.schema import QUANTILES
from hpcflow.store.summary import units

__all__ = ["reweight"]

Row = dict[str, NDArray[Any]]


def reweight(run: Run, prior: str) -> Iterator[str]:
    """Write `reweighted/NAME.zarr` into the run's folder, and yield what to know of it, the path last.

    Args:
        run: a run with an archive, which stays as it is.
        prior: name of a prior that ships, or a YAML file with the components of a `model.prior`.

    Raises:
        InputError: if there is no archive, or the prior is not one of the run's parameters or wider than its own.
    """
    ds, config = open_archive(run.posteriors), run.config()
    old, (name, kinds) = build_prior(config), _asked(prior, source_of(config).priors)
    new = Prior(old.parameters, law_of(kinds, old.parameters))
    if outside := share_outside(new, old):
        raise InputError(
            f"{outside:.2%} of the prior {name} lies where that of {run.path} has no density, so there are no samples; "
            "narrow it, or infer with it in model.prior"
        )
    path = run.reweighted(name)
    path.parent.mkdir(exist_ok=True)
    with atomic_folder(path) as growing:
        growing.rmdir()  # the store makes it anew
        store = ReweightedStore.create(
            growing,
            galaxies=ds["galaxy"].values.tolist(),
            identifiers=ds["cluster_id"].values.tolist(),
            parameters={own: units(ds)[own] for own in old.names},
            samples=ds.sizes["sample"],
            prior=json.dumps({kind: found.model_dump() for kind, found in kinds.items()}),
            archive=ds.attrs["known_checksum"],
        )
        for partition in store.partitions:
            block = ds.isel(cluster=slice(partition.start, partition.stop)).load()
            rows = [_row(block.isel(cluster=k), old, new) for k in range(len(partition))]
            store.write(partition, {name: np.stack([row[name] for row in rows]) for name in rows[0]})
    yield from _said(ReweightedStore.open(path).dataset()["effective"].values)
    yield str(path)


def _asked(prior: str, shipped: Mapping[str, Any]) -> tuple[str, Mapping[str, Kind]]:
    """Return the name of a prior and its components.

    Raises:
        InputError: if it neither ships nor is a file of components.
    """
    names, path = [BOX, *shipped], Path(prior)
    if prior not in names and not path.is_file():
        raise InputError(f"prior {prior} neither ships nor is a file; give one of {', '.join(names)}, or a YAML file")
    given = named(prior, shipped) if prior in names else load_yaml(path)
    return path.stem, checked(Chosen, {"prior": given}).prior


def _row(one: xr.Dataset, old: Prior, new: Prior) -> Row:
    """Return the variables of one cluster; NaN where it has no posterior, and where no sample is left."""
    theta = one["theta"].values.astype(np.float64)
    n, dim = theta.shape
    row = {
        "share": np.full(n, np.nan),
        "quantile": np.full((len(QUANTILES), dim), np.nan),
        **{name: np.full(dim, np.nan) for name in ("mean", "std")},
        **{name: np.array(np.nan) for name in ("effective", "efficiency", "log_evidence_ratio")},
    }
    if not np.isfinite(theta).all():
        return row
    with np.errstate(invalid="ignore"):  # samples on the edge of a component may round across it
        found = reweighted(theta, np.zeros(n), old, new, QUANTILES)
    # The samples were drawn by weights, so some are there twice: together they are worth no more than `effective`.
    worth = min(1.0, float(one["effective"]) / n) if "effective" in one else 1.0
    effective = found.effective * (1.0 if np.isnan(worth) else worth)
    row |= {"share": found.share, "effective": np.array(effective), "efficiency": np.array(effective / n)}
    row |= {"log_evidence_ratio": np.array(found.log_evidence_ratio)}
    return row | {name: found.summary[name] for name in ("quantile", "mean", "std") if name in found.summary}


def _said(effective: NDArray[np.floating]) -> Iterator[str]:
    """Yield how many clusters have enough samples under the new prior."""
    there = effective[np.isfinite(effective)]
    if not len(there):
        yield f"none of {len(effective)} clusters has a posterior"
        return
    low, median, high = np.quantile(there, [0.16, 0.5, 0.84])
    yield (
        f"{len(there)} of {len(effective)} clusters reweighted; effective samples {median:.0f} in the median "
        f"(16 and 84 %: {low:.0f} and {high:.0f})"
    )
    if poor := int((there < LEAST_EFFECTIVE).sum()):
        yield (
            f"{poor} of them have fewer than {LEAST_EFFECTIVE:g} effective samples, too few for quantiles; "
            "for these put the prior into model.prior and infer again"
        )
