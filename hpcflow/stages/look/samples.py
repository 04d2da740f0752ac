"""`hpcflow samples`: draw again all samples of one cluster, the same bits as in inference."""

from pathlib import Path

import numpy as np
from astropy.table import Column, Table

from hpcflow.base.errors import InputError
from hpcflow.base.paths import file_name
from hpcflow.catalogues.galaxies import normalise_galaxy
from hpcflow.catalogues.write import refuse_unknown, write_rows
from hpcflow.flow import checkpoint
from hpcflow.flow.precision import as_worker
from hpcflow.model.observe import Photometry
from hpcflow.posterior.target import Target
from hpcflow.posterior.uncertain import TargetAtGiven, at_given
from hpcflow.stages.build import build_likelihood
from hpcflow.stages.run import Run, digest_file, refuse_other_sources
from hpcflow.stages.which import EXACT, flow_of, open_proposal, posterior_of
from hpcflow.store.archive import PosteriorArchive
from hpcflow.store.flags import Flag

__all__ = ["find_cluster", "samples", "write_samples"]

NAMES = ("galaxy", "cluster_id", "flux", "sigma", "observed")


def samples(run: Path | str, cluster_id: str, galaxy: str | None = None) -> Table:
    """Draw all samples of the flow for one cluster again, with their weights where the archive has weights.

    They are the samples of inference, in the same order, because their noise depends only on the cluster and the seed.
    On another kind of processor, or with another release of torch, the last bits may differ.

    Args:
        run: the run's folder.
        cluster_id: as in its catalogue.
        galaxy: needed if several galaxies have this cluster_id.

    Returns:
        a column per parameter, with its unit, log_q, and log_weight where the likelihood is tractable [nat].

    Raises:
        InputError: if there is no such cluster, it has no posterior, or the archive was made with another flow.
    """
    folder = Run(Path(run))
    config = folder.config()
    archive = PosteriorArchive.open(folder.posteriors)
    exact = posterior_of(config, folder) == EXACT
    there = {} if exact else {"flow_sha256": digest_file(flow_of(config, folder) / checkpoint.WEIGHTS)}
    refuse_other_sources(folder.posteriors, archive.attrs, there | {"seed": config.infer.seed})
    row = find_cluster(archive, cluster_id, galaxy)
    partition = next(p for p in archive.partitions if row < p.stop)
    row -= partition.start
    proposal = open_proposal(config, folder)
    scale = proposal.scale
    names = (*NAMES, *(f"{quantity.name}{of}" for quantity in scale.given for of in ("", "_error")))
    one = {name: archive.read(name, partition)[row : row + 1] for name in names}
    key, drawn = (one["galaxy"][0], one["cluster_id"][0]), archive.attrs["samples_drawn"]
    photometry = Photometry(one["flux"], one["sigma"], one["observed"], scale.stacked(one))
    errors = scale.stacked(one, "_error")[0]
    with as_worker():
        ones = at_given(photometry, errors, scale.given, archive.attrs["seed"], key)
        theta, log_q = (a[0].numpy() for a in proposal.of(photometry, [ones], [key]).samples(drawn))
    of = "exact posterior on its grid" if exact else "flow"
    columns = [
        Column(theta[:, i], p.name, unit=p.unit or None, description=f"samples of the {of}")
        for i, p in enumerate(proposal.prior.parameters)
    ]
    columns.append(Column(log_q, "log_q", description=f"log of the density of the {of}, per declared units"))
    if exact or "log_weight" in archive.written:
        target = Target(build_likelihood(config))
        weight = TargetAtGiven(target, photometry, ones, scale).log_prob(theta) - log_q
        says = "log of likelihood x prior / q, unnormalised: weighted by its exponential, samples are the posterior's"
        columns.append(Column(weight, "log_weight", description=says))
    return Table(columns, meta={"OBJECT": " ".join(key)})


def write_samples(run: Path, cluster_id: str, galaxy: str | None, out: Path | None) -> Path:
    """Write all samples of one cluster as a table, by default into the run folder, and return its path.

    Raises:
        InputError: as for `samples`, or if the format is unknown.
    """
    name = file_name("samples", *filter(None, [galaxy]), cluster_id)
    path = out or run / f"{name}.fits"
    refuse_unknown(path)
    write_rows(samples(run, cluster_id, galaxy), path)
    return path


def find_cluster(archive: PosteriorArchive, cluster_id: str, galaxy: str | None = None) -> int:
    """Return the row of a cluster that has a posterior.

    Raises:
        InputError: if there is no such cluster, or it has no posterior.
        DamagedError: if the photometry, or the partition of the cluster, is not what was written.
    """
    archive.check()
    galaxy = galaxy and normalise_galaxy(galaxy)
    of, identifiers = archive.read("galaxy"), archive.read("cluster_id")
    # A word of the shell that is no text cannot be compared.
    found = np.flatnonzero(identifiers == cluster_id) if f"{galaxy}{cluster_id}".isprintable() else np.empty(0, int)
    if galaxy is not None:
        found = found[of[found] == galaxy]
    if not len(found):
        raise InputError(
            f"{archive.path} has no cluster {cluster_id}{f' of {galaxy}' if galaxy else ''}; "
            "give cluster_id and galaxy as in the archive"
        )
    if len(found) > 1:
        raise InputError(
            f"{archive.path} has a cluster {cluster_id} in each of {', '.join(of[found].tolist())}; "
            "choose one with --galaxy"
        )
    partition = next(p for p in archive.partitions if found[0] < p.stop)
    if partition in archive.missing():
        raise InputError(f"{archive.path}: cluster {cluster_id} has no posterior yet; run `hpcflow infer` again")
    archive.check(partition)
    row = int(found[0]) - partition.start
    if np.isnan(archive.read("map", partition)[row]).any():
        why = ", ".join(str(flag.name).lower() for flag in Flag(int(archive.read("flag", partition)[row])))
        raise InputError(f"{archive.path}: cluster {cluster_id} has no posterior: {why}")
    return int(found[0])
