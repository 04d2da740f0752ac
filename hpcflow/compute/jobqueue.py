"""Workers as SLURM jobs, which the driver submits."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpcflow.base.atomic import write_whole
from hpcflow.base.paths import RunPaths
from hpcflow.compute.jobs import Place, plan_worker, worker_files
from hpcflow.compute.ledger import Ledger
from hpcflow.compute.pool import Pool
from hpcflow.compute.scheduler import scheduler_for
from hpcflow.compute.site import Site
from hpcflow.compute.slurm import cancel_workers
from hpcflow.compute.tls import private_folder
from hpcflow.compute.workers import Workers

__all__ = ["job_workers"]

log = logging.getLogger("hpcflow")


@contextmanager
def job_workers(site: Site, most: int, run: Path, stage: str) -> Iterator[Workers]:
    """Submit worker jobs at a site, and yield their workers; lost ones are replaced while there is work.

    Workers left behind by an earlier driver of this stage are ended first, because they may still be writing.

    Raises:
        InputError: if SLURM refuses.
        SchedulerError: if SLURM does not answer.
    """
    if left := cancel_workers(site, run, stage):
        log.info("%s: ended %d worker jobs of an earlier driver", stage, left)
    jobs = min(site.workers, -(-most // site.worker.cores))
    count, ledger = jobs * site.worker.cores, Ledger()
    with (
        private_folder(run, stage) as private,
        scheduler_for(str(site.driver.interface), private, ledger) as (scheduler, client),
    ):
        job = plan_worker(stage, site, Place(run), private, scheduler.address)
        for path, text in worker_files(site, Place(run), private).items():
            write_whole(path, text)
        with Pool(site, job, jobs, ledger, scheduler, RunPaths(run)) as pool:
            yield Workers(client, count, f"up to {count} workers of {site.name}", pool.check, ledger.running)
