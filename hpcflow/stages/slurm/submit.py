"""`--submit`: submit stages as a chain of jobs; stages that are queued, running or finished are left alone."""

import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hpcflow.base.atomic import write_whole
from hpcflow.base.errors import HpcflowError, InputError
from hpcflow.base.lock import alone
from hpcflow.base.paths import RunPaths
from hpcflow.compute.jobs import CHAIN, Job, Place, plan_job, run_tag
from hpcflow.compute.site import Site
from hpcflow.compute.slurm import PATIENCE_S, Queued, cancel_jobs, queued_jobs, submit
from hpcflow.config.load import Config, dump_yaml
from hpcflow.stages.run import Run

__all__ = ["Plan", "jobs_of", "plan_chain", "show", "stage_jobs", "submit_stages", "submitted_jobs", "with_ranks"]


@dataclass(frozen=True)
class Plan:
    """Which jobs of a run to submit, cancel and keep.

    Args:
        submit: stages to submit, each with the stage whose job it waits for, or None.
        cancel: jobs that wait for a job that is gone.
        keep: jobs that are left alone, by stage.
        ids: ids of the jobs that others may wait for, by stage.
    """

    submit: dict[str, str | None]
    cancel: tuple[Queued, ...]
    keep: dict[str, Queued]
    ids: dict[str, str]


def plan_chain(wanted: Sequence[str], finished: Collection[str], there: Mapping[str, Queued]) -> Plan:
    """Decide which stages to submit.

    Args:
        wanted: stages, in their order.
        finished: stages that have nothing left to do.
        there: active jobs by stage, of all stages.
    """
    new: dict[str, str | None] = {}
    cancel, keep = list[Queued](), dict[str, Queued]()
    before = [stage for stage in CHAIN[: CHAIN.index(wanted[0])] if stage in there]
    last = before[-1] if before else None
    for stage in wanted:
        job = there.get(stage)
        lost = job is not None and job.state == "PENDING" and (new or job.reason == "DependencyNeverSatisfied")
        if job is not None and not lost:
            keep[stage] = job
            last = stage
        elif stage not in finished or last is not None or lost:
            cancel += [job] if job is not None else []
            new[stage] = last
            last = stage
    return Plan(new, tuple(cancel), keep, {stage: job.id for stage, job in there.items()})


def submit_stages(config: Config, run: Run, site: Site, wanted: Sequence[str]) -> list[str]:
    """Submit the missing jobs of a run, and return a line per stage.

    Raises:
        InputError: if a stage cannot run with this config, or SLURM refuses a job.
        SchedulerError: if SLURM does not answer.
    """
    _refuse_what_cannot_run(config, _plan(config, run, wanted, jobs_of(run)))
    with alone(run.lock("submit"), "`--submit`"):
        return _submit(config, run, site, wanted)


def _submit(config: Config, run: Run, site: Site, wanted: Sequence[str]) -> list[str]:
    plan = _plan(config, run, wanted, jobs_of(run))
    said = [f"{stage}: job {job.id} is {job.state.lower()} already" for stage, job in plan.keep.items()]
    if plan.cancel:
        gone = {job.id for job in plan.cancel}
        cancel_jobs(lambda: [job for job in queued_jobs() if job.id in gone])
    ids = dict(plan.ids)
    for stage, after in plan.submit.items():
        job = plan_job(stage, site, Place(run.path), ids.get(after) if after else None)
        _write(job, config, site)
        try:
            ids[stage] = submit(job)
        except HpcflowError as e:
            if not said:
                raise
            raise type(e)(
                f"{e}; queued are {' and '.join(said)}: the same command submits the rest, "
                f"`hpcflow cancel {run.path}` ends them"
            ) from e
        _record(run, stage, ids[stage], job, site)
        said.append(f"{stage}: job {ids[stage]}" + (f", after {ids[after]}" if after else ""))
    done = [stage for stage in wanted if stage not in {*plan.submit, *plan.keep}]
    return [f"{stage}: finished already" for stage in done] + said


