"""A campaign of faults on a real SLURM: one run of each stage, disturbed in every way that we know, must end the same.

    eval "$(slurm/devcluster/up)"
    python tests/faults/slurm_campaign.py FOLDER --stages simulate train infer --faults 20 --seed 1

All that it does for the run is to give the same command again. It needs the devcluster, whose daemons it kills, and
the stand-in for CIGALE in tests/fakes, whose models take their time without a processor. They do so until the last of
the faults has come: a stage must not be over before, however slow the machine is at making faults.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from hpcflow.compute.jobs import job_name, worker_job_name
from hpcflow.compute.slurm import Queued, queued_jobs
from hpcflow.config.load import dump_yaml
from hpcflow.config.sites import load_site

ROOT = Path(__file__).parents[2]

HURRY = "hurry"
STORES = {"simulate": "simulations.zarr", "infer": "posteriors.zarr"}
SITE = {
    "name": "faults",
    "interface": "lo",
    "workers": 4,
    "walltime_minutes": 20,
    "driver": {"partition": "cpu", "memory_gb": 0.6},
    "worker": {"partition": "low", "memory_gb": 0.8},
    "train": {"partition": "gpu", "gres": "gpu:1", "memory_gb": 1.5, "nodes": 2, "ranks": 2},
}
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "fakes")])}


def config(folder: Path, rows: int, clusters: int, steps: int) -> Path:
    """Write a config whose models take 100 ms each until `hurry` is called, and its catalogue; return its path."""
    rng = np.random.default_rng(1)
    bands = ("U", "V", "I")
    lines = ["cluster_id," + ",".join(f"{band},{band}_err" for band in bands)]
    for cluster in range(clusters):
        flux = rng.lognormal(-7, 1) * rng.lognormal(0, 0.3, len(bands))
        lines.append(f"{cluster}," + ",".join(f"{value:.6g},{0.1 * value:.6g}" for value in flux))
    (folder / "catalogue.csv").write_text("\n".join(lines) + "\n")
    low_high = {"log_age": (6.0, 8.0), "log_mass": (2.0, 8.0), "ebv": (0.0, 1.5)}
    path = folder / "config.yaml"
    sections = {
        "name": "faults",
        "model": {
            "simulator": "cigale",
            "bands": dict.fromkeys(bands, "WFC3_UVIS.F555W"),
            "parameters": {name: {"low": low, "high": high} for name, (low, high) in low_high.items()},
            "cigale": {
                "modules": ["sfh2exp", "bc03", "dustext", "delay", "redshifting"],
                "fixed": {
                    "sfh2exp": {"burst_age": 1},
                    "bc03": {"imf": 1},
                    "delay": {"seconds": 0.1, "until": str(folder / HURRY)},
                },
                "parameters": {
                    "log_age": "sfh2exp.age",
                    "ebv": "dustext.E_BV",
                    "r_v": "dustext.Rv",
                    "metallicity": "bc03.metallicity",
                },
                "filters": {band: f"fake.{band}" for band in bands},
            },
        },
        "simulate": {"n": rows, "partition": 25, "seed": 3},
        "train": {
            "flow": {"family": "autoregressive", "hidden": 8, "embedding_hidden": 16, "embedding_layers": 1},
            "batch": 128,
            "steps": steps,
            "validate_every": 100,
            "checkpoint_minutes": 0.05,
        },
        "infer": {
            "catalogues": [str(folder / "catalogue.csv")],
            "columns": {band: [band, f"{band}_err"] for band in bands},
            "galaxy": "NGC1566",
            "distance_mpc": {"NGC1566": 17.69},
            "unit": "mJy",
            "samples": 100,
            "keep": 50,
            "predictive": 20,
            "partition": 2,
        },
    }
    path.write_text(dump_yaml(sections))
    (folder / "site.yaml").write_text(dump_yaml(SITE))
    return path


def hpcflow(stage: str, config: Path, run: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "hpcflow", stage, str(config), "--run", str(run), *options]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, cwd=config.parent)


@dataclass
class Campaign:
    """One stage of a run under fire."""

    stage: str
    config: Path
    run: Path
    chance: random.Random
    begun: float = field(default_factory=time.monotonic)
    done: Counter[str] = field(default_factory=Counter)
    resubmitted: int = 0

    def __post_init__(self) -> None:
        self.site = load_site(str(self.config.parent / "site.yaml"))

    def driver(self) -> Queued | None:
        found = [job for job in queued_jobs([job_name(self.site, self.run, self.stage)]) if job.active]
        return found[-1] if found else None

    def workers(self) -> list[Queued]:
        found = queued_jobs([worker_job_name(self.site, self.run, self.stage)])
        return [job for job in found if job.state == "RUNNING"]

    def target(self) -> Queued | None:
        """Return a job that does the stage's work."""
        found = self.workers() if self.stage in STORES else [job for job in [self.driver()] if job and job.nodes]
        return self.chance.choice(found) if found else None

    def progress(self) -> int:
        if self.stage in STORES:
            return len(list((self.run / STORES[self.stage] / "status" / "c").glob("*")))
        kept = self.run / "training.safetensors"
        return kept.stat().st_mtime_ns if kept.is_file() else 0

    def finished(self) -> bool:
        if self.stage == "train":
            return (self.run / "flow").is_dir()
        group = self.run / STORES[self.stage] / "zarr.json"
        attrs = json.loads(group.read_text())["attributes"] if group.is_file() else {"rows": 1, "partition_size": 1}
        return self.progress() == -(-attrs["rows"] // attrs["partition_size"])

    def submit(self) -> None:
        said = hpcflow(self.stage, self.config, self.run, "--site", str(self.config.parent / "site.yaml"), "--submit")
        if said.returncode:
            self.say(f"submission failed: {said.stderr.strip()}")

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:7.1f} s  {self.stage}  {text}", flush=True)


