"""The commands for SLURM sites: check a site file, and cancel the jobs of a run."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hpcflow.cli.options import RunArgument

__all__ = ["PANEL", "app", "site_app"]

PANEL = "SLURM sites"
app = typer.Typer()
command = partial(app.command, rich_help_panel=PANEL)
site_app = typer.Typer(no_args_is_help=True, help="Check that a site file fits its SLURM cluster.")


@site_app.command("check")
def check_site(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Check this shipped site, or this site file.")],
    folder: Annotated[
        Path, typer.Option("--folder", help="Write into this folder, on the disk that runs will use.")
    ] = Path(),
) -> None:
    """Submit a tiny job of each kind, and explain what is wrong."""
    from hpcflow.config.sites import load_site
    from hpcflow.stages.slurm.site_check import check

    failed = 0
    for finding in check(load_site(site), folder):
        print(f"{'ok  ' if finding.good else 'WRONG'} {finding.says}", flush=True)
        failed += not finding.good
    if failed:
        raise typer.Exit(1)


@command()
def cancel(run: RunArgument) -> None:
    """Cancel the jobs of a run and of its workers, and no others."""
    from hpcflow.stages.run import Run
    from hpcflow.stages.slurm.queue import cancel as end

    print(f"{end(Run(run))} jobs cancelled")