def show(config: Config, run: Run, site: Site, wanted: Sequence[str]) -> str:
    """Return the commands and scripts that `submit_stages` would use; nothing is written or submitted.

    Raises:
        InputError: as for `submit_stages`.
    """
    try:
        jobs = jobs_of(run, patience_s=0)
    except HpcflowError:
        jobs = []  # a dry run works without SLURM too
    plan, parts = _plan(config, run, wanted, jobs), []
    _refuse_what_cannot_run(config, plan)
    ids = dict(plan.ids)
    scripts: dict[Path, str] = {}
    for stage, after in plan.submit.items():
        job = plan_job(stage, site, Place(run.path), ids.get(after, f"<job of {after}>") if after else None)
        script = Place(run.path).scripts / f"{stage}.sbatch"
        scripts |= {job.folder / "setup.sh": job.setup, script: script.read_text()}
        parts.append(shlex.join(job.command) + "\n")
    scripts[Place(run.path).scripts / "lib.sh"] = (Place(run.path).scripts / "lib.sh").read_text()
    return "\n".join([*parts, *(f"--- {path}\n{text}" for path, text in scripts.items())])


def with_ranks(site: Site, ranks: int | None) -> Site:
    """Return the site with another number of training processes, if one is given.

    Raises:
        InputError: if they cannot be spread evenly over its nodes.
    """
    try:
        return site if ranks is None else replace(site, train=replace(site.train, ranks=ranks))
    except ValueError as e:
        raise InputError(f"--ranks {ranks}: {e} of site {site.name}") from e


def stage_jobs(jobs: Sequence[Queued]) -> dict[str, Queued]:
    """Return the latest job of each stage among a run's jobs."""
    order = sorted(jobs, key=lambda job: int(job.id))
    return {stage: job for job in order for stage in CHAIN if job.name.endswith(f"-{stage}")}


def submitted_jobs(run: Run) -> dict[str, dict[str, str]]:
    """Return the record (id, name, site, time, run) of the job submitted last, by stage; none if it is damaged.

    Jobs are found by their names, so that the record only serves after SLURM has forgotten them.
    """
    try:
        noted = json.loads(run.jobs.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    good = noted.items() if isinstance(noted, dict) else ()
    return {stage: one for stage, one in good if isinstance(one, dict) and isinstance(one.get("id"), str)}


def jobs_of(run: Run, patience_s: float = PATIENCE_S) -> list[Queued]:
    """Return the jobs of a run that SLURM remembers, also of its folder's earlier name, and those of its workers.

    Raises:
        SchedulerError: if SLURM does not answer.
    """
    tag, here = f"-{run_tag(run.path)}-", str(run.path.resolve())
    # Of a folder that was copied instead, the jobs belong to the original, which has a record of them, too. The path
    # itself tells nothing, as workers may have written to it after the folder was renamed.
    noted = submitted_jobs(run).values()
    old = [
        one["name"] for one in noted if one.get("run", here) != here and not RunPaths(Path(one["run"])).jobs.exists()
    ]
    names = {*old, *(f"{name}-worker" for name in old)}
    return [job for job in queued_jobs(patience_s=patience_s) if tag in job.name or job.name in names]


def _plan(config: Config, run: Run, wanted: Sequence[str], jobs: Sequence[Queued]) -> Plan:
    run.refuse(config)
    there = stage_jobs([job for job in jobs if job.active])
    return plan_chain(wanted, _finished(run) if len(wanted) > 1 else (), there)


def _refuse_what_cannot_run(config: Config, plan: Plan) -> None:
    """Raise now rather than after an hour in the queue; the heavy imports are needed only here."""
    if "simulate" in plan.submit:
        from hpcflow.stages.build import build_simulator

        build_simulator(config)
    if "infer" in plan.submit:
        from hpcflow.stages.input import read_catalogues

        read_catalogues(config)


def _finished(run: Run) -> list[str]:
    from hpcflow.stages.look.status import status

    if not run.begun:
        return []
    return [s.stage for s in status(run) if s.finished]


def _write(job: Job, config: Config, site: Site) -> None:
    """Write copies of a job's inputs, so that later edits of the user's files do not affect it."""
    job.folder.mkdir(parents=True, exist_ok=True)
    write_whole(job.folder / "config.yaml", dump_yaml(config.plain()))
    write_whole(job.folder / "site.yaml", dump_yaml(asdict(site)))
    write_whole(job.folder / "setup.sh", job.setup)


def _record(run: Run, stage: str, id: str, job: Job, site: Site) -> None:
    now, where = datetime.now(UTC).isoformat(timespec="seconds"), str(run.path.resolve())
    noted = {"id": id, "name": job.name, "site": site.name, "submitted": now, "run": where}
    jobs = submitted_jobs(run) | {stage: noted}
    write_whole(run.jobs, json.dumps(jobs, indent=1) + "\n")
