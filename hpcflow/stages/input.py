"""The catalogues that a config names, read as its model can use them."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.phangs_sed import is_sed, obs_of
from hpcflow.catalogues.read import read_catalogue
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.config.load import Config
from hpcflow.stages.build import model_fluxes, source_of
from hpcflow.store.flags import LARGEST_ERROR

__all__ = ["options_of", "read_catalogues", "usable"]


def read_catalogues(config: Config) -> Catalogue:
    """Return the clusters of all catalogues that the config names, grouped by galaxy.

    Raises:
        InputError: if no catalogue is named, one cannot be used, or no cluster has a distance.
    """
    paths, options = _with_photometry(config.infer.catalogues), options_of(config)
    whole = Catalogue.concatenate([read_catalogue(path, config.model.bands, options) for path in paths]).by_galaxy()
    return usable(whole, config)


def usable(catalogue: Catalogue, config: Config) -> Catalogue:
    """Return the catalogue without what the config's model cannot describe.

    Raises:
        InputError: if no object has a distance that is needed.
    """
    if source_of(config).in_galaxies:
        catalogue.refuse_without_distance()
    # Log-normal noise would force the model to at least twice the error of a faint band.
    lognormal = config.observe.noise == "lognormal"
    return catalogue.bright(config.observe.systematic, LARGEST_ERROR) if lognormal else catalogue


def options_of(config: Config) -> ReadOptions:
    """Return the options with which to read the config's catalogues."""
    wanted = config.infer
    given = wanted.model_dump(include={f.name for f in fields(ReadOptions)}, exclude_none=True)
    checked = wanted.check_units and wanted.catalogues  # computing the models takes seconds
    return ReadOptions(
        **given,
        source=source_of(config),
        may_lack=config.observe.may_lack,
        negative=config.observe.noise == "normal",
        model_fluxes=model_fluxes(config) if checked else None,
    )


def _with_photometry(paths: Sequence[str]) -> list[str]:
    """Return the catalogues without `sed` tables whose `obs` table is named too: the two are read together."""
    there = {path: Path(path).resolve() for path in paths if Path(path).is_file()}  # others are refused when read
    named = set(there.values())
    return [path for path in paths if not (is_sed(Path(path)) and path in there and obs_of(there[path]) in named)]
