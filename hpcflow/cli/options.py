"""What commands take on the command line, and the objects that are made of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    "refuse_unless_job",
    "replaced",
    "site_of",
    "submitted",
    "where_of",
    "worker_count",
]

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="Read what to compute from this YAML file.")]
RunFolder = Annotated[Path | None, typer.Option("--run", help="Keep the run in this folder.", show_default="runs/NAME")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value of the config; repeat it for others."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Use N processes here, or N worker jobs at the site.",
        show_default="all processors, or what the site says",
    ),
]
Ranks = Annotated[
    int | None,
    typer.Option(
        "--ranks", metavar="N", min=1, help="Train in N processes together.", show_default="1, or what the site says"
    ),
]
SiteName = Annotated[
    str | None,
    typer.Option("--site", metavar="SITE", help="Compute at this SLURM site: a shipped one, or a site file."),
]
Submit = Annotated[bool, typer.Option("--submit", help="Submit this to the site as a job, and return.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what --submit would submit, and do nothing else.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Use the run in this folder.")]


def replaced(flag: str, command: str) -> Any:
    """Return an option that is gone, for which an error names the command that does its work now."""

    def refuse(value: int | None) -> None:
        if value:
            raise InputError(f"{flag} is a command of its own now: use `{command}`")

    return typer.Option(flag, hidden=True, callback=refuse)


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


def site_of(name: str | None, job: bool, workers: int | None = None, ranks: int | None = None) -> "Site | None":
    """Return the site of that name, with the numbers of workers and ranks that are asked for.

    Args:
        name: of a shipped site, or path of a site file.
        job: whether a job is to be submitted, which needs a site.
        workers: instead of what the site says.
        ranks: instead of what the site says.

    Raises:
        InputError: if there is no such site, or a site is needed and none named.
    """
    from dataclasses import replace

    from hpcflow.config.sites import load_site
    from hpcflow.stages.slurm.submit import with_ranks

    if name is None:
        if job:
            raise InputError(
                "--submit and --dry-run need --site SITE; `hpcflow init --site generic` makes one to start from"
            )
        return None
    site = with_ranks(load_site(name), ranks)
    return replace(site, workers=workers) if workers else site


def refuse_unless_job(what: str, site: str | None, job: bool, instead: str) -> None:
    """Refuse a site for a command that works there only as a job.

    Args:
        what: the command does, as a noun.
        site: that is named.
        job: whether a job is to be submitted.
        instead: what else to do.
    """
    if site and not job:
        raise InputError(f"{what} at {site} is a job; add --submit, or {instead}")


def submitted(
    stages: Sequence[str], settings: "Config", folder: "Run", site: "Site | None", submit: bool, dry_run: bool
) -> bool:
    """Submit stages, or show how, where that is asked for; return whether it is."""
    if site is None or not (submit or dry_run):
        return False
    from hpcflow.stages.slurm.submit import show, submit_stages

    if dry_run:
        print(show(settings, folder, site, stages), end="")
        return True
    for line in submit_stages(settings, folder, site, stages):
        print(line)
    print(f"next: hpcflow status {folder.path}")
    return True
