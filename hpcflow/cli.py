"""The command line: each command reads a config, calls one function, and says what came of it.

Nothing heavy is imported before a command needs it, so that `hpcflow --help` is instant.
"""

import errno
import logging
import sys
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpcflow import __version__
from hpcflow.errors import HpcflowError, InputError

if TYPE_CHECKING:
    from hpcflow.config import Config
    from hpcflow.stages.run import Run

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of what to compute.")]
RunFolder = Annotated[Path | None, typer.Option("--run", help="Run folder.", show_default="runs/NAME")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value; may be repeated.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes.", show_default="all processors")
]
Ranks = Annotated[int, typer.Option("--ranks", min=1, help="Processes of this machine that train together.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]


def main() -> None:
    """Run a command; turn what went wrong into one sentence and an exit code (2 input, 1 failures, 3 a bug)."""
    _log_to_stderr()
    try:
        _refuse_namesake()
        app()
    except HpcflowError as e:
        print(f"hpcflow: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    except KeyboardInterrupt:
        print("hpcflow: stopped; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
    except Exception as e:
        # A file that cannot be written is the user's to mend; sockets and time-outs are OSErrors too, but name no file.
        if isinstance(e, OSError) and (e.filename or e.errno in (errno.ENOSPC, errno.EDQUOT)):
            print(f"hpcflow: {e.filename or 'writing'}: {e.strerror}; check the path and the disk", file=sys.stderr)
            sys.exit(2)
        logging.getLogger("hpcflow").exception("hpcflow: this is a bug; please report it with the lines above")
        sys.exit(3)


def _say_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and exit.")
    ] = False,
) -> None:
    """Posteriors of age, mass and reddening for catalogues of star clusters."""


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="Shipped config.")] = "demo",
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put it.")] = Path(),
) -> None:
    """Copy a shipped config to start from."""
    from hpcflow.stages.init import init as copy

    print(copy(name, folder))


@app.command()
def simulate(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check what is there: read it all, simulate some rows again.")
    ] = False,
) -> None:
    """Fill the library: parameters drawn from the prior and their model fluxes."""
    settings, folder = _open(config, run, sets)
    if verify:
        from hpcflow.stages.verify import verify as check

        check(settings, folder)
        return
    from hpcflow.stages.simulate import simulate as stage

    stage(settings, folder, _workers(workers))


@app.command()
def train(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    ranks: Ranks = 1,
    search: Annotated[
        int | None, typer.Option("--search", metavar="N", min=1, help="Instead, try N settings and write the best.")
    ] = None,
) -> None:
    """Learn the posterior from the library; go on where an earlier training was stopped."""
    settings, folder = _open(config, run, sets)
    if search:
        _search(settings, folder, search, _workers(workers))
        return
    _train(config, settings, folder, sets, _workers(workers), ranks)


@app.command()
def infer(
    config: ConfigPath,
    catalogues: Annotated[
        list[str] | None, typer.Argument(metavar="[CATALOG]...", help="Instead of the config's.")
    ] = None,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    verify: Annotated[bool, typer.Option("--verify", help="Instead, read what is there and check it.")] = False,
) -> None:
    """Infer a posterior for every cluster of the catalogues."""
    from hpcflow.stages.infer import infer as stage
    from hpcflow.stages.verify_archive import verify_archive

    settings, folder = _open(config, run, sets, catalogues)
    if verify:
        verify_archive(folder)
        return
    stage(settings, folder, _workers(workers))


@app.command()
def validate(config: ConfigPath, run: RunFolder = None, sets: Overrides = None, workers: Workers = None) -> None:
    """Check the flow's calibration on held-out simulations."""
    from hpcflow.stages.validate import validate as stage

    settings, folder = _open(config, run, sets)
    stage(settings, folder, _workers(workers))


@app.command()
def report(config: ConfigPath, run: RunFolder = None, sets: Overrides = None) -> None:
    """Draw the figures and write one self-contained page."""
    from hpcflow.stages.report import make_report

    _, folder = _open(config, run, sets)
    print(make_report(folder.path))


@app.command("run")
def run_all(
    config: ConfigPath, run: RunFolder = None, sets: Overrides = None, workers: Workers = None, ranks: Ranks = 1
) -> None:
    """Run all stages in a row; what is done already is not done again."""
    from hpcflow.stages.infer import infer as infer_stage
    from hpcflow.stages.infer import read_catalogues
    from hpcflow.stages.report import make_report
    from hpcflow.stages.simulate import simulate as simulate_stage
    from hpcflow.stages.validate import validate as validate_stage

    settings, folder = _open(config, run, sets)
    count = _workers(workers)
    read_catalogues(settings)  # a wrong catalogue is said before an hour of training, not after
    simulate_stage(settings, folder, count)
    _train(config, settings, folder, sets, count, ranks)
    infer_stage(settings, folder, count)
    validate_stage(settings, folder, count)
    print(make_report(folder.path))


