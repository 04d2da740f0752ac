"""How worker jobs share partitions that only sleep, on the pretended cluster: efficiency, overhead, time to the first.

    eval "$(slurm/devcluster/up)"
    python tests/benchmarks/scaling.py FOLDER --jobs 1 2 4 --partitions 400 --seconds 1

The span of a number of jobs is from the begin of the first partition to the end of the last; the efficiency of n jobs
compares n of their spans with the span of one. The overhead is what passes between two partitions of a worker.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

from hpcflow.base.partitions import Partition, partitions
from hpcflow.compute.dispatch import map_partitions
from hpcflow.compute.jobqueue import job_workers
from hpcflow.compute.site import Resources, Site
from hpcflow.config.load import dump_yaml
from printed import table

ROOT = Path(__file__).parents[2]
ANY = Resources("cpu", walltime_minutes=60, memory_gb=0.6, interface="lo")
SITE = Site("scaling", driver=ANY, worker=ANY)


def sleep(folder: str, partition: Partition) -> None:
    """Sleep for the time that a file says, and write who did when."""
    here, begun = Path(folder), time.time()
    time.sleep(float((here / "seconds").read_text()))
    (here / f"done-{partition.index}").write_text(json.dumps([os.environ["SLURM_JOB_ID"], begun, time.time()]))


def worked(jobs: int, count: int, seconds: float, folder: Path) -> list[tuple[str, float, float]]:
    """Have partitions done by so many worker jobs, and return of each its worker, begin and end."""
    folder.mkdir(parents=True)
    (folder / "seconds").write_text(str(seconds))
    site = Site("scaling", driver=ANY, worker=ANY, workers=jobs)
    with job_workers(site, count, folder, "simulate") as workers:
        assert map_partitions(workers, sleep, str(folder), partitions(count, 1), lambda _: None) == {}
    return [tuple(json.loads(path.read_text())) for path in folder.glob("done-*")]


def gaps(done: list[tuple[str, float, float]]) -> list[float]:
    """Return the seconds between the partitions of each worker."""
    by_worker = defaultdict[str, list[tuple[float, float]]](list)
    for who, begun, ended in sorted(done, key=lambda one: one[1]):
        by_worker[who].append((begun, ended))
    return [later[0] - one[1] for own in by_worker.values() for one, later in pairwise(own)]


def first_result(folder: Path) -> float:
    """Return the seconds from `hpcflow simulate --submit` to the first finished partition."""
    folder.mkdir(parents=True)
    low_high = {"log_age": (6.0, 10.1), "log_mass": (2.0, 8.0), "ebv": (0.0, 1.5)}
    parameters = {name: {"low": low, "high": high} for name, (low, high) in low_high.items()}
    model = {"bands": {"V": "WFC3_UVIS.F555W", "I": "WFC3_UVIS.F814W"}, "parameters": parameters}
    given = {"name": "first", "model": model, "simulate": {"n": 10_000, "partition": 500, "seed": 1}}
    (folder / "config.yaml").write_text(dump_yaml(given))
    plain = {"partition": "cpu", "memory_gb": 0.6}
    (folder / "site.yaml").write_text(dump_yaml({"name": "first", "interface": "lo", "driver": plain, "worker": plain}))
    begun = time.time()
    command = [sys.executable, "-m", "hpcflow", "simulate", "config.yaml", "--run", "run", "--site", "./site.yaml"]
    subprocess.run([*command, "--submit"], cwd=folder, check=True)
    while not (found := list(folder.glob("run/simulations.zarr/status/c/*"))):
        time.sleep(0.05)
    return min(path.stat().st_mtime for path in found) - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--partitions", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--firsts", type=int, default=3)
    asked = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    folder, rows, alone = asked.folder.resolve(), [], 0.0
    for jobs in asked.jobs:
        done = worked(jobs, asked.partitions, asked.seconds, folder / f"jobs-{jobs}")
        span = max(ended for _, _, ended in done) - min(begun for _, begun, _ in done)
        alone = alone or span * jobs
        between = sorted(gaps(done))
        rows.append(
            [
                jobs,
                f"{span:.1f} s",
                f"{alone / (jobs * span):.3f}",
                f"{1e3 * mean(between):.1f} ms",
                f"{1e3 * median(between):.1f} ms",
            ]
        )
    print(table(["worker jobs", "span", "efficiency", "overhead, mean", "median"], rows))
    firsts = [first_result(folder / f"first-{i}") for i in range(asked.firsts)]
    print("from submission to the first result: " + ", ".join(f"{seconds:.1f} s" for seconds in firsts))


if __name__ == "__main__":
    main()
