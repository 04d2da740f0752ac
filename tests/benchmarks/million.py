"""Inference on mock catalogues of growing size: does time per cluster stay level, and memory?

    python tests/benchmarks/million.py RUN OUT --n 1000 10000 100000 1000000

RUN is a run folder with a trained flow; OUT is where catalogues and archives go.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from hpcflow.config.load import dump_yaml
from hpcflow.stages.build import build_survey_simulator
from hpcflow.stages.mock import make_mock
from hpcflow.stages.run import Run
from printed import table
from tables import size

EVERY_S = 1.0
MIB = 2**20


class Usage(NamedTuple):
    """Of a command and all its processes: clock and processor seconds; peak PSS of all, and of the first process."""

    wall_s: float
    cpu_s: float
    peak: int
    driver: int


def watch(command: list[str], log: Path) -> Usage:
    """Run a command and look at its processes until it ends.

    Raises:
        SystemExit: if it fails.
    """
    cpu: dict[tuple[int, float], float] = {}  # last seen, so that of processes that ended counts as well
    peak = driver = 0
    began = time.monotonic()
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as child:
        while child.poll() is None:
            held = {process.pid: look(process, cpu) for process in family(child.pid)}
            peak, driver = max(peak, sum(held.values())), max(driver, held.get(child.pid, 0))
            time.sleep(EVERY_S)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed: see {log}")
    return Usage(time.monotonic() - began, sum(cpu.values()), peak, driver)


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started, those that are left."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def look(process: psutil.Process, cpu: dict[tuple[int, float], float]) -> int:
    """Note a process's processor seconds and return its share of memory in bytes; 0 if it has ended meanwhile."""
    try:
        times = process.cpu_times()
        cpu[process.pid, process.create_time()] = times.user + times.system
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def main() -> None:
    """Make catalogues, infer, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--n", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    asked = parser.parse_args()
    config = Run(asked.run).config()
    simulator = build_survey_simulator(config)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "config.yaml").write_text(dump_yaml(config.plain()))
    header = ["clusters", "wall time, s", "processor ms a cluster", "memory of all, MiB", "of the driver"]
    print(table([*header, "archive, kB a cluster"], []), flush=True)
    for n in asked.n:
        folder = asked.out / str(n)
        catalogue = folder / "mock.fits"
        if not catalogue.exists():
            make_mock(simulator, config.model.bands, n, 1, folder)
        few = [f"infer.samples={asked.samples}", f"infer.keep={min(100, asked.samples)}", "infer.predictive=50"]
        sets = [f"infer.flow={asked.run.resolve()}", *few, *asked.set]
        options = [word for one in sets for word in ("--set", one)]
        command = [sys.executable, "-m", "hpcflow", "infer", str(asked.out / "config.yaml"), str(catalogue)]
        places = ["--run", str(folder / "run"), "--workers", str(asked.workers)]
        used = watch([*command, *places, *options], folder / "log.txt")
        print(
            f"| {n:,} | {used.wall_s:.0f} | {1e3 * used.cpu_s / n:.2f} | {used.peak / MIB:.0f} "
            f"| {used.driver / MIB:.0f} | {size(folder / 'run' / 'posteriors.zarr')[0] / n / 1e3:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
