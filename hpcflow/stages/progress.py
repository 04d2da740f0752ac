"""Show progress: as a bar on a terminal, as plain lines elsewhere."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["log", "log_to", "tracked"]

log = logging.getLogger("hpcflow")
EVERY_S = 15.0  # time between two plain lines


@contextmanager
def tracked(what: str, total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
    """Yield a function `advance(n, note)` that shows that n more units are done.

    Args:
        what: a verb, e.g. "simulate".
        total: number of units.
        done: number of units that are done already.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description:>9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(what, total=total, completed=done, note="")

            def move(n: int, note: str = "") -> None:
                bar.update(task, advance=n, note=note)

            yield move
        return
    state = {"done": done, "last": time.monotonic()}

    def advance(n: int, note: str = "") -> None:
        state["done"] += n
        if time.monotonic() - state["last"] >= EVERY_S or state["done"] >= total:
            state["last"] = time.monotonic()
            log.info("%s: %d of %d %s", what, state["done"], total, note)

    yield advance


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Write the log to a file of the run as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