def call(*command: str) -> None:
    subprocess.run(command, capture_output=True, text=True, timeout=60)


def processes(job: Queued) -> list[psutil.Process]:
    """Return the processes of a job, which know its number from their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            told = process.environ()
            if told.get("SLURM_JOB_ID") == job.id and told.get("SLURM_CONF") == os.environ["SLURM_CONF"]:
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill_process(campaign: Campaign, job: Queued) -> None:
    """kill -9 of one Python process: a Dask worker, its nanny, or a rank."""
    pythons = [
        p for p in processes(job) if p.name().startswith("python") and "resource_tracker" not in str(p.cmdline())
    ]
    if pythons:
        campaign.chance.choice(pythons).kill()


def cancel(campaign: Campaign, job: Queued) -> None:
    call("scancel", job.id)


def node_down(campaign: Campaign, job: Queued) -> None:
    """The administrators take the node away, and give it back."""
    node = job.nodes.split(",")[0]
    node = f"{node.split('[')[0]}{node.split('[')[1][0]}" if "[" in node else node
    call("scontrol", "update", f"nodename={node}", "state=down", "reason=campaign")
    time.sleep(3)
    call("scontrol", "update", f"nodename={node}", "state=resume")


def node_dies(campaign: Campaign, job: Queued) -> None:
    """The node's slurmd and all its jobs are gone at once; later it boots."""
    node = job.nodes.split(",")[0]
    node = f"{node.split('[')[0]}{node.split('[')[1][0]}" if "[" in node else node
    daemons = [p for p in ours("slurmd") if p.cmdline()[-1] == node]
    doomed = [p for p in ours("slurmstepd") if node_of(p) == node]
    doomed += [child for p in doomed for child in p.children(recursive=True)]
    for process in [*daemons, *doomed]:
        try:
            process.kill()
        except psutil.Error:
            continue
    time.sleep(12)
    call("slurmd", "-N", node)


def ours(name: str) -> list[psutil.Process]:
    """Return the programs of that name that belong to this SLURM, and to no other that is pretended here."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == name and process.environ().get("SLURM_CONF") == os.environ["SLURM_CONF"]:
                found.append(process)
        except psutil.Error:
            continue
    return found


def node_of(step: psutil.Process) -> str | None:
    for process in [*step.children(recursive=True), step]:
        try:
            if name := process.environ().get("SLURMD_NODENAME"):
                return name
        except psutil.Error:
            continue
    return None


def preempt(campaign: Campaign, job: Queued) -> None:
    """Somebody more important needs the node for three seconds."""
    if campaign.stage == "train":
        call("scontrol", "requeue", job.id)
    else:
        node = job.nodes
        call("sbatch", "-p", "cpu", "-w", node, "--exclusive", "--mem=0", "-o", "/dev/null", "--wrap", "sleep 3")


def controller_away(campaign: Campaign, job: Queued) -> None:
    """Slurmctld ends, and is started again after fifteen seconds in which a worker is lost."""
    for process in ours("slurmctld"):
        process.terminate()
    if campaign.stage in STORES:
        kill_process(campaign, job)
    time.sleep(15)
    call("slurmctld")


def kill_driver(campaign: Campaign, job: Queued) -> None:
    """kill -9 of everything that the driver's job is."""
    if driver := campaign.driver():
        for process in processes(driver):
            process.kill()


