"""The command line: each command reads a config, calls one function, and says what came of it.

Nothing heavy is imported before a command needs it, so that `hpcflow --help` is instant.
"""

import errno
import logging
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpcflow import __version__
from hpcflow.base.errors import HpcflowError, InputError, MiscalibratedError
from hpcflow.cli.look import app as results_app
from hpcflow.cli.options import (
    ConfigPath,
    DryRun,
    Overrides,
    Ranks,
    RunFolder,
    SiteName,
    Submit,
    Workers,
    open_run,
    site_of,
    submitted,
    where_of,
    worker_count,
)

if TYPE_CHECKING:
    from hpcflow.compute.where import Where
    from hpcflow.config.load import Config
    from hpcflow.stages.run import Run

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
site_app = typer.Typer(no_args_is_help=True, help="SLURM clusters, as site files describe them.")
app.add_typer(site_app, name="site")
catalogue_app = typer.Typer(no_args_is_help=True, help="Catalogues of observed clusters.")
app.add_typer(catalogue_app, name="catalogue")
app.add_typer(results_app)


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
    site: Annotated[str | None, typer.Option("--site", metavar="SITE", help="A shipped site as well.")] = None,
) -> None:
    """Copy a shipped config, and a site file, to start from."""
    from hpcflow.stages.init import init as copy

    for path in copy(name, folder, site):
        print(path)


@app.command()
def simulate(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check what is there: read it all, simulate some rows again.")
    ] = False,
) -> None:
    """Fill the library: parameters drawn from the prior and their model fluxes."""
    settings, folder = open_run(config, run, sets)
    if verify:
        from hpcflow.stages.verify import verify as check

        check(settings, folder)
        return
    at = site_of(site, workers)
    if submitted(["simulate"], settings, folder, at, submit, dry_run):
        return
    from hpcflow.stages.simulate import simulate as stage

    stage(settings, folder, where_of(workers, at))


@app.command()
def train(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    ranks: Ranks = None,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
    search: Annotated[
        int | None, typer.Option("--search", metavar="N", min=1, help="Instead, try N settings and write the best.")
    ] = None,
) -> None:
    """Learn the posterior from the library; go on where an earlier training was stopped."""
    settings, folder = open_run(config, run, sets)
    if search:
        if submit or dry_run:
            raise InputError("a search cannot be submitted; --site alone has its trials run there")
        _search(settings, folder, search, where_of(workers, site_of(site, workers)))
        return
    at = site_of(site, workers, ranks)
    if submitted(["train"], settings, folder, at, submit, dry_run):
        return
    if at:
        raise InputError(f"training at {at.name} is a job; add --submit, or leave out --site to train here")
    _train(config, settings, folder, sets, worker_count(workers), ranks or 1)


@app.command()
def infer(
    config: ConfigPath,
    catalogues: Annotated[
        list[str] | None, typer.Argument(metavar="[CATALOGUE]...", help="Instead of the config's.")
    ] = None,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    verify: Annotated[bool, typer.Option("--verify", help="Instead, read what is there and check it.")] = False,
    galaxy: Annotated[str | None, typer.Option("--galaxy", help="Its clusters only, and those done again.")] = None,
    append: Annotated[bool, typer.Option("--append", help="Add the catalogues to those of the archive.")] = False,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
) -> None:
    """Infer a posterior for every cluster of the catalogues."""
    settings, folder = open_run(config, run, sets, catalogues)
    at = site_of(site, workers)
    if (submit or dry_run) and (galaxy or append):
        raise InputError("--galaxy and --append cannot be submitted; --site alone has its workers there")
    if submitted(["infer"], settings, folder, at, submit, dry_run):
        return
    from hpcflow.stages.infer import infer as stage
    from hpcflow.stages.verify_archive import verify_archive

    if verify:
        verify_archive(folder)
        return
    stage(settings, folder, where_of(workers, at), galaxy, append)


@app.command()
def validate(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    workers: Workers = None,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
) -> None:
    """Check the flow's calibration on held-out simulations."""
    settings, folder = open_run(config, run, sets)
    at = site_of(site, workers)
    if submitted(["validate"], settings, folder, at, submit, dry_run):
        return
    from hpcflow.stages.validate import validate as stage

    stage(settings, folder, where_of(workers, at))


@app.command()
def report(
    config: ConfigPath,
    run: RunFolder = None,
    sets: Overrides = None,
    site: SiteName = None,
    submit: Submit = False,
    dry_run: DryRun = False,
) -> None:
    """Draw the figures and write one self-contained page."""
    settings, folder = open_run(config, run, sets)
    if submitted(["report"], settings, folder, site_of(site), submit, dry_run):
        return
    from hpcflow.stages.report import make_report

    print(make_report(folder.path))


