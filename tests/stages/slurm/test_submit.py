"""Chains of jobs on a stand-in for SLURM; tests/faults/test_submitted.py runs them for real."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from hpcflow.base.errors import InputError
from hpcflow.base.lock import alone
from hpcflow.compute import slurm
from hpcflow.compute.jobs import CHAIN, job_name
from hpcflow.compute.slurm import Queued
from hpcflow.config.load import Config, load_config
from hpcflow.config.sites import load_site
from hpcflow.stages.run import Run
from hpcflow.stages.slurm.submit import plan_chain, show, submit_stages, submitted_jobs, with_ranks

SITE = load_site("devcluster")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "PAUSE_S", 0.01)


@pytest.fixture
def config(tiny: Callable[..., Path], tmp_path: Path) -> Config:
    rows = ["galaxy,cluster_id", "NGC1566,1"]
    for band in ("F275W", "F336W", "F438W", "F555W", "F814W"):
        rows = [rows[0] + f",{band}_flux,{band}_err", rows[1] + ",1e-4,1e-5"]
    (tmp_path / "one.csv").write_text("\n".join(rows) + "\n")
    return load_config(tiny(infer={"catalogues": ["one.csv"]}))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


def job(stage: str, state: str, reason: str = "") -> Queued:
    return Queued(str(CHAIN.index(stage) + 1), f"x-{stage}", state, reason)


def test_a_new_chain_is_submitted_in_order() -> None:
    plan = plan_chain(CHAIN, (), {})
    assert plan.submit == {
        "simulate": None, "train": "simulate", "infer": "train", "validate": "infer", "report": "validate",
    }  # fmt: skip
    assert plan.cancel == ()


def test_what_is_finished_is_left_out() -> None:
    assert plan_chain(CHAIN, ("simulate", "train"), {}).submit == {
        "infer": None, "validate": "infer", "report": "validate",
    }  # fmt: skip
    assert plan_chain(CHAIN, CHAIN, {}).submit == {}


def test_what_runs_or_waits_is_left_alone() -> None:
    there = {"train": job("train", "RUNNING"), "infer": job("infer", "PENDING", "Dependency")}
    plan = plan_chain(CHAIN, ("simulate",), there)
    assert plan.keep == there
    assert plan.submit == {"validate": "infer", "report": "validate"}


def test_jobs_that_wait_for_a_dead_one_are_replaced() -> None:
    there = {"train": job("train", "PENDING", "Dependency"), "infer": job("infer", "PENDING", "Dependency")}
    plan = plan_chain(("simulate", "train", "infer"), (), there)
    assert plan.cancel == tuple(there.values())
    assert plan.submit == {"simulate": None, "train": "simulate", "infer": "train"}
    lost = {"infer": job("infer", "PENDING", "DependencyNeverSatisfied")}
    assert plan_chain(("infer",), (), lost).submit == {"infer": None}


def test_one_stage_waits_for_the_job_before_it() -> None:
    there = {"simulate": job("simulate", "RUNNING")}
    assert plan_chain(("infer",), (), there).submit == {"infer": "simulate"}
    assert plan_chain(("simulate",), (), there).submit == {}


@pytest.mark.parametrize("states", list(product(["", "finished", "PENDING", "RUNNING"], repeat=3)))
def test_every_state_leads_to_a_whole_chain(states: tuple[str, ...]) -> None:
    wanted = CHAIN[:3]
    there = {s: job(s, said) for s, said in zip(wanted, states, strict=True) if said in ("PENDING", "RUNNING")}
    finished = [s for s, said in zip(wanted, states, strict=True) if said == "finished"]
    plan = plan_chain(wanted, finished, there)
    for stage in wanted:
        assert (stage in plan.submit) + (stage in plan.keep) + (stage in finished and stage not in plan.submit) == 1
        assert stage in plan.submit or there.get(stage) not in plan.cancel
    for stage, after in plan.submit.items():
        assert after is None or after in {*plan.submit, *plan.keep}
        earlier = [s for s in wanted[: wanted.index(stage)] if s in plan.submit or s in plan.keep]
        assert after == (earlier[-1] if earlier else None)
    for stage, kept in plan.keep.items():
        assert kept.state == "RUNNING" or not set(wanted[: wanted.index(stage)]) & plan.submit.keys()


@pytest.mark.usefixtures("quick")
def test_a_chain_is_noted_and_frozen(fake_slurm: Any, config: Config, run: Run) -> None:
    said = submit_stages(config, run, SITE, CHAIN)
    assert said[0] == "simulate: job 1"
    assert said[4] == "report: job 5, after 4"
    noted = json.loads((run.logs / "jobs.json").read_text())
    assert {stage: one["id"] for stage, one in noted.items()} == dict(zip(CHAIN, "12345", strict=True))
    for stage in CHAIN:
        folder = run.logs / "submitted" / stage
        assert load_config(folder / "config.yaml") == config
        assert load_site(str(folder / "site.yaml")) == SITE
        assert "HPCFLOW_PYTHON=(" in (folder / "setup.sh").read_text()
        command = fake_slurm.jobs[noted[stage]["id"]]["command"]
        assert str(folder / "config.yaml") in command
        assert str(folder / "setup.sh") in command
    assert submit_stages(config, run, SITE, CHAIN) == [
        f"{stage}: job {i + 1} is {'running' if i == 0 else 'pending'} already" for i, stage in enumerate(CHAIN)
    ]
    assert len(fake_slurm.jobs) == 5


@pytest.mark.usefixtures("quick")
def test_after_a_dead_driver_the_same_command_submits_the_chain_again(
    fake_slurm: Any, config: Config, run: Run
) -> None:
    submit_stages(config, run, SITE, CHAIN)
    fake_slurm.move("1", "FAILED", "NonZeroExitCode")
    fake_slurm.move("2", "CANCELLED", "DependencyNeverSatisfied")  # SLURM is about to end the others
    said = submit_stages(config, run, SITE, CHAIN)
    assert said[0] == "simulate: job 6"
    assert said[-1] == "report: job 10, after 9"
    assert {fake_slurm.jobs[id]["state"] for id in "345"} == {"CANCELLED"}
    assert submitted_jobs(run)["report"]["id"] == "10"


@pytest.mark.usefixtures("quick")
def test_what_cannot_run_is_not_submitted(fake_slurm: Any, config: Config, run: Run, tiny: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="no catalogue"):
        submit_stages(load_config(tiny()), run, SITE, CHAIN)
    with pytest.raises(InputError, match=r"none\.npz"):
        submit_stages(load_config(tiny(), ["model.ssp=none.npz"]), run, SITE, ["simulate"])
    run.begin("simulate", config)
    with pytest.raises(InputError, match=r"simulate\.seed: 3 -> 9"):
        submit_stages(load_config(tiny(), ["simulate.seed=9"]), run, SITE, ["simulate"])
    assert fake_slurm.jobs == {}
    assert not run.logs.exists()


def test_show_writes_and_submits_nothing(fake_slurm: Any, config: Config, run: Run) -> None:
    text = show(config, run, SITE, CHAIN)
    assert text.count("sbatch --parsable") == 5
    assert "afterok:<job of simulate>" in text.replace("'", "")
    assert "to_the_end() {" in text
    assert "HPCFLOW_PYTHON=(" in text
    assert fake_slurm.calls("sbatch") == []
    assert not run.path.exists()


def test_show_needs_no_slurm(monkeypatch: pytest.MonkeyPatch, config: Config, run: Run, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert show(config, run, SITE, ["train"]).startswith("sbatch --parsable")


def test_ranks_are_spread_over_the_nodes_of_the_site() -> None:
    assert with_ranks(SITE, None) == SITE
    assert with_ranks(SITE, 4).train.ranks == 4
    with pytest.raises(InputError, match=r"--ranks 3: .*multiple of nodes \(2\)"):
        with_ranks(SITE, 3)


@pytest.mark.usefixtures("quick")
def test_jobs_of_another_run_with_the_same_name_are_not_its_own(fake_slurm: Any, config: Config, run: Run) -> None:
    fake_slurm.add(job_name(SITE, Path("/elsewhere/run"), "simulate"))
    assert submit_stages(config, run, SITE, ["simulate"]) == ["simulate: job 2"]


@pytest.mark.usefixtures("quick")
def test_a_chain_that_is_refused_in_the_middle_says_what_is_queued(fake_slurm: Any, config: Config, run: Run) -> None:
    limit = "QOSMaxSubmitJobPerUserLimit"
    fake_slurm.set(refusal=limit, accepts=2)
    with pytest.raises(InputError, match=rf"sbatch refused: {limit}; queued are simulate: job 1 and train: job 2"):
        submit_stages(config, run, SITE, CHAIN)
    fake_slurm.set(refusal="")
    assert submit_stages(config, run, SITE, CHAIN)[-3:] == [
        "infer: job 3, after 2", "validate: job 4, after 3", "report: job 5, after 4",
    ]  # fmt: skip


@pytest.mark.usefixtures("quick")
def test_two_submissions_at_once_are_one_chain(fake_slurm: Any, config: Config, run: Run) -> None:
    with alone(run.lock("submit"), "`--submit`"), pytest.raises(InputError, match="another `--submit` is running"):
        submit_stages(config, run, SITE, CHAIN)
    assert fake_slurm.jobs == {}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("text", ["", '{"simulate": {"id"', "[]", '{"simulate": 7}', '{"simulate": {"id": 7}}'])
def test_a_damaged_record_of_jobs_is_replaced(fake_slurm: Any, config: Config, run: Run, text: str) -> None:
    run.logs.mkdir(parents=True)
    run.jobs.write_text(text)
    assert submitted_jobs(run) == {}
    assert submit_stages(config, run, SITE, ["simulate"]) == ["simulate: job 1"]
    assert submitted_jobs(run)["simulate"]["id"] == "1"
