"""Named faults of a pretended cluster: each run ends with the bytes of an undisturbed one, or says why it cannot.

HPCFLOW_LONG_FAULTS=1 pytest -m slurm tests/faults/test_named_faults.py      # also long ones, or in test_pool.py, too
"""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from distributed.diskutils import WorkSpace

from hpcflow.compute.jobs import run_tag
from hpcflow.compute.slurm import Queued, ask, queued_jobs
from hpcflow.config.load import dump_yaml
from intruder import intrude

CAMPAIGN = runpy.run_path(str(Path(__file__).with_name("slurm_campaign.py")))
NOTICED_S = 120.0  # in which a fault that ends a stage has to be said
# Python starts slowly where 30 processes wait for two processors.
PATIENCE_S = 300.0
ONLY_WORKERS = "[[ $SLURM_JOB_NAME != *-worker ]]"

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
long = pytest.mark.skipif("HPCFLOW_LONG_FAULTS" not in os.environ, reason="HPCFLOW_LONG_FAULTS is not set")


@dataclass(frozen=True)
class Case:
    """A run of its own that is to be disturbed, with the config of an undisturbed one."""

    folder: Path
    config: Path
    quiet: Path

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def hpcflow(self, *arguments: object, code: int = 0, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "hpcflow", *map(str, arguments)],
            env=CAMPAIGN["ENVIRONMENT"] | {"PATH": os.environ["PATH"]} | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def submit(self, *options: object, stage: str = "simulate", site: dict[str, Any] | None = None, **also: str) -> str:
        """Submit a stage to a site that differs from the campaign's, and return its job."""
        self.write_site(**(site or {}))
        self.hpcflow(stage, self.config, "--run", self.run, "--site", "./site.yaml", "--submit", *options, **also)
        return self.job(stage)

    def write_site(self, **changed: object) -> None:
        (self.folder / "scratch").mkdir(exist_ok=True)
        given = CAMPAIGN["SITE"] | {"workers": 2, "scratch": str(self.folder / "scratch")} | changed
        (self.folder / "site.yaml").write_text(dump_yaml(given))

    def job(self, stage: str = "simulate") -> str:
        return str(json.loads((self.run / "logs" / "jobs.json").read_text())[stage]["id"])

    def log(self, id: str, stage: str = "simulate") -> str:
        path = self.run / "logs" / f"{stage}.{id}.out"
        return path.read_text() if path.is_file() else ""

    def jobs(self, active: bool = True) -> list[Queued]:
        return [job for job in queued_jobs() if f"-{run_tag(self.run)}-" in job.name and job.active >= active]

    def workers(self) -> list[Queued]:
        return [job for job in self.jobs() if job.name.endswith("-worker") and job.state == "RUNNING"]

    def partitions(self) -> int:
        return len(list((self.run / "simulations.zarr" / "status" / "c").glob("*")))

    def hurry(self) -> None:
        """Let models take no time from now on."""
        (self.config.parent / CAMPAIGN["HURRY"]).touch()

    def ends(self, id: str, patience_s: float = PATIENCE_S) -> str:
        """Wait for a job to end, and return its state."""
        wait_for(lambda: state(id) in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"), patience_s)
        return state(id)

    def ends_like_the_undisturbed(self, id: str) -> None:
        """Let the stage go on to its end, and compare its bytes."""
        self.hurry()
        assert self.ends(id) == "COMPLETED", self.log(id)
        CAMPAIGN["same"](self.quiet / "simulations.zarr", self.run / "simulations.zarr")

    def nothing_is_left(self) -> None:
        """Raise if a job, a process, a certificate or a temporary file outlives the run."""
        wait_for(lambda: not self.jobs(), 60)
        wait_for(lambda: not processes_that_name(self.run), 60)
        assert [path.name for path in self.run.glob(".*")] == []
        assert left_by_workers(self.folder / "scratch") == []


def state(id: str) -> str:
    return ask("squeue", "--noheader", "--states=all", f"--jobs={id}", "--format=%T").strip()


def wait_for(what: Callable[[], object], seconds: float = PATIENCE_S) -> float:
    """Wait until something is so, and return for how long."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, ask("squeue", "--states=all", "--format=%i %j %T %r %N")
        time.sleep(0.3)
    return time.monotonic() - began


def processes_that_name(path: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and str(path) in " ".join([*process.cmdline(), *process.environ().values()]):
                found.append(process)
        except psutil.Error:
            continue
    return found


def left_by_workers(scratch: Path) -> list[str]:
    """Return what workers have left for good: what killed ones leave, the next removes that starts there."""
    if (scratch / "dask-scratch-space").is_dir():
        WorkSpace(str(scratch / "dask-scratch-space")).new_work_dir(prefix="next-").release()
    return [str(path) for path in scratch.glob("dask-scratch-space/worker-*")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give a config, and a finished library that was made here."""
    folder = tmp_path_factory.mktemp("named")
    path = CAMPAIGN["config"](folder, rows=2400, clusters=1, steps=1)
    CAMPAIGN["hurry"](path)
    done = CAMPAIGN["hpcflow"]("simulate", path, folder / "undisturbed", "--workers", "2")
    assert done.returncode == 0, done.stderr
    return path, folder / "undisturbed"


@pytest.fixture
def case(undisturbed: tuple[Path, Path], tmp_path: Path) -> Iterator[Case]:
    """Give a run to disturb, whose models take 100 ms each, and look for what it leaves behind."""
    config, quiet = undisturbed
    CAMPAIGN["hurry"](config, False)
    made = Case(tmp_path, config, quiet)
    try:
        yield made
        made.nothing_is_left()
    finally:
        if made.jobs():
            ask("scancel", *(job.id for job in made.jobs()))


def activated(*lines: str) -> dict[str, Any]:
    """Return a site whose jobs run some lines first."""
    return {"activate": list(lines)}


def worker(**changed: object) -> dict[str, Any]:
    return {"worker": CAMPAIGN["SITE"]["worker"] | changed}


# Runs that end with the bytes of an undisturbed one.


@long
def test_a_black_hole_node(case: Case) -> None:
    """Every worker job on it ends at once, so that it is always free for the next."""
    id = case.submit(site=activated(f"{ONLY_WORKERS} || [[ $SLURMD_NODENAME != cpu1 ]] || exit 3") | {"workers": 1})
    named = "cpu1 is left out, as worker jobs keep ending there (exit code 3)"
    wait_for(lambda: named in case.log(id))
    assert named in case.hpcflow("status", case.run)
    case.ends_like_the_undisturbed(id)


@long
def test_a_limit_on_submitted_jobs_that_passes(case: Case) -> None:
    """A stand-in before the real sbatch refuses as sites do where a user has too many jobs."""
    (case.folder / "bin").mkdir()
    (case.folder / "bin" / "sbatch").write_text(
        "#!/bin/bash\nrefused='sbatch: error: QOSMaxSubmitJobPerUserLimit'\n"
        f"[[ -e {case.folder}/room ]] || {{ echo $refused >&2; exit 1; }}\n"
        'PATH=${PATH#*:} exec sbatch "$@"\n'
    )
    (case.folder / "bin" / "sbatch").chmod(0o755)
    id = case.submit(site=activated(f"export PATH={case.folder}/bin:$PATH"))
    wait_for(lambda: "takes no more worker jobs for now (sbatch refused: QOSMaxSubmitJobPerUserLimit)" in case.log(id))
    assert "trying again in" in case.hpcflow("status", case.run)
    (case.folder / "room").touch()
    case.ends_like_the_undisturbed(id)


def test_workers_whose_clock_is_an_hour_behind(case: Case, need: Callable[[str], str]) -> None:
    (case.folder / "late.c").write_text(
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <sys/time.h>\n#include <time.h>\n"
        "time_t time(time_t *t) {\n"
        "    struct timespec now;\n    clock_gettime(CLOCK_REALTIME, &now);\n"
        "    if (t) *t = now.tv_sec;\n    return now.tv_sec;\n}\n"
        "int clock_gettime(clockid_t id, struct timespec *now) {\n"
        '    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");\n'
        "    int code = real(id, now);\n    if (id == CLOCK_REALTIME) now->tv_sec -= 3600;\n    return code;\n}\n"
    )
    shim = str(case.folder / "late.so")
    subprocess.run([need("cc"), "-shared", "-fPIC", "-o", shim, case.folder / "late.c", "-ldl"], check=True)
    late = subprocess.run(["date", "+%s"], env=os.environ | {"LD_PRELOAD": shim}, capture_output=True, text=True)
    assert time.time() - int(late.stdout) > 3500
    case.ends_like_the_undisturbed(case.submit(site=activated(f"{ONLY_WORKERS} || export LD_PRELOAD={shim}")))


def test_a_site_whose_jobs_get_no_environment(case: Case) -> None:
    paths = f"export PYTHONPATH={CAMPAIGN['ENVIRONMENT']['PYTHONPATH']} SLURM_CONF={os.environ['SLURM_CONF']}"
    id = case.submit(site=activated(paths), SBATCH_EXPORT="NONE")
    case.ends_like_the_undisturbed(id)
    id = case.submit(site=activated(paths), stage="train", SBATCH_EXPORT="NONE")
    assert case.ends(id) == "COMPLETED", case.log(id, "train")
    assert (case.run / "flow" / "weights.safetensors").is_file()


@long
def test_a_task_of_the_drivers_own_allocation_is_lost(case: Case) -> None:
    id = case.submit(site={"pool": "runner", "workers": 2})
    wait_for(lambda: case.partitions() >= 2)
    nannies = [p for p in processes_that_name(case.run) if "distributed.cli.dask_worker" in p.cmdline()]
    victim = min(nannies, key=lambda p: p.pid)
    victim.kill()
    wait_for(lambda: "1 of 2 workers are missing and started again" in case.log(id), NOTICED_S)
    case.ends_like_the_undisturbed(id)


def test_another_user_at_the_ports_of_driver_and_workers(case: Case) -> None:
    """Whether he speaks plainly or with a certificate of his own, nobody answers him; the run's key he cannot read."""
    if os.geteuid():
        pytest.skip("becoming another user needs root")
    case.submit("--set", "simulate.n=9000")  # it takes longer than the tries
    wait_for(lambda: case.partitions() >= 1)
    (key,) = case.run.glob(".simulate-workers*/key.pem")
    said = [c for p in processes_that_name(case.run) for c in p.net_connections("tcp") if c.status == "LISTEN"]
    ports = sorted({(one.laddr.ip, str(one.laddr.port)) for one in said})
    assert len(ports) >= 3  # the scheduler, a worker and its nanny
    intrude(*ports[0], key, "key")
    for ip, port in ports:
        for kind in ("tcp", "tls"):
            intrude(ip, port, key, kind)
    case.hpcflow("cancel", case.run)


def test_two_submissions_at_once(case: Case) -> None:
    case.write_site()
    command = [sys.executable, "-m", "hpcflow", "simulate", case.config, "--run", case.run]
    both = [
        subprocess.Popen(
            [*map(str, command), "--site", "./site.yaml", "--submit"],
            env=CAMPAIGN["ENVIRONMENT"],
            cwd=case.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = "".join(one.communicate()[0] for one in both)
    assert "another `--submit` is running" in said or " already" in said, said
    assert len([job for job in case.jobs() if not job.name.endswith("-worker")]) == 1
    case.ends_like_the_undisturbed(case.job())


def test_a_truncated_record_of_jobs(case: Case) -> None:
    id = case.submit()
    record = case.run / "logs" / "jobs.json"
    record.write_text(record.read_text()[:20])
    assert f"job {id} is " in case.hpcflow("status", case.run)
    again = case.hpcflow("simulate", case.config, "--run", case.run, "--site", "./site.yaml", "--submit")
    assert f"simulate: job {id} is " in again
    assert " already" in again
    case.ends_like_the_undisturbed(id)


def test_status_while_slurm_is_away(case: Case) -> None:
    id = case.submit()
    wait_for(lambda: case.partitions() >= 1)
    for daemon in CAMPAIGN["ours"]("slurmctld"):
        daemon.terminate()
    try:
        began = time.monotonic()
        said = case.hpcflow("status", case.run)
        assert f"job {id} is submitted; SLURM does not say how it is" in said
        assert "next: wait, or hpcflow cancel" in said
        assert time.monotonic() - began < NOTICED_S
    finally:
        subprocess.run(["slurmctld"], check=True)
    case.ends_like_the_undisturbed(id)


def test_a_run_folder_that_is_renamed(case: Case) -> None:
    """Its jobs are found, and cancelled; the command goes on under the new name."""
    case.submit()
    wait_for(lambda: case.partitions() >= 1)
    renamed = case.run.rename(case.folder / "renamed")
    assert "simulate: job " in case.hpcflow("status", renamed)
    case.hpcflow("cancel", renamed)
    assert case.jobs() == []
    assert not processes_that_name(case.run)
    shutil.rmtree(case.run, ignore_errors=True)  # where its workers wrote their last
    case.hurry()
    case.hpcflow("simulate", case.config, "--run", renamed, "--workers", 1)
    CAMPAIGN["same"](case.quiet / "simulations.zarr", renamed / "simulations.zarr")
    assert list(renamed.glob(".*")) == []


@long
def test_a_worker_that_hangs(case: Case) -> None:
    """It is stopped, so that it neither works nor ends."""
    id = case.submit(site={"workers": 1})
    wait_for(lambda: case.partitions() >= 1)
    (hanging,) = [p for p in processes_that_name(case.run) if "spawn_main" in " ".join(p.cmdline())]
    hanging.send_signal(signal.SIGSTOP)
    took = wait_for(lambda: "started again" in case.log(id) or "is lost" in case.log(id), NOTICED_S + 60)
    print(f"noticed after {took:.0f} s")
    assert took < NOTICED_S + 30
    case.ends_like_the_undisturbed(id)


OSCILLATION = """
import time
from pathlib import Path

import numpy as np

hurry = Path({hurry!r})


class Oscillation:
    parameters = ("frequency", "damping", "phase", "delay")
    bands = ("t1", "t2", "t3", "t4", "t5", "t6")

    def __call__(self, theta):
        for _ in theta:
            time.sleep(0 if hurry.exists() else 0.005)
        frequency, damping, phase, delay = theta.astype(float).T[:, :, None]
        at = np.arange(1.0, 7.0) + delay
        return np.exp(-damping * at) * (1.5 + np.cos(frequency * at + phase))
"""
BANDS = tuple(f"t{number}" for number in range(1, 7))


def write_oscillations(folder: Path) -> Path:
    """Write a simulator of one's own, its config and six objects; return the config's path."""
    (folder / "waves.py").write_text(OSCILLATION.format(hurry=str(folder / CAMPAIGN["HURRY"])))
    rng = np.random.default_rng(1)
    lines = [",".join(["cluster_id", "delay", *(f"{band},{band}_err" for band in BANDS)])]
    for i in range(6):
        flux = rng.lognormal(-0.3 * np.arange(6), 0.2)
        pairs = (f"{value:.6g},{0.2 * value:.6g}" for value in flux)
        lines.append(",".join([str(i), f"{rng.random():.6g}", *pairs]))
    (folder / "seen.csv").write_text("\n".join(lines) + "\n")
    low_high = {"log_amplitude": (-1, 1), "frequency": (0.2, 1.4), "damping": (0.05, 0.5), "phase": (0, 6.283)}
    parameters = {name: {"low": low, "high": high} for name, (low, high) in low_high.items()}
    config = {
        "name": "waves",
        "source": "own",
        "model": {
            "simulator": "waves.py:Oscillation",
            "bands": dict.fromkeys(BANDS, ""),
            "parameters": parameters | {"phase": parameters["phase"] | {"nuisance": True}},
            "given": {"delay": {"low": 0, "high": 1, "unit": "s", "simulated": True}},
            "scale": "log_amplitude",
        },
        "observe": {"relative_error": [0.15, 0.4], "undetected": 0},
        "simulate": {"n": 12_000, "partition": 500},
        "train": {
            "flow": {"family": "autoregressive", "hidden": 8, "embedding_hidden": 16, "embedding_layers": 1},
            "batch": 256,
            "steps": 200,
        },
        "infer": {"catalogues": ["seen.csv"], "samples": 100, "keep": 50, "predictive": 20, "partition": 1},
    }
    (folder / "waves.yaml").write_text(dump_yaml(config))
    return folder / "waves.yaml"


def kill_a_worker_of(case: Case) -> None:
    one, *_ = [p for p in processes_that_name(case.run) if "spawn_main" in " ".join(p.cmdline())]
    one.kill()


def test_a_worker_with_a_simulator_of_ones_own_is_killed(tmp_path: Path) -> None:
    """The simulator's own process ends with the worker; library, flow and archive are those made here."""
    config = write_oscillations(tmp_path)
    made = Case(tmp_path, config, tmp_path / "quiet")
    made.hurry()
    for stage in ("simulate", "train", "infer"):
        done = CAMPAIGN["hpcflow"](stage, config, made.quiet, "--workers", "2")
        assert done.returncode == 0, done.stderr
    try:
        for stage, store in (("simulate", "simulations.zarr"), ("infer", "posteriors.zarr")):
            (tmp_path / CAMPAIGN["HURRY"]).unlink()
            id = made.submit(stage=stage)
            wait_for(lambda store=store: len(list(made.run.glob(f"{store}/status/c/*"))) >= 2)
            kill_a_worker_of(made)
            made.hurry()
            assert made.ends(id) == "COMPLETED", made.log(id, stage)
            CAMPAIGN["same"](made.quiet / store, made.run / store)
            if stage == "simulate":
                assert CAMPAIGN["hpcflow"]("train", config, made.run, "--workers", "2").returncode == 0
        weights = [(run / "flow" / "weights.safetensors").read_bytes() for run in (made.quiet, made.run)]
        assert weights[0] == weights[1]
        made.nothing_is_left()
    finally:
        if made.jobs():
            ask("scancel", *(job.id for job in made.jobs()))


# Runs that cannot go on, and say why.


def fails(case: Case, id: str, says: str, within_s: float) -> float:
    """Wait until a driver has ended with a sentence, and return how long that took."""
    began = time.monotonic()
    assert case.ends(id, within_s) == "FAILED"
    said = case.log(id)
    assert says in said, said
    assert "Traceback" not in said
    return time.monotonic() - began


@long
def test_workers_that_cannot_start_anywhere(case: Case) -> None:
    id = case.submit(site=activated(f"{ONLY_WORKERS} || exit 7"))
    fails(case, id, "worker jobs ended before a partition was finished, the last on cpu", PATIENCE_S)
    assert "(exit code 7); see" in case.log(id)


@long
def test_workers_with_too_little_memory(case: Case) -> None:
    one = worker(memory_gb=0.1) | {"workers": 1}  # with more, all is over before `status` has started
    id = case.submit("--set", "simulate.partition=10", site=one)
    wait_for(lambda: "started again 1 times for want of memory (worker.memory_gb)" in case.log(id))
    assert "for want of memory" in case.hpcflow("status", case.run)
    took = fails(case, id, "workers died with 8 partitions in a row, 3 with each, and finished none", PATIENCE_S)
    print(f"ended after {took:.0f} s")


@long
def test_a_driver_whose_life_is_too_short(case: Case) -> None:
    driver = CAMPAIGN["SITE"]["driver"] | {"walltime_minutes": 1}
    id = case.submit(site=activated(f"{ONLY_WORKERS} || sleep 600") | {"driver": driver})
    took = fails(case, id, "three times in a row the time limit came before anything was finished", 2 * PATIENCE_S)
    print(f"ended after {took:.0f} s")
    assert "driver.walltime_minutes (1) in the site file is too short" in case.log(id)


@long
def test_partitions_longer_than_a_workers_life(case: Case) -> None:
    sizes = ("--set", "simulate.n=4000", "--set", "simulate.partition=1000")  # 100 s each
    id = case.submit(*sizes, site=worker(walltime_minutes=1) | {"workers": 3})
    took = fails(case, id, "without finishing a partition, which takes longer than that", PATIENCE_S)
    print(f"ended after {took:.0f} s")
    assert "raise worker.walltime_minutes (1) in the site file" in case.log(id)


@long
def test_an_interface_that_is_gone_for_good(case: Case, need: Callable[[str], str]) -> None:
    ip, address = need("ip"), ["10.213.7.2/32", "dev", "lo"]
    if os.geteuid():
        pytest.skip("only root can take an address away")
    subprocess.run([ip, "addr", "add", *address, "label", "lo:gone"], check=True)
    try:
        id = case.submit(site={"interface": "lo:gone"})
        wait_for(lambda: case.partitions() >= 1)
    finally:
        subprocess.run([ip, "addr", "del", *address], check=True)
    took = fails(case, id, "this node has had no address on its interface lo:gone", PATIENCE_S)
    print(f"ended after {took:.0f} s")
    assert took < NOTICED_S + 30


@long
def test_a_controller_that_takes_no_submissions_and_no_workers(case: Case) -> None:
    """A stand-in before the real sbatch answers later than anybody waits."""
    (case.folder / "bin").mkdir()
    (case.folder / "bin" / "sbatch").write_text("#!/bin/bash\nexec sleep 60\n")
    (case.folder / "bin" / "sbatch").chmod(0o755)
    id = case.submit(site=activated(f"export PATH={case.folder}/bin:$PATH"))
    took = fails(case, id, "there has been no worker, and none could be submitted", PATIENCE_S)
    print(f"ended after {took:.0f} s")
