"""How far a stage is: as a bar on a terminal, as plain lines in the log, and in a file for `hpcflow status`."""

import json
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from hpcflow.base.atomic import write_whole

__all__ = ["State", "Track", "log", "log_to", "read_state", "tracked"]

log = logging.getLogger("hpcflow")

LINE_S, LONGEST_S = 15.0, 300.0  # between two plain lines, of which a long stage has fewer
FILE_S = 5.0  # between two writes of the file
BAR_S = 0.2  # between two changes of the bar
PROGRESS = {"progress": True}  # marks the lines that say what a bar shows
WINDOW_S = 10.0  # over which the rate is averaged at least


@dataclass(frozen=True)
class State:
    """How far a stage is.

    >>> print(State(0, 100_000, "rows", running=2, since_s=30.0))
    0 of 100,000 rows, 2 partitions in flight, the first began 30 s ago
    >>> print(State(40_000, 100_000, "rows", rate=800.0, running=2, since_s=12.0))
    40,000 of 100,000 rows, 800/s, 0:01:15 left, 2 in flight

    Args:
        done, total: numbers of units that are finished, and of all.
        unit: what they are, in the plural.
        rate: units per second; 0 before the first is finished.
        running: number of partitions in flight.
        since_s: seconds since the first of these began.
        note: what else there is to say.
    """

    done: int
    total: int
    unit: str
    rate: float = 0.0
    running: int = 0
    since_s: float = 0.0
    note: str = ""

    @property
    def left_s(self) -> float | None:
        """The remaining time at this rate in seconds, None if there is no rate or nothing left."""
        left = self.total - self.done
        return left / self.rate if self.rate and left else None

    def __str__(self) -> str:
        said = [f"{self.done:,} of {self.total:,} {self.unit}"]
        if self.rate:
            said.append(f"{self.rate:,.0f}/s" if self.rate >= 10 else f"{self.rate:.2g}/s")
        if self.left_s is not None:
            said.append(f"{timedelta(seconds=round(self.left_s))} left")
        if self.running and not self.rate:
            many = f"{self.running} partition{'s' * (self.running > 1)} in flight"
            said += [many, f"the first began {self.since_s:.0f} s ago"]
        elif self.running:
            said.append(f"{self.running} in flight")
        return ", ".join([*said, *filter(None, [self.note])])


@dataclass
class _Sink:
    """Where a state is shown: how, how often (by the time that the stage has taken so far), and when next."""

    show: Callable[[State], None]
    pause_s: Callable[[float], float]
    due: float = 0.0


class Track:
    """Counts the finished units of a stage, and shows how far it is every now and then.

    Args:
        total: number of units.
        done: number of units that are done already.
        unit: what they are, in the plural.
        sinks: where to show it.
    """

    def __init__(self, total: int, done: int, unit: str, sinks: Sequence[_Sink]) -> None:
        self.done, self._total, self._unit, self._sinks = done, total, unit, sinks
        self._began = self._last = time.monotonic()
        self._marks = deque([(self._began, done)])  # times, and what was done then
        self._finished = 0  # number of times that something was
        self._running: Sequence[float] = ()
        self._note = ""

    def advance(self, n: int) -> None:
        """Note that n more units are done."""
        self.at(self.done + n)

    def at(self, done: int) -> None:
        """Note how many units are done in all."""
        self.done, self._last = done, time.monotonic()
        self._finished += 1
        self._mark()
        self._show()

    def note(self, text: str) -> None:
        """Add a text to what is shown from now on."""
        self._note = text

    def look(self, running: Sequence[float] = ()) -> None:
        """Note the times at which the partitions in flight began, by `time.monotonic`; call this every second or so."""
        self._running = running
        if running and not self._finished:  # work began then, however long there was no worker
            self._began = self._last = min(running)
            self._marks[0] = (self._began, self.done)
        self._show()

    def end(self) -> None:
        """Show how far the stage has come in the end."""
        self._running = ()
        for sink in self._sinks:
            sink.show(self.state())

    def state(self) -> State:
        """Return how far the stage is now."""
        begun, before = self._marks[0]
        rate = max(0.0, self.done - before) / (self._last - begun) if self._last > begun else 0.0
        if self._finished < len(self._running):  # the others of the first round are nearly done as well
            rate *= len(self._running) / max(1, self._finished)
        since = time.monotonic() - min(self._running) if self._running else 0.0
        return State(self.done, self._total, self._unit, rate, len(self._running), since, self._note)

    def _mark(self) -> None:
        """Keep marks over the later half of the time, in which the rate is averaged."""
        spent = self._last - self._began
        if self._last - self._marks[-1][0] >= spent / 100:
            self._marks.append((self._last, self.done))
        while len(self._marks) > 1 and self._marks[1][0] <= self._last - max(WINDOW_S, spent / 2):
            self._marks.popleft()

    def _show(self) -> None:
        now = time.monotonic()
        due = [sink for sink in self._sinks if now >= sink.due]
        if due:
            state = self.state()
            for sink in due:
                sink.show(state)
                sink.due = now + sink.pause_s(now - self._began)


