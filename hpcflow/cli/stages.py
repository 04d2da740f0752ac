"""The commands that make a run: each reads a config and calls one stage.

As everywhere in the command line, heavy imports wait until a command needs them.
"""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpcflow.base.errors import InputError, MiscalibratedError
from hpcflow.cli.options import (
    ConfigPath,
    DryRun,
    Overrides,
    Ranks,
    RunFolder,
    SiteName,
    Submit,
    Workers,
    open_catalogue,
    open_run,
    refuse_unless_job,
    replaced,
    site_of,
    submitted,
    where_of,
    worker_count,
)

if TYPE_CHECKING:
    from hpcflow.config.load import Config
    from hpcflow.stages.run import Run

__all__ = ["app"]

app = typer.Typer()
command = partial(app.command, rich_help_panel="A run, stage by stage")


@command()
def init(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Copy the shipped config of this name (not with --from).", show_default="demo"
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Write into this folder.", show_default=".")
    ] = None,
    site: Annotated[str | None, typer.Option("--site", metavar="SITE", help="Copy this site file too.")] = None,
    catalogue: Annotated[
        Path | None,
        typer.Option("--from", metavar="CATALOGUE", help="Write the config that is guessed from this file."),
    ] = None,
    sets: Overrides = None,
) -> None:
    """Copy a shipped config, and a site file, to start from; or write a config for a catalogue."""
    if catalogue is None:
        from hpcflow.stages.init import init as copy

        if sets:
            raise InputError("--set goes with --from; without it, edit the copy of the config")
        for path in copy(name or "demo", folder or Path(), site):
            print(path)
        return
    if folder or site:
        raise InputError("with --from, give nothing but a folder and --set")
    from hpcflow.stages.guess_config import guess_config, write_config

    guessed = guess_config(catalogue, sets or [])
    written = write_config(guessed, Path(name or ""))
    print(*guessed.words, f"config: {written}", sep="\n")


@command("run")
def run_all(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    ranks: Ranks = None,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
) -> None:
    """Run all stages in order, without repeating finished work."""
    refuse_unless_job("training", site, submit or dry_run, "run the stages one by one")
    at = site_of(site, submit or dry_run, workers, ranks)
    settings, folder = open_run(config, run, sets)
    exact = settings.infer.posterior == "exact"  # which needs no flow
    stages = ["infer", "report"] if exact else ["simulate", "train", "infer", "validate", "report"]
    if submitted(stages, settings, folder, at, submit, dry_run):
        return
    from hpcflow.stages.infer import infer as infer_stage
    from hpcflow.stages.input import read_catalogues
    from hpcflow.stages.report import make_report
    from hpcflow.stages.simulate import simulate as simulate_stage
    from hpcflow.stages.validate import validate as validate_stage

    here = where_of(workers, None)
    read_catalogues(settings)  # report a wrong catalogue before an hour of training, not after
    if exact:
        infer_stage(settings, folder, here)
        print(make_report(folder.path))
        return
    simulate_stage(settings, folder, here)
    _train(config, settings, folder, sets, worker_count(workers), ranks or 1)
    infer_stage(settings, folder, here)
    try:
        validate_stage(settings, folder, here)
    except MiscalibratedError:
        print(make_report(folder.path))  # the page shows what is wrong
        raise
    print(make_report(folder.path))


@command()
def simulate(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
    verify: Annotated[bool, replaced("--verify", "hpcflow verify RUN")] = False,
) -> None:
    """Fill the library with draws from the prior and their fluxes."""
    at = site_of(site, submit or dry_run, workers)
    settings, folder = open_run(config, run, sets)
    if submitted(["simulate"], settings, folder, at, submit, dry_run):
        return
    from hpcflow.stages.simulate import simulate as stage

    stage(settings, folder, where_of(workers, at))


