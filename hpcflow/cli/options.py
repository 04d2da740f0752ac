"""What commands take on the command line, and the objects that are made of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpcflow.base.errors import InputError

if TYPE_CHECKING:
    from hpcflow.compute.site import Site
    from hpcflow.compute.where import Where
    from hpcflow.config.load import Config
    from hpcflow.stages.run import Run

__all__ = [
    "ConfigPath",
    "DryRun",
    "Overrides",
    "Ranks",
    "RunArgument",
    "RunFolder",
    "SiteName",
    "Submit",
    "Workers",
    "open_run",
    "site_of",
    "submitted",
    "where_of",
    "worker_count",
]

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of what to compute.")]
RunFolder = Annotated[Path | None, typer.Option("--run", help="Run folder.", show_default="runs/NAME")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value; may be repeated.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes.", show_default="all processors")
]
Ranks = Annotated[
    int | None,
    typer.Option("--ranks", min=1, help="Processes that train together.", show_default="1, or what the site says"),
]
SiteName = Annotated[
    str | None,
    typer.Option("--site", metavar="SITE", help="SLURM cluster that computes: a shipped site, or a file."),
]
Submit = Annotated[bool, typer.Option("--submit", help="Submit this as a job of the site, and return.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what --submit would submit.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]


def open_run(
    config: Path, run: Path | None, sets: list[str] | None, catalogues: list[str] | None = None
) -> "tuple[Config, Run]":
    """Return the config, with overrides, and the run folder."""
    import json

    from hpcflow.config.load import load_config
    from hpcflow.stages.run import Run

    named = [f"infer.catalogues={json.dumps(catalogues)}"] if catalogues else []
    settings = load_config(config, [*(sets or []), *named])
    return settings, Run(run or Path("runs") / settings.name)


def worker_count(asked: int | None) -> int:
    """Return how many worker processes to use here: as many as there are processors, unless asked otherwise."""
    from hpcflow.compute.local import default_workers

    return asked or default_workers()


def where_of(workers: int | None, site: "Site | None") -> "Where":
    """Return where a stage's workers are: at the site, or else here."""
    from hpcflow.compute.where import Here

    return site or Here(worker_count(workers))


def site_of(name: str | None, workers: int | None = None, ranks: int | None = None) -> "Site | None":
    """Return the site of that name, with the numbers of workers and ranks that are asked for."""
    from dataclasses import replace

    from hpcflow.config.sites import load_site
    from hpcflow.stages.slurm.submit import with_ranks

    if name is None:
        return None
    site = with_ranks(load_site(name), ranks)
    return replace(site, workers=workers) if workers else site


def submitted(
    stages: list[str], settings: "Config", folder: "Run", site: "Site | None", submit: bool, dry_run: bool
) -> bool:
    """Submit stages, or show how, where that is asked for; return whether it is."""
    if not submit and not dry_run:
        return False
    if site is None:
        raise InputError(
            "--submit and --dry-run need --site SITE; `hpcflow init --site generic` makes one to start from"
        )
    from hpcflow.stages.slurm.submit import show, submit_stages

    if dry_run:
        print(show(settings, folder, site, stages), end="")
        return True
    for line in submit_stages(settings, folder, site, stages):
        print(line)
    print(f"next: hpcflow status {folder.path}")
    return True
