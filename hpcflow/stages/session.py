"""What knows the posteriors of a model, a trained flow or the exact posterior, and is asked about objects in memory."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import xarray as xr

from hpcflow.base.errors import InputError
from hpcflow.catalogues.catalogue import Catalogue
from hpcflow.catalogues.read import catalogue_of
from hpcflow.catalogues.read_options import ReadOptions
from hpcflow.config.load import Config, parse_config, with_values
from hpcflow.flow.precision import as_worker
from hpcflow.model.filters import shipped_curves
from hpcflow.posterior.inference import Inference
from hpcflow.stages.build import build_prior, build_simulator, source_of
from hpcflow.stages.build_inference import build_inference, rows_of
from hpcflow.stages.defaults import widened
from hpcflow.stages.flow_bands import in_bands
from hpcflow.stages.input import options_of, usable
from hpcflow.stages.named_bands import named_bands
from hpcflow.stages.new_archive import Origin, create_archive, origin_of
from hpcflow.stages.objects import Objects
from hpcflow.stages.posteriors_of import Posteriors
from hpcflow.stages.run import Run
from hpcflow.stages.same_model import has_columns
from hpcflow.stages.which import flow_named
from hpcflow.store.reading import open_archive

__all__ = ["Session"]

NOWHERE = Run(Path(os.devnull))  # a session has no run folder
ARGUMENTS = {  # what messages say of the config, in Python
    "infer.check_units: false": "check_units=False",
    "model.bands": "bands",
    "infer.": "",
    " (format table)": "",
}


class Session:
    """What knows the posteriors of a model; it keeps what it has loaded, so that it answers at once the next time.

    Args:
        config: model, observations and settings; its section `infer` names the flow, or says that the posterior is
            exact.
        any_bands: whether objects may have bands other than the config's, which have to be named every time.
    """

    def __init__(self, config: Config, any_bands: bool = False) -> None:
        self._config, self._any_bands = config, any_bands
        self._options: dict[str, ReadOptions] = {}
        self._engines: dict[str, tuple[Origin, Inference]] = {}

    @property
    def bands(self) -> dict[str, str]:
        """The bands that it knows, label -> curve."""
        return {curve: curve for curve in shipped_curves()} if self._any_bands else dict(self._config.model.bands)

    @property
    def _sees_a_set(self) -> bool:
        """Whether there is a flow that can be asked about bands which it does not know."""
        flow = self._config.infer.flow
        return flow is not None and not has_columns(flow_named(flow))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of what it infers."""
        return build_prior(self._config).names

    def __repr__(self) -> str:
        kind = self._config.infer.flow or "the exact posterior"
        return f"<hpcflow: {kind} of {source_of(self._config).plural}, {', '.join(self.parameters)}>"

    def posterior(
        self,
        flux: Any,
        error: Any = None,
        *,
        bands: Sequence[str] | Mapping[str, str] | None = None,
        distance_mpc: Any = None,
        unit: str | None = None,
        galaxy: Any = None,
        cluster_id: Any = None,
        columns: Mapping[str, str | Sequence[str]] | None = None,
        given: Mapping[str, Any] | None = None,
        check_units: bool = True,
    ) -> Posteriors:
        """Return the posteriors of one or several objects, the same numbers that `hpcflow infer` archives for them.

        The random numbers of an object depend on the seed, its galaxy and its cluster_id, and on nothing else.

        Args:
            flux: fluxes or magnitudes (B,) of one object or (N, B) of several, as an array or a Quantity; or a table or
                a row, of astropy or pandas, with columns as `hpcflow infer` reads them (F555W_flux, F555W_err, ...).
            error: their standard deviations, of the same shape; NaN where a band is missing. Not with a table.
            bands: what the last axis is, or which bands to take from a table: names of bands, filters or curves, or a
                mapping of names to curves. Without it, a table may have any of a flow's bands.
            distance_mpc: distance in Mpc or as a Quantity, one or (N,); or a mapping of galaxies to distances. Without
                it, that of the table, else of the galaxy.
            unit: unit of numbers that carry none: mJy, Jy, uJy, nJy, AB or Vega.
            galaxy: galaxy of all objects, or (N,).
            cluster_id: identifiers (N,), or that of one object; without it 1, 2, ...
            columns: names of a table's columns, as in the config's `infer.columns`.
            given: what else is given of each object, by name, one value or (N,) each.
            check_units: whether to refuse fluxes that are not those of such objects.

        Raises:
            InputError: if a band or a unit is not known, shapes disagree, an error is negative, or nothing says how far
                the objects are.
        """
        try:
            chosen = self._chosen(bands)
            objects = self._objects(flux, error, chosen, unit, columns or {})
            objects = objects.placed(galaxy, cluster_id, distance_mpc, given or {})
            if source_of(self._config).in_galaxies and objects.placeless:
                raise InputError(
                    "nothing says how far the objects are; give distance_mpc, or the galaxy if it is known"
                )
            config = self._in(chosen)
            catalogue = self._catalogue(objects, config, check_units)
            return Posteriors(self._archive(self._around(config, catalogue), catalogue), objects.single)
        except InputError as e:
            raise InputError(_in_python(str(e))) from e

    def _chosen(self, bands: Sequence[str] | Mapping[str, str] | None) -> dict[str, str] | None:
        if bands is not None:
            known = {} if self._any_bands else self._config.model.bands
            return named_bands(bands, known, self._any_bands or self._sees_a_set)
        if self._any_bands:
            raise InputError("nothing says which bands these are; give bands, such as ['WFC3_UVIS.F555W', ...]")
        return None

    def _objects(
        self, flux: Any, error: Any, bands: Mapping[str, str] | None, unit: str | None, columns: Mapping[str, Any]
    ) -> Objects:
        found = Objects.of_table(flux, columns, unit)
        if found is None:
            if bands is None:
                raise InputError(f"nothing says which bands these are; give bands, out of {', '.join(self.bands)}")
            return Objects.of_arrays(flux, error, list(bands), unit)
        if error is not None:
            raise InputError("a table has its errors in columns; leave out error, or give arrays")
        return found

    def _in(self, bands: Mapping[str, str] | None) -> Config:
        """Return the config in some bands."""
        if bands is None or dict(bands) == self._config.model.bands:
            return self._config
        return parse_config(self._config.plain() | in_bands(self._config, bands))

    def _catalogue(self, objects: Objects, config: Config, check_units: bool) -> Catalogue:
        if (key := repr(config)) not in self._options:
            self._options[key] = options_of(with_values(config, {"infer.catalogues": ["python"]}))
        said = {"format": "table", "classes": None, "galaxy": None, "columns": objects.columns, **objects.options}
        options = replace(self._options[key], check_units=check_units, **said)
        return usable(catalogue_of(objects.table, config.model.bands, options), config)

    def _around(self, config: Config, catalogue: Catalogue) -> Config:
        """Return the config with distances as far as those of the objects, unless they are those of a flow or a run."""
        if not self._any_bands:
            return config
        return with_values(config, {"observe.distance_mpc": widened(config.observe.distance_mpc, catalogue.distance)})

    def _archive(self, config: Config, catalogue: Catalogue) -> xr.Dataset:
        """Return the archive of a catalogue, in memory."""
        with TemporaryDirectory(prefix="hpcflow-") as folder, as_worker():
            path = Path(folder) / NOWHERE.posteriors.name
            origin, inference = self._engine(config)
            archive = create_archive(path, config, catalogue, origin)
            for partition in archive.partitions:
                archive.write(partition, inference.infer(rows_of(archive, partition)))
            return open_archive(path).load()

    def _engine(self, config: Config) -> tuple[Origin, Inference]:
        if (key := repr(config)) not in self._engines:
            inference = build_inference(config, NOWHERE, build_simulator(config))
            self._engines[key] = origin_of(config, NOWHERE), inference
        return self._engines[key]


def _in_python(sentence: str) -> str:
    """Return the message of an error in terms of arguments, which are named as the keys of the config."""
    for key, argument in ARGUMENTS.items():
        sentence = sentence.replace(key, argument)
    return sentence
