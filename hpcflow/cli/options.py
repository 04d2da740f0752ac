"""The options that commands share, and the objects made from them."""

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
    "open_catalogue",
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
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value of the config; may be repeated."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Use N processes here, or N worker jobs at the site.",
        show_default="all processors, or as in the site file",
    ),
]
Ranks = Annotated[
    int | None,
    typer.Option(
        "--ranks", metavar="N", min=1, help="Train in N parallel processes.", show_default="1, or as in the site file"
    ),
]
SiteName = Annotated[
    str | None,
    typer.Option("--site", metavar="SITE", help="Use this SLURM site: a shipped one, or a site file."),
]
Submit = Annotated[bool, typer.Option("--submit", help="Submit the command to the site as a job, and return.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what --submit would submit, and do nothing else.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Use the run in this folder.")]


def replaced(flag: str, command: str) -> Any:
    """Return a hidden option that raises an error naming the command that replaces it."""

    def refuse(value: int | None) -> None:
        if value:
            raise InputError(f"{flag} is now a command of its own; use `{command}`")

    return typer.Option(flag, hidden=True, callback=refuse)


def open_run(
    config: Path, run: Path | None, sets: list[str] | None, catalogues: list[str] | None = None
) -> "tuple[Config, Run]":
    """Return the config, with overrides applied, and the run."""
    import json

    from hpcflow.config.load import load_config
    from hpcflow.stages.run import Run

    named = [f"infer.catalogues={json.dumps(catalogues)}"] if catalogues else []
    settings = load_config(config, [*(sets or []), *named])
    return settings, Run(run or Path("runs") / settings.name)


def open_catalogue(
    table: Path, run: Path | None, sets: list[str] | None, more: list[str] | None = None
) -> "tuple[Config, Run]":
    """Return the config that is guessed from a catalogue, and the run; print what was guessed."""
    from hpcflow.stages.guess_config import guess_config
    from hpcflow.stages.run import Run

    if more:
        raise InputError(
            f"a config is guessed from one catalogue alone; run `hpcflow init --from {table}`, then "
            f"`hpcflow infer CONFIG {table} {' '.join(more)}`"
        )
    guessed = guess_config(table, sets or [])
    folder = Run(run or Path("runs") / guessed.config.name)
    print(*guessed.words, f"run folder: {folder.path}", sep="\n", flush=True)
    return guessed.config, folder


def worker_count(asked: int | None) -> int:
    """Return the number of local worker processes: one per processor unless a number is given."""
    from hpcflow.compute.local import default_workers

    return asked or default_workers()


def where_of(workers: int | None, site: "Site | None") -> "Where":
    """Return where to run a stage's workers: at the site if there is one, otherwise here."""
    from hpcflow.compute.where import Here

    return site or Here(worker_count(workers))


def site_of(name: str | None, job: bool, workers: int | None = None, ranks: int | None = None) -> "Site | None":
    """Return the site of that name, with the given numbers of workers and training processes.

    Args:
        name: name of a shipped site, or path of a site file.
        job: whether a job is to be submitted, which needs a site.
        workers: number of workers; None for that of the site file.
        ranks: number of training processes; None for that of the site file.

    Raises:
        InputError: if there is no such site, or a site is needed but none is named.
    """
    from dataclasses import replace

    from hpcflow.config.sites import load_site
    from hpcflow.stages.slurm.submit import with_ranks

    if name is None:
        if job:
            raise InputError(
                "--submit and --dry-run need --site SITE; `hpcflow init --site generic` makes a site file to start from"
            )
        return None
    site = with_ranks(load_site(name), ranks)
    return replace(site, workers=workers) if workers else site


def refuse_unless_job(what: str, site: str | None, job: bool, instead: str) -> None:
    """Raise if a site is named for a command that runs there only as a job, and no job is to be submitted.

    Args:
        what: what the command does, as a noun.
        site: name of the site, if any.
        job: whether a job is to be submitted.
        instead: what else the user can do.
    """
    if site and not job:
        raise InputError(f"{what} at {site} runs as a job; add --submit, or {instead}")


def submitted(
    stages: Sequence[str], settings: "Config", folder: "Run", site: "Site | None", submit: bool, dry_run: bool
) -> bool:
    """Submit stages or print the submission, if either is asked for, and return whether it is."""
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
