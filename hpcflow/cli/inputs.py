"""The commands that need no run: check or fetch catalogues, make mocks, compute model fluxes, list flows that ship.

As everywhere in the command line, heavy imports wait until a command needs them.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from hpcflow.cli.options import ConfigPath, Overrides

__all__ = ["PANEL", "app", "catalogue_app"]

PANEL = "Catalogues and models"
app = typer.Typer()
command = partial(app.command, rich_help_panel=PANEL)
catalogue_app = typer.Typer(
    no_args_is_help=True, help="Check a catalogue of observed clusters, or fetch one from MAST."
)


@catalogue_app.command("check")
def check_catalogue(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Read this catalogue.")],
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Read it with this config's bands and options.", show_default="phangs"),
    ] = None,
    sets: Overrides = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw its colours into this PNG.", show_default="FILE-colours.png")
    ] = None,
) -> None:
    """Show what hpcflow recognises in a catalogue, and draw its colours over those of models."""
    from hpcflow.config.load import load_config
    from hpcflow.stages.init import shipped_configs
    from hpcflow.stages.look.catalogue_check import check

    settings = load_config(config or shipped_configs()["phangs"], sets or [])
    for line in check(settings, file, picture or Path(f"{file.name.split('.')[0]}-colours.png")):
        print(line)


@catalogue_app.command("urls")
def catalogue_urls() -> None:
    """Print where MAST keeps the catalogues of PHANGS-HST and LEGUS; nothing is downloaded."""
    from hpcflow.catalogues.mast import LEGUS_PAGE, PHANGS_PAGE, addresses

    for address in addresses():
        print(f"{address.url}  # {address.holds}")
    print(f"# PHANGS-HST, with read-me files and later changes: {PHANGS_PAGE}")
    print(f"# LEGUS, cluster catalogues galaxy by galaxy: {LEGUS_PAGE}")
    print("# Put files in any folder, sed tables beside their obs tables, then: hpcflow infer phangs.yaml FILE...")


@catalogue_app.command("fetch")
def fetch_catalogues(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Fetch only files with one of these names, e.g. of galaxies.", show_default="all"
        ),
    ] = None,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Put them into this folder.")] = Path(),
) -> None:
    """Fetch the catalogues that `urls` lists, and check those fetched before."""
    from hpcflow.catalogues.fetch import chosen, fetch
    from hpcflow.catalogues.mast import addresses

    for path in fetch(chosen(addresses(), names or []), to):
        print(path)


@command()
def mock(
    config: ConfigPath,
    out: Annotated[Path, typer.Option("--out", help="Write into this folder.")],
    sets: Overrides = None,
) -> None:
    """Make a mock catalogue of the survey, and a table of its truth."""
    from hpcflow.config.load import load_config
    from hpcflow.sources.cluster.parameters import METALLICITY
    from hpcflow.sources.cluster.population import SOLAR
    from hpcflow.stages.build import build_survey_simulator
    from hpcflow.stages.mock import make_mock
    from hpcflow.stages.survey import make_survey

    settings = load_config(config, sets or [])
    simulator, asked = build_survey_simulator(settings), settings.mock
    what = (simulator, settings.model.bands, asked.n, asked.seed, out)
    given: dict[str, Any] = {
        "systematic": settings.observe.systematic if asked.systematic is None else asked.systematic,
        METALLICITY: settings.model.fixed.get(METALLICITY, SOLAR),
    }
    plain = asked.form == "plain"
    for path in make_mock(*what, **given) if plain else make_survey(*what, asked.form, **given):
        print(path)


@command()
def flows(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show everything about this flow, and a config that uses it.")
    ] = None,
) -> None:
    """List the trained flows that ship, or show one."""
    from rich.console import Console

    from hpcflow.stages.look.shipped_flows import flows_table, open_flow

    if name is None:
        Console().print(flows_table())
        return
    flow = open_flow(name)
    facts = flow.facts()
    width = max(map(len, facts))
    print(*(f"{what.ljust(width)}  {said}" for what, said in facts.items()), "", flow.recipe(), sep="\n", end="")


@command()
def flux(
    config: ConfigPath,
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE", help="Read parameters from the columns of this table."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Write this FITS, CSV, ECSV or Parquet file.")],
    sets: Overrides = None,
) -> None:
    """Compute the model fluxes of the parameters in a table."""
    from hpcflow.config.load import load_config
    from hpcflow.stages.flux import flux as evaluate

    failed = evaluate(load_config(config, sets or []), table, out)
    print(out)
    if failed:
        print(f"hpcflow: {failed} rows could not be simulated and are NaN", file=sys.stderr)