@contextmanager
def tracked(what: str, total: int, done: int = 0, unit: str = "rows", keep: Path | None = None) -> Iterator[Track]:
    """Yield what counts the units that are done, and shows it where the log is not silent.

    Args:
        what: a verb, e.g. "simulate".
        total: number of units.
        done: number of units that are done already.
        unit: what they are, in the plural.
        keep: file for `hpcflow status`, removed in the end.
    """
    if not log.isEnabledFor(logging.INFO):
        yield Track(total, done, unit, [])
        return
    line = _Sink(lambda s: log.info("%s: %s", what, s, extra=PROGRESS), _line_pause, time.monotonic() + LINE_S)
    with ExitStack() as stack:
        sinks = [line]
        if keep is not None:
            path = keep
            stack.callback(path.unlink, missing_ok=True)
            sinks.append(_Sink(lambda s: _write(path, s), lambda _: FILE_S))
        if Console(stderr=True).is_terminal:
            sinks.append(_Sink(stack.enter_context(_bar(what)), lambda _: BAR_S))
        track = Track(total, done, unit, sinks)
        yield track
        track.end()


def _line_pause(spent_s: float) -> float:
    return min(LONGEST_S, max(LINE_S, spent_s / 20))


@contextmanager
def _bar(what: str) -> Iterator[Callable[[State], None]]:
    """Show a bar, with all other lines of the log above it, and yield what moves it."""
    console = Console(stderr=True)
    name = TextColumn("{task.description:>9}", table_column=Column(no_wrap=True, min_width=9))
    columns = name, BarColumn(), TextColumn("{task.fields[says]}", markup=False)
    above = cast(IO[str], _Above(console))
    # Not those of files, whose lines are the only trace of the progress later on.
    shown = [h for h in log.handlers if isinstance(h, logging.StreamHandler) and h.stream is sys.stderr]
    with Progress(*columns, console=console) as bar, ExitStack() as stack:
        for handler in shown:
            stack.callback(handler.setStream, handler.setStream(above))
            handler.addFilter(_is_no_progress)
            stack.callback(handler.removeFilter, _is_no_progress)
        task = bar.add_task(what, says="")
        yield lambda state: bar.update(task, total=state.total, completed=state.done, says=str(state))


def _is_no_progress(record: logging.LogRecord) -> bool:
    return not hasattr(record, "progress")


class _Above:
    """A stream whose lines appear above a console's bar, not broken, so that paths can be copied."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> None:
        self._console.out(text, end="", highlight=False)

    def flush(self) -> None:
        pass


def _write(path: Path, state: State) -> None:
    with suppress(OSError):  # what matters will meet the same fault, and say so
        write_whole(path, json.dumps(asdict(state)))


def read_state(path: Path) -> State | None:
    """Return the state in a file that a driver keeps, None if there is none."""
    try:
        said: dict[str, Any] = json.loads(path.read_text())
        return State(**said)
    except (OSError, ValueError, TypeError):
        return None


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