def warn_driver(campaign: Campaign, job: Queued) -> None:
    """The time limit is near."""
    if driver := campaign.driver():
        call("scancel", "--signal=USR1", "--batch", driver.id)


def cancel_driver(campaign: Campaign, job: Queued) -> None:
    """SIGTERM, then the end."""
    if driver := campaign.driver():
        call("scancel", driver.id)


def requeue_driver(campaign: Campaign, job: Queued) -> None:
    if driver := campaign.driver():
        call("scontrol", "requeue", driver.id)


FAULTS: dict[str, Callable[[Campaign, Queued], None]] = {
    "process killed": kill_process,
    "worker job cancelled": cancel,
    "node down": node_down,
    "node dies": node_dies,
    "preempted": preempt,
    "slurmctld away": controller_away,
    "driver killed": kill_driver,
    "driver warned of its time limit": warn_driver,
    "driver cancelled": cancel_driver,
    "driver requeued": requeue_driver,
}
# Training is its own driver: what is done to its job is done to it.
KINDS = {"train": [name for name in FAULTS if name not in ("worker job cancelled", "driver requeued")]}


def hurry(config: Path, yes: bool = True) -> None:
    """From now on let models take no time, or as long as they should."""
    file = config.with_name(HURRY)
    if yes:
        file.touch()
    else:
        file.unlink(missing_ok=True)


def planned(stage: str, faults: int, chance: random.Random) -> list[str]:
    """Return that many faults in any order, every kind as often as the others."""
    kinds = KINDS.get(stage, list(FAULTS))
    plan = (kinds * faults)[:faults]
    chance.shuffle(plan)
    return plan


def disturb(campaign: Campaign, faults: Sequence[str], patience_s: float) -> None:
    """Run a stage to its end through faults; each comes after some progress since the one before."""
    plan = list(faults)
    hurry(campaign.config, not plan)
    campaign.submit()
    before, end = campaign.progress(), time.monotonic() + patience_s
    while time.monotonic() < end:
        time.sleep(campaign.chance.uniform(0.3, 1.0))
        if campaign.driver() is None:
            if campaign.finished():
                break
            campaign.resubmitted += 1
            campaign.say("the same command again")
            campaign.submit()
        elif plan and campaign.progress() != before and (job := campaign.target()):
            kind = plan.pop()
            campaign.say(f"{kind}: job {job.id} on {job.nodes}")
            FAULTS[kind](campaign, job)
            campaign.done[kind] += 1
            before = campaign.progress()
            hurry(campaign.config, not plan)
    total, kinds_done = sum(campaign.done.values()), len(campaign.done)
    campaign.say(f"{total} faults of {kinds_done} kinds: {dict(campaign.done)}; {campaign.resubmitted} resubmissions")
    assert campaign.finished(), f"{campaign.stage} did not end in {patience_s:.0f} s"
    assert not plan, f"the stage was over before {len(plan)} of the faults"


def same(one: Path, other: Path) -> None:
    """Raise unless two folders hold the same files with the same bytes."""
    names = [sorted(str(p.relative_to(top)) for p in top.rglob("*") if p.is_file()) for top in (one, other)]
    assert names[0] == names[1], set(names[0]) ^ set(names[1])
    different = [name for name in names[0] if (one / name).read_bytes() != (other / name).read_bytes()]
    assert not different, different


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stages", nargs="+", default=["simulate", "train", "infer"])
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--clusters", type=int, default=500)
    parser.add_argument("--steps", type=int, default=4000)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    path = config(given.folder.resolve(), given.rows, given.clusters, given.steps)
    quiet, disturbed = (path.parent / name for name in ("undisturbed", "disturbed"))
    for stage in ("simulate", "train", "infer"):
        if stage not in given.stages:
            continue
        options = ("--ranks", "2", "--workers", "2") if stage == "train" else ("--workers", "8")
        began = time.monotonic()
        hurry(path)
        said = hpcflow(stage, path, quiet, *options)
        assert said.returncode == 0, said.stderr
        print(f"undisturbed {stage}, here: {time.monotonic() - began:.0f} s", flush=True)
        chance = random.Random(given.seed)
        disturb(Campaign(stage, path, disturbed, chance), planned(stage, given.faults, chance), 3000)
        if stage in STORES:
            same(quiet / STORES[stage], disturbed / STORES[stage])
        else:
            weights = [next((run / "flow").glob("*.safetensors")).read_bytes() for run in (quiet, disturbed)]
            assert weights[0] == weights[1], "other weights"
        print(f"{stage}: the bytes of the undisturbed run", flush=True)


if __name__ == "__main__":
    main()
