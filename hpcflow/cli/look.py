"""The commands that read a run: its status, its posteriors, and tables of them.

As everywhere in the command line, heavy imports wait until a command needs them.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hpcflow.cli.options import RunArgument

__all__ = ["app"]

app = typer.Typer()
command = partial(app.command, rich_help_panel="Looking at a run")
ClusterId = Annotated[str, typer.Argument(metavar="CLUSTER", help="Choose the cluster with this cluster_id.")]
ItsGalaxy = Annotated[str | None, typer.Option("--galaxy", help="Name its galaxy, if several have this cluster_id.")]


@command()
def status(
    run: RunArgument,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every few seconds, until the run is over.")
    ] = False,
) -> None:
    """Show what a run has done, what is running or has failed, and what to do next."""
    from rich.console import Console

    from hpcflow.stages.look.overview import overview, show_status
    from hpcflow.stages.look.overview import watch as follow
    from hpcflow.stages.run import Run

    if watch:
        follow(Run(run), Console())
    else:
        show_status(overview(Run(run)), Console())


@command()
def show(
    run: RunArgument,
    cluster: ClusterId,
    galaxy: ItsGalaxy = None,
) -> None:
    """Show all that is known about one cluster on one page."""
    from hpcflow.stages.look.show import show as draw

    print(draw(run, cluster, galaxy))


@command()
def samples(
    run: RunArgument,
    cluster: ClusterId,
    galaxy: ItsGalaxy = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write this file (FITS, CSV, ECSV or Parquet).", show_default="in the run folder"),
    ] = None,
) -> None:
    """Draw again all posterior samples of one cluster."""
    from hpcflow.stages.look.samples import write_samples

    print(write_samples(run, cluster, galaxy, out))


@command()
def export(
    run: RunArgument,
    to: Annotated[str, typer.Option("--to", help="Write fits, parquet, csv or ecsv.")] = "fits",
    galaxy: Annotated[str | None, typer.Option("--galaxy", help="Write only the clusters of this galaxy.")] = None,
    prior: Annotated[
        str | None, typer.Option("--prior", help="Write posteriors under this prior, as `hpcflow reweight` named it.")
    ] = None,
) -> None:
    """Write a table with one row per cluster."""
    from hpcflow.stages.look.export import export as write
    from hpcflow.stages.run import Run

    print(write(Run(run), to, galaxy, prior))


@command()
def reweight(
    run: RunArgument,
    prior: Annotated[
        str, typer.Option("--prior", help="Name a prior that ships, or a YAML file with the components of one.")
    ],
) -> None:
    """Give posteriors another prior, without inferring again."""
    from hpcflow.stages.look.reweight import reweight as write
    from hpcflow.stages.run import Run

    for line in write(Run(run), prior):
        print(line)


@command()
def compare(
    run: RunArgument,
    truth: Annotated[
        list[Path] | None,
        typer.Option(
            "--truth",
            help="Read true parameters from this table.",
            show_default="CATALOGUE_truth.fits",
        ),
    ] = None,
) -> None:
    """Compare posteriors with published fits and with a known truth."""
    from astropy.table import Table

    from hpcflow.stages.look.compare import compare as write
    from hpcflow.stages.run import Run

    for path in write(Run(run), truth or []):
        table = Table.read(path)
        if "of" in table.colnames:  # this table has a row per group of clusters
            table.round(3)
            print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
        print(path)


@command()
def verify(run: RunArgument) -> None:
    """Check library, flow and archive for damage."""
    from hpcflow.stages.run import Run
    from hpcflow.stages.verify import verify as check

    check(Run(run))