@app.command()
def status(run: RunArgument) -> None:
    """Say what a run has done, what failed, and what to do next."""
    from rich.console import Console
    from rich.table import Table

    from hpcflow.stages.run import Run
    from hpcflow.stages.status import status as states

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
    todo = next((s.stage for s in stages if not s.finished), None)
    print(f"next: hpcflow {todo} CONFIG --run {run}" if todo else "everything is done")


@app.command()
def export(
    run: RunArgument,
    to: Annotated[str, typer.Option("--to", help="fits, parquet, csv or ecsv.")] = "fits",
    galaxy: Annotated[str | None, typer.Option("--galaxy", help="Its clusters only.")] = None,
) -> None:
    """Write one row per cluster as a table."""
    from hpcflow.stages.export import export as write
    from hpcflow.stages.run import Run

    print(write(Run(run), to, galaxy))


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
    from hpcflow.stages.samples import write_samples

    print(write_samples(run, cluster, galaxy, out))


@app.command()
def flux(
    config: ConfigPath,
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="Columns named as the parameters.")],
    out: Annotated[Path, typer.Option("--out", help="FITS, CSV, ECSV or Parquet file to write.")],
    sets: Overrides = None,
) -> None:
    """Evaluate the config's simulator on the rows of a table."""
    from hpcflow.config import load_config
    from hpcflow.stages.flux import flux as evaluate

    failed = evaluate(load_config(config, sets or []), table, out)
    print(out)
    if failed:
        print(f"hpcflow: {failed} rows could not be simulated and are NaN", file=sys.stderr)


@app.command()
def mock(
    config: ConfigPath,
    out: Annotated[Path, typer.Option("--out", help="Folder to write into.")],
    sets: Overrides = None,
) -> None:
    """Make a catalogue with known truth, in the schema of the PHANGS-HST survey."""
    from hpcflow.config import load_config
    from hpcflow.stages.build import build_survey_simulator
    from hpcflow.stages.mock import make_mock

    settings = load_config(config, sets or [])
    simulator = build_survey_simulator(settings)
    for path in make_mock(simulator, settings.model.bands, settings.mock.n, settings.mock.seed, out):
        print(path)


def _train(config: Path, settings: "Config", folder: "Run", sets: list[str] | None, workers: int, ranks: int) -> None:
    """Train in this process, or in several that run `hpcflow train` for it."""
    from hpcflow.compute.ranks import follow_launcher, launch, launched

    if ranks == 1 or launched():
        from hpcflow.stages.train import train_flow

        follow_launcher()
        train_flow(settings, folder, workers)
        return
    options = [part for one in sets or [] for part in ("--set", one)]
    command = [sys.executable, "-m", "hpcflow", "train", str(config), "--run", str(folder.path)]
    if code := launch([*command, *options, "--workers", str(workers)], ranks):
        raise typer.Exit(code)  # it said why


def _open(
    config: Path, run: Path | None, sets: list[str] | None, catalogues: list[str] | None = None
) -> "tuple[Config, Run]":
    """Return the config, with overrides, and the run folder."""
    import json

    from hpcflow.config import load_config
    from hpcflow.stages.run import Run

    named = [f"infer.catalogues={json.dumps(catalogues)}"] if catalogues else []
    settings = load_config(config, [*(sets or []), *named])
    return settings, Run(run or Path("runs") / settings.name)


def _search(settings: "Config", folder: "Run", count: int, workers: int) -> None:
    from rich.console import Console

    from hpcflow.stages.search import BEST
    from hpcflow.stages.search import search as find
    from hpcflow.stages.search_results import best_table

    Console().print(best_table(find(settings, folder, count, workers)))
    print(f"next: hpcflow train {folder.search / BEST} --run {folder.path}")


def _workers(asked: int | None) -> int:
    from hpcflow.compute.cluster import default_workers

    return asked or default_workers()


def _log_to_stderr() -> None:
    """Show what hpcflow says, and of the libraries below it only what is wrong."""
    log = logging.getLogger("hpcflow")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers[:] = [handler]


def _refuse_namesake() -> None:
    """Another project owns the name hpcflow on the package index; with both installed, either may be half the other."""
    try:
        distribution("hpcflow")
    except PackageNotFoundError:
        return
    raise InputError(
        "another project's package `hpcflow` is installed beside starcluster-hpcflow, in the same folders; "
        "install starcluster-hpcflow into a virtual environment of its own"
    )
