"""Workers in the driver's own allocation, for sites where jobs cannot submit jobs.

The driver calls `srun` to start this file once per task: the first is the scheduler, the others are workers.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

from hpcflow.base.errors import InputError, SchedulerError
from hpcflow.base.paths import RunPaths
from hpcflow.compute.jobqueue import SLURMRunner
from hpcflow.compute.site import Site
from hpcflow.compute.tls import private_folder, run_certificate
from hpcflow.compute.workers import Workers

__all__ = ["runner_workers"]

START_S = 300.0  # for the scheduler to write its address
END_S = 20.0


@contextmanager
def runner_workers(site: Site, run: Path, stage: str) -> Iterator[Workers]:
    """Start a worker on every task of this allocation but two, for the driver and the scheduler, and yield them.

    Raises:
        InputError: if this is not an allocation of at least three tasks.
        SchedulerError: if the scheduler does not start.
    """
    tasks = int(os.environ.get("SLURM_NTASKS", 0)) - 1
    if tasks < 2:
        raise InputError(
            f"the workers of {site.name} need an allocation of at least three tasks, and this is not one; "
            "add --submit, or call salloc first"
        )
    logs = RunPaths(run).workers
    logs.mkdir(parents=True, exist_ok=True)
    with private_folder(run, stage) as private:
        security, file = run_certificate(private), private / "scheduler.json"
        step = ["srun", "--export=ALL", f"--ntasks={tasks}", "--kill-on-bad-exit=0", sys.executable, "-m", __name__]
        environment = os.environ | {"DASK_CONFIG": str(private)}
        with (logs / f"{stage}.{os.environ['SLURM_JOB_ID']}.out").open("ab") as log:
            process = subprocess.Popen(
                [*step, str(file), str(site.interface), site.scratch], env=environment, stdout=log, stderr=log
            )

        def check() -> None:
            if process.poll() is not None:
                raise SchedulerError(
                    f"{stage}: the scheduler and workers ended (exit code {process.returncode}); see {logs}, "
                    "then run the same command again to resume"
                )

        try:
            end = time.monotonic() + START_S
            while not file.exists() and time.monotonic() < end:
                check()
                time.sleep(0.2)
            with Client(scheduler_file=str(file), security=security, timeout=START_S, set_as_default=False) as client:
                yield Workers(client, tasks - 1, f"{tasks - 1} workers in this allocation of {site.name}", check)
                client.shutdown()
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            pass  # its work is finished
        finally:
            process.terminate()


def main(file: str, interface: str, scratch: str) -> None:
    """Run the scheduler or a worker, depending on the task number in the step."""
    here = {"interface": interface, "protocol": "tls://", "dashboard_address": "127.0.0.1:0"}
    SLURMRunner(
        scheduler_file=file.replace("{", "{{").replace("}", "}}"),
        client=False,
        scheduler_options=dict(here),
        worker_class="distributed.Nanny",  # which restarts a worker that dies
        worker_options={
            **here,
            "nthreads": 1,
            "memory_limit": f"{os.environ['SLURM_MEM_PER_CPU']}MiB" if "SLURM_MEM_PER_CPU" in os.environ else "auto",
            "local_directory": scratch,
            "death_timeout": START_S,
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