@command()
def train(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Use N processors here.", show_default="all processors"),
    ] = None,
    ranks: Ranks = None,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
    search: Annotated[int | None, replaced("--search", "hpcflow search CONFIG --trials N")] = None,
) -> None:
    """Train the flow on the library, or resume a stopped training."""
    refuse_unless_job("training", site, submit or dry_run, "leave out --site to train here")
    if site and workers:
        raise InputError(f"--workers is the number of processors here; set train.cores in the site file of {site}")
    at = site_of(site, submit or dry_run, ranks=ranks)
    settings, folder = open_run(config, run, sets)
    if submitted(["train"], settings, folder, at, submit, dry_run):
        return
    _train(config, settings, folder, sets, worker_count(workers), ranks or 1)


@command()
def search(
    config: ConfigPath,
    trials: Annotated[int, typer.Option("--trials", metavar="N", min=1, help="Try N settings, earlier ones included.")],
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    site: SiteName = None,
) -> None:
    """Search for better training settings; write the best config."""
    at = site_of(site, False, workers)
    settings, folder = open_run(config, run, sets)
    from rich.console import Console

    from hpcflow.stages.search.results import best_table
    from hpcflow.stages.search.search import BEST
    from hpcflow.stages.search.search import search as find

    Console().print(best_table(find(settings, folder, trials, where_of(workers, at))))
    print(f"next: hpcflow train {folder.search / BEST} --run {folder.path}")


@command()
def infer(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG|CATALOGUE",
            help="Read what to compute from this YAML file, or guess it from this catalogue.",
        ),
    ],
    catalogues: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CATALOGUE]...", help="Infer the clusters of these catalogues instead of the config's."
        ),
    ] = None,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    galaxy: Annotated[
        str | None, typer.Option("--galaxy", help="Infer only this galaxy's clusters, even if they have posteriors.")
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add the catalogues, or distances that were unknown, to the archive.")
    ] = False,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
    verify: Annotated[bool, replaced("--verify", "hpcflow verify RUN")] = False,
) -> None:
    """Infer the posterior of every cluster in the catalogues."""
    if (submit or dry_run) and (galaxy or append):
        raise InputError("--galaxy and --append cannot be submitted; leave out --submit to use workers at the site")
    at = site_of(site, submit or dry_run, workers)
    opened = open_run if config.suffix in ("", ".yaml", ".yml") else open_catalogue
    settings, folder = opened(config, run, sets, catalogues)
    if submitted(["infer"], settings, folder, at, submit, dry_run):
        return
    from hpcflow.stages.infer import infer as stage

    stage(settings, folder, where_of(workers, at), galaxy, append)


@command()
def validate(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
) -> None:
    """Check the flow's calibration on simulations it has never seen."""
    at = site_of(site, submit or dry_run, workers)
    settings, folder = open_run(config, run, sets)
    if submitted(["validate"], settings, folder, at, submit, dry_run):
        return
    from hpcflow.stages.validate import validate as stage

    stage(settings, folder, where_of(workers, at))


@command()
def report(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
) -> None:
    """Draw the figures, and put them on one self-contained page."""
    refuse_unless_job("the report", site, submit or dry_run, "leave out --site to draw it here")
    at = site_of(site, submit or dry_run)
    settings, folder = open_run(config, run, sets)
    if submitted(["report"], settings, folder, at, submit, dry_run):
        return
    from hpcflow.stages.report import make_report

    print(make_report(folder.path))


def _train(config: Path, settings: "Config", folder: "Run", sets: list[str] | None, workers: int, ranks: int) -> None:
    """Train in this process, or in several that run `hpcflow train` for it."""
    from hpcflow.compute.launcher import follow_launcher, launch, launched

    if ranks == 1 or launched():
        from hpcflow.stages.train import train_flow

        follow_launcher()
        train_flow(settings, folder, workers)
        return
    options = [part for one in sets or [] for part in ("--set", one)]
    command = [sys.executable, "-m", "hpcflow", "train", str(config), "--run", str(folder.path)]
    if code := launch([*command, *options, "--workers", str(workers)], ranks):
        raise typer.Exit(code)  # the processes have said why
