"""The job of `hpcflow site check` on its node: probe the node, and write what it finds."""

import json
import socket
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hpcflow import __version__
from hpcflow.base.atomic import write_whole
from hpcflow.base.errors import HpcflowError, InputError
from hpcflow.compute.interface import address_of
from hpcflow.compute.site import Site
from hpcflow.compute.slurm import ask, job_id
from hpcflow.config.sites import load_site
from hpcflow.stages.slurm.site_check import check_command, explain

__all__ = ["Probe", "probe"]

# Words of a refusal that is meant for every job within a job.
FORBIDDEN = ("not installed", "permission denied", "not permitted", "not allowed", "disabled", "not a submit host")


@dataclass(frozen=True)
class Probe:
    """What a job found.

    Args:
        node: name of the node.
        version: version of hpcflow there.
        wrong: sentences about what differs from the site file.
        ranks: number of processes that reached each other.
        gpus: number of GPUs that one process sees.
        submitted: id of the job that this job submitted.
        clock: time on the node, in seconds since 1970.
    """

    node: str
    version: str
    wrong: tuple[str, ...] = ()
    ranks: int = 1
    gpus: int = 0
    submitted: str = ""
    clock: float = field(default_factory=time.time)


def probe(kind: str, folder: Path) -> Probe | None:
    """Probe this node; return None in all processes of a train job but the first.

    Args:
        kind: kind of the job: driver, worker, train or nested.
        folder: folder of the check, with setup.sh and site.yaml.
    """
    site = load_site(str(folder / "site.yaml"))
    if kind == "train":
        return _ranks()
    wrong, submitted = [], ""
    try:
        if interface := (site.driver if kind == "driver" else site.worker).interface:
            address_of(interface)
        if kind in ("worker", "nested"):
            tempfile.TemporaryFile(dir=site.scratch).close()
        if kind == "driver" and site.pool == "jobs":
            submitted = _submit(site, folder)
    except HpcflowError as e:
        wrong.append(str(e))
    except OSError as e:
        wrong.append(f"scratch {site.scratch} cannot be written on {socket.gethostname()}: {e.strerror}; name another")
    return Probe(socket.gethostname(), __version__, tuple(wrong), submitted=submitted)


def _submit(site: Site, folder: Path) -> str:
    """Submit a worker job, as drivers do, and return its id."""
    try:
        return job_id(ask(*check_command("nested", site, folder)))
    except InputError as e:
        if any(words in str(e).lower() for words in FORBIDDEN):
            raise InputError(f"jobs cannot submit jobs here ({e}); set pool: runner") from e
        raise InputError(f"a worker, submitted by this job: {explain(str(e), site.worker)}") from e


def _ranks() -> Probe | None:
    from hpcflow.flow.distributed import roll_call  # imports torch, which the other kinds do not need

    met = roll_call()
    return Probe(socket.gethostname(), __version__, (), *met) if met else None


def main(kind: str, folder: Path) -> None:
    """Probe this node, and write what was found into the folder of the check."""
    found = probe(kind, folder)
    if found:
        write_whole(folder / f"{kind}.json", json.dumps(asdict(found)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
