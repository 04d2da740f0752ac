"""The commands that take a run: what its state is, and what can be had of its archive.

As in `cli`, nothing heavy is imported before a command needs it.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from hpcflow.cli.options import RunArgument

__all__ = ["app"]

app = typer.Typer()


@app.command()
def status(run: RunArgument) -> None:
    """Say what a run has done, what failed, and what to do next."""
    from rich.console import Console
    from rich.table import Table

    from hpcflow.stages.look.status import status as states
    from hpcflow.stages.run import Run
    from hpcflow.stages.slurm.queue import job_status

    jobs, workers = job_status(Run(run))
    if jobs and not Run(run).begun:
        for job in jobs:
            print(f"{job.stage}: job {job.id} is {job.says}")
        return
    table = Table("stage", "done", "of", "", "per second", "left", "failed", title=str(run))
    stages = states(Run(run))
    for s in stages:
        done = (s.stage, f"{s.done:,}", f"{s.total:,}" if s.total else "-", s.unit)
        left = str(timedelta(seconds=round(s.left_s))) if s.left_s is not None else ""
        table.add_row(*done, f"{s.rate:,.0f}" if s.rate else "", left, str(len(s.failed) or ""))
    Console().print(table)
    for s in stages:
        for partition, reason in list(s.failed.items())[:5]:
            print(f"{s.stage} partition {partition}: {reason}")
        for reason, count in s.lost.items():
            print(f"{s.stage}: {count:,} rows could not be simulated: {reason}")
    for job in jobs:
        print(f"{job.stage}: job {job.id} is {job.says}")
    if workers:
        print(f"workers: {workers}")
    todo = next((s.stage for s in stages if not s.finished), None)
    if any(job.active for job in jobs):
        print(f"next: wait, or hpcflow cancel {run}")
    else:
        print(f"next: hpcflow {todo} CONFIG --run {run}" if todo else "everything is done")


@app.command()
def cancel(run: RunArgument) -> None:
    """End the run's jobs, those of its workers as well, and no others."""
    from hpcflow.stages.run import Run
    from hpcflow.stages.slurm.queue import cancel as end

    print(f"{end(Run(run))} jobs cancelled")


@app.command()
def export(
    run: RunArgument,
    to: Annotated[str, typer.Option("--to", help="fits, parquet, csv or ecsv.")] = "fits",
    galaxy: Annotated[str | None, typer.Option("--galaxy", help="Its clusters only.")] = None,
) -> None:
    """Write one row per cluster as a table."""
    from hpcflow.stages.look.export import export as write
    from hpcflow.stages.run import Run

    print(write(Run(run), to, galaxy))


@app.command()
def compare(
    run: RunArgument,
    truth: Annotated[
        list[Path] | None,
        typer.Option("--truth", help="Table of true parameters.", show_default="CATALOGUE_truth.fits"),
    ] = None,
) -> None:
    """Write tables of how posteriors agree with published fits and with a known truth."""
    from astropy.table import Table

    from hpcflow.stages.look.compare import compare as write
    from hpcflow.stages.run import Run

    for path in write(Run(run), truth or []):
        table = Table.read(path)
        if "of" in table.colnames:  # a row for each group of clusters
            table.round(3)
            print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
        print(path)


@app.command()
def samples(
    run: RunArgument,
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="Its cluster_id.")],
    galaxy: Annotated[str | None, typer.Option("--galaxy", help="Where several have a cluster of that name.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="FITS, CSV, ECSV or Parquet file.", show_default="in the run folder")
    ] = None,
) -> None:
    """Draw all samples of one cluster again, those that inference drew."""
    from hpcflow.stages.look.samples import write_samples

    print(write_samples(run, cluster, galaxy, out))


@app.command()
def show(
    run: RunArgument,
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="Its cluster_id.")],
    galaxy: Annotated[str | None, typer.Option("--galaxy", help="Where several have a cluster of that name.")] = None,
) -> None:
    """Write one page of one cluster: posterior, modes, photometry, exact posterior, flags."""
    from hpcflow.stages.look.show import show as draw

    print(draw(run, cluster, galaxy))
