"""The entry point: the list of commands, and the exit code and message of each kind of error.

Nothing heavy is imported before a command needs it, so that `hpcflow --help` is instant.
"""

import logging
import signal
import sys
from importlib.metadata import PackageNotFoundError, distribution
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hpcflow import __version__
from hpcflow.base.errors import HpcflowError, InputError, Interrupted
from hpcflow.base.machine import limit_error
from hpcflow.cli import at_site, inputs, look, stages

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    """All commands; Ctrl-C ends each with a sentence, which the versions of typer would all leave out."""

    def invoke(self, ctx: Any) -> Any:  # the class of contexts depends on the version of typer
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as e:
            raise Interrupted("stopped; run the same command again to resume", signal.SIGINT) from e


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# In the order in which `hpcflow --help` lists them.
app.add_typer(stages.app)
app.add_typer(look.app)
app.add_typer(inputs.catalogue_app, name="catalogue", rich_help_panel=inputs.PANEL)
app.add_typer(inputs.app)
app.add_typer(at_site.site_app, name="site", rich_help_panel=at_site.PANEL)
app.add_typer(at_site.app)


def main() -> None:
    """Run a command; turn an error into one sentence and an exit code (1 failure, 2 wrong input, 3 a bug)."""
    _log_to_stderr()
    try:
        _refuse_namesake()
        app()
    except HpcflowError as e:
        sentence = " ".join(str(e).splitlines())  # names from files and configs may hold line breaks
        print(f"hpcflow: {sentence}", file=sys.stderr)
        sys.exit(e.exit_code)
    except Exception as e:
        file = e.filename if isinstance(e, OSError) else None
        if limit := limit_error(e, file or ""):
            print(f"hpcflow: {limit}", file=sys.stderr)
            sys.exit(limit.exit_code)
        # A file that cannot be written is for the user to fix; socket errors are OSErrors too, but name no file.
        if isinstance(e, OSError) and file:
            print(f"hpcflow: {file!s:.300}: {e.strerror}; check the path and the disk", file=sys.stderr)
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
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Infer the posteriors of age, mass and reddening of star clusters from their photometry."""


def _log_to_stderr() -> None:
    """Print hpcflow's messages, and only warnings and errors of the libraries that it uses."""
    logging.raiseExceptions = False  # a full disk is said by what cannot be written, not by every line of the log
    logging.getLogger("distributed.process").setLevel(logging.WARNING)
    log = logging.getLogger("hpcflow")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers[:] = [handler]


def _refuse_namesake() -> None:
    """Raise if another project's package hpcflow is installed too: the two overwrite each other's files."""
    try:
        distribution("hpcflow")
    except PackageNotFoundError:
        return
    raise InputError(
        "another project's package `hpcflow` is installed beside starcluster-hpcflow, in the same folders; "
        "install starcluster-hpcflow into a virtual environment of its own"
    )
