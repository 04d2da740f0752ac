"""Commands and setup scripts of jobs, compared with tests/compute/golden; HPCFLOW_GOLDEN=write rewrites that."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hpcflow.compute.jobs import (
    CHAIN,
    Place,
    job_name,
    lifetime,
    plan_job,
    plan_worker,
    run_tag,
    setup_script,
    worker_files,
    worker_job_name,
)
from hpcflow.compute.site import Resources, Site
from hpcflow.config.sites import load_site
from hpcflow.stages.slurm.site_check import check_command

GOLDEN = Path(__file__).parent / "golden"
SCRIPTS = Path("/opt/hpcflow/jobs")
PLACE = Place(Path("/project/runs/phangs"), Path("/home/ada"), "/opt/venv/bin/python", SCRIPTS)
# Everything that a user may write and a shell could misinterpret.
NASTY = Site(
    "nasty",
    driver=Resources(account="a; rm -rf ~", qos="$(id)", directives=("--comment=it's `odd`",)),
    train=Resources(
        constraint="a&b|c",
        gres="gpu:a100:2",
        nodes=2,
        ranks=4,
        cores=3,
        memory_gb=7.5,
        walltime_minutes=1,
        interface="ib0; true",
        srun=("--mpi=$(id)", "--comment=it's odd"),
    ),
    modules=("gcc/13", "odd; name"),
    activate=("source '/with space/bin/activate'", "export A=1"),
    python="/with space/$HOME/python",
    job_prefix="my.jobs",
)
NAMES = ("devcluster", "example-apptainer", "example-cpu", "example-infiniband", "example-whole-nodes")
SITES = {name: load_site(name) for name in NAMES} | {"nasty": NASTY}


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("HPCFLOW_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("stage", CHAIN)
def test_commands(stage: str, name: str) -> None:
    job = plan_job(stage, SITES[name], PLACE, None if stage == "simulate" else "4711")
    golden(f"{name}.{stage}.command", "\n".join(job.command) + "\n")


@pytest.mark.parametrize("name", SITES)
def test_commands_of_workers(name: str) -> None:
    job = plan_worker("infer", SITES[name], PLACE, Path("/project/runs/phangs/.infer-workers"), "tls://10.0.0.1:1")
    golden(f"{name}.worker.command", "\n".join(job.command) + "\n")


@pytest.mark.parametrize("walltime", [60, 600, 3600, 86_400])
def test_workers_end_before_their_jobs(walltime: int) -> None:
    middle, stagger = lifetime(walltime)
    assert 0 < walltime / 2 < middle - stagger <= middle + stagger <= walltime - min(60, walltime / 10)


def test_workers_read_nothing_that_only_the_driver_may_see() -> None:
    """The driver may be in a container; what its worker jobs read is in the run's folder."""
    scripts = Place(Path()).scripts
    files = worker_files(SITES["example-apptainer"], replace(PLACE, scripts=scripts), Path("/run/.infer-workers-x"))
    assert [path.name for path in files] == ["setup.sh", "worker.sbatch"]
    assert {path.parent for path in files} == {Path("/run/.infer-workers-x")}
    assert not any(str(scripts) in text for text in files.values())
    assert "export DASK_CONFIG=/run/.infer-workers-x\n" in files[Path("/run/.infer-workers-x/setup.sh")]


@pytest.mark.parametrize("name", SITES)
def test_setup_scripts(name: str) -> None:
    golden(f"{name}.setup.sh", setup_script(SITES[name], PLACE))


@pytest.mark.parametrize("kind", ["driver", "worker", "train", "nested"])
def test_commands_of_a_check(kind: str) -> None:
    command = check_command(kind, SITES["devcluster"], Path("/project/hpcflow-check-x"))
    scripts = str(Place(Path()).scripts)
    golden(f"devcluster.check-{kind}.command", "\n".join(command).replace(scripts, str(SCRIPTS)) + "\n")


def test_a_setup_script_passes_the_sites_values_unchanged(tmp_path: Path) -> None:
    (tmp_path / "lib.sh").write_text('echo "${HPCFLOW_PYTHON[*]}|${HPCFLOW_SRUN[1]}|$GLOO_SOCKET_IFNAME|$A"\n')
    site = replace(NASTY, activate=("export A=1",))
    script = 'module() { echo "$*"; }\n' + setup_script(site, replace(PLACE, scripts=tmp_path))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "load gcc/13\nload odd; name\n/with space/$HOME/python|--comment=it's odd|ib0; true|1\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("stage", "limit"), [("infer", "driver.walltime_minutes (60)"), ("train", "train.walltime_mi")]
)
def test_a_job_knows_its_limit_and_where_its_lives_are_counted(stage: str, limit: str) -> None:
    setup = plan_job(stage, NASTY, PLACE).setup
    assert f"export HPCFLOW_LIMIT='{limit}" in setup
    assert f"export HPCFLOW_LIVES=/project/runs/phangs/logs/submitted/{stage}/lives\n" in setup


def test_an_interpreter_may_be_a_command_with_arguments(tmp_path: Path) -> None:
    (tmp_path / "lib.sh").write_text("printf '%s|' \"${HPCFLOW_PYTHON[@]}\" -m hpcflow\n")
    site = replace(NASTY, modules=(), activate=(), python=("apptainer", "exec", "--bind=/a b", "x.sif", "python"))
    script = setup_script(site, replace(PLACE, scripts=tmp_path))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "apptainer|exec|--bind=/a b|x.sif|python|-m|hpcflow|"


def test_a_site_that_takes_no_memory_is_told_none() -> None:
    site = replace(NASTY, driver=Resources(memory_gb=None), worker=Resources(memory_gb=None))
    commands = [
        plan_job("infer", site, PLACE).command,
        plan_worker("infer", site, PLACE, Path("/x"), "tls://y:1").command,
    ]
    commands.append(plan_job("infer", replace(site, pool="runner"), PLACE).command)
    assert not any(
        part.startswith("--mem") and part != "--memory-limit=auto" for command in commands for part in command
    )


def test_a_missing_module_ends_the_job(tmp_path: Path) -> None:
    (tmp_path / "setup.sh").write_text("module() { return 1; }\n" + setup_script(NASTY, PLACE))
    script = Place(tmp_path).scripts / "simulate.sbatch"
    done = subprocess.run(["bash", script, tmp_path / "setup.sh"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""


def test_job_names_are_unique_to_run_and_stage() -> None:
    site = SITES["devcluster"]
    runs = [Path("/a/run"), Path("/b/run"), Path("/a/run2")]
    names = [f(site, run, stage) for run in runs for stage in CHAIN for f in (job_name, worker_job_name)]
    assert len(set(names)) == len(names)
    assert all(f"-{run_tag(runs[0])}-" in name for name in names[: 2 * len(CHAIN)])
    assert not any(f"-{run_tag(runs[0])}-" in name for name in names[2 * len(CHAIN) :])


@pytest.mark.parametrize("name", ["a b", "ä;|,%", "x" * 50, "a-b", ""])
def test_job_names_hold_no_pattern_of_slurm(name: str) -> None:
    found = job_name(SITES["devcluster"], Path("/runs") / name, "train")
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def test_a_percent_sign_in_the_folder_is_not_a_pattern() -> None:
    job = plan_job("train", SITES["devcluster"], replace(PLACE, run=Path("/runs/100%j")))
    assert "--output=/runs/100%%j/logs/train.%j.out" in job.command


def test_the_warning_comes_within_the_walltime() -> None:
    job = plan_job("train", NASTY, PLACE)
    assert "--signal=B:USR1@15" in job.command  # for a limit of one minute