@app.command("run")
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
    """Run all stages in a row; what is done already is not done again."""
    settings, folder = open_run(config, run, sets)
    at = site_of(site, workers, ranks)
    if submitted(["simulate", "train", "infer", "validate", "report"], settings, folder, at, submit, dry_run):
        return
    from hpcflow.stages.infer import infer as infer_stage
    from hpcflow.stages.infer import read_catalogues
    from hpcflow.stages.report import make_report
    from hpcflow.stages.simulate import simulate as simulate_stage
    from hpcflow.stages.validate import validate as validate_stage

    where = where_of(workers, at)
    read_catalogues(settings)  # a wrong catalogue is said before an hour of training, not after
    simulate_stage(settings, folder, where)
    _train(config, settings, folder, sets, worker_count(None if at else workers), ranks or 1)
    infer_stage(settings, folder, where)
    try:
        validate_stage(settings, folder, where)
    except MiscalibratedError:
        print(make_report(folder.path))  # it shows what is wrong
        raise
    print(make_report(folder.path))


@site_app.command("check")
def check_site(
    site: Annotated[str, typer.Argument(metavar="SITE", help="A shipped site, or a file.")],
    folder: Annotated[Path, typer.Option("--folder", help="On the disk that runs will be on.")] = Path(),
) -> None:
    """Submit a tiny job of each kind, and say in words what is wrong."""
    from hpcflow.config.sites import load_site
    from hpcflow.stages.slurm.site_check import check

    failed = 0
    for finding in check(load_site(site), folder):
        print(f"{'ok  ' if finding.good else 'WRONG'} {finding.says}", flush=True)
        failed += not finding.good
    if failed:
        raise typer.Exit(1)


@catalogue_app.command("check")
def check_catalogue(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The catalogue.")],
    config: Annotated[
        Path | None, typer.Option("--config", help="Whose bands and options to read it with.", show_default="phangs")
    ] = None,
    sets: Overrides = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="PNG of its colours.", show_default="FILE-colours.png")
    ] = None,
) -> None:
    """Say what is recognised in a catalogue, and draw its colours over the models'."""
    from hpcflow.config.load import load_config
    from hpcflow.stages.init import shipped_configs
    from hpcflow.stages.look.catalogue_check import check

    settings = load_config(config or shipped_configs()["phangs"], sets or [])
    for line in check(settings, file, picture or Path(f"{file.name.split('.')[0]}-colours.png")):
        print(line)


@catalogue_app.command("urls")
def catalogue_urls() -> None:
    """Say where MAST has the catalogues of PHANGS-HST and LEGUS; nothing is fetched."""
    from hpcflow.catalogues.mast import LEGUS_PAGE, PHANGS_PAGE, addresses

    for address in addresses():
        print(f"{address.url}  # {address.holds}")
    print(f"# PHANGS-HST, with read-me files and what has moved since: {PHANGS_PAGE}")
    print(f"# LEGUS, cluster catalogues galaxy by galaxy: {LEGUS_PAGE}")
    print("# Put files in any folder, sed tables beside their obs tables, then: hpcflow infer phangs.yaml FILE...")


@catalogue_app.command("fetch")
def fetch_catalogues(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Galaxies, or parts of file names.", show_default="all"),
    ] = None,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where to put them.")] = Path(),
) -> None:
    """Fetch the catalogues that `urls` lists, and check that they stay the same."""
    from hpcflow.catalogues.fetch import chosen, fetch
    from hpcflow.catalogues.mast import addresses

    for path in fetch(chosen(addresses(), names or []), to):
        print(path)


@app.command()
def flux(
    config: ConfigPath,
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="Columns named as the parameters.")],
    out: Annotated[Path, typer.Option("--out", help="FITS, CSV, ECSV or Parquet file to write.")],
    sets: Overrides = None,
) -> None:
    """Evaluate the config's simulator on the rows of a table."""
    from hpcflow.config.load import load_config
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
    from hpcflow.config.load import load_config
    from hpcflow.stages.build import build_survey_simulator
    from hpcflow.stages.mock import make_mock
    from hpcflow.stages.survey import make_survey

    settings = load_config(config, sets or [])
    simulator = build_survey_simulator(settings)
    what = (simulator, settings.model.bands, settings.mock.n, settings.mock.seed, out)
    for path in make_mock(*what) if settings.mock.form == "plain" else make_survey(*what, settings.mock.form):
        print(path)


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
        raise typer.Exit(code)  # it said why


def _search(settings: "Config", folder: "Run", count: int, where: "Where") -> None:
    from rich.console import Console

    from hpcflow.stages.search.results import best_table
    from hpcflow.stages.search.search import BEST
    from hpcflow.stages.search.search import search as find

    Console().print(best_table(find(settings, folder, count, where)))
    print(f"next: hpcflow train {folder.search / BEST} --run {folder.path}")


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
