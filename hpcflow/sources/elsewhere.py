"""A simulator that lives in a process of another Python interpreter, with an environment of its own.

One child per simulator, started when it is built. It answers in blocks of rows, so that when it dies (a crash in
a library, the kernel short of memory) it is known which rows it was on. Those are tried again one by one in a new
child, and a row that kills two more children is NaN.
"""

import subprocess
import tempfile
import weakref
from collections import Counter
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.sources.pipe import Pipe

__all__ = ["Manners", "SimulatorElsewhere"]

Floats = NDArray[np.floating]

TRIES = 2  # of a row by itself, after the block that it was in has failed

BEGINNING_S = 600.0  # for a child to begin; it may read large tables


@dataclass(frozen=True)
class Manners:
    """How a child is spoken to.

    Args:
        program: what the interpreter runs: a file, or `-m` and a module.
        block: rows per answer, which are in doubt when the child dies.
        patience_s: for one block; a child that is silent for longer hangs.
        deaths: of children in one call; more than this is no matter of single rows.
        remedy: what to do if it cannot start.
    """

    program: tuple[str, ...]
    block: int = 64
    patience_s: float = 600.0
    deaths: int = 50
    remedy: str = "correct simulate.python"


class _DiedError(Exception):
    """The child is gone, with what it said last."""


class SimulatorElsewhere:
    """Speak to a simulator in a child process of another interpreter; like every other simulator from outside.

    A child that has died is replaced; `child` is the process that simulates now.

    Args:
        python: the interpreter.
        options: what the child builds its simulator from, plain values.
        manners: what it runs, and how it is spoken to.

    Raises:
        InputError: if the child cannot start or refuses the options.
    """

    def __init__(self, python: str, options: dict[str, Any], manners: Manners) -> None:
        self._python, self._options, self._manners = python, options, manners
        self.reasons: Counter[str] = Counter()
        try:
            hello = self._start()
        except (_DiedError, OSError) as e:
            raise InputError(f"{python} cannot run the simulator ({e}); {manners.remedy}") from e
        self.parameters: tuple[str, ...] = tuple(hello["parameters"])
        self.bands: tuple[str, ...] = tuple(hello["bands"])
        self.provenance: dict[str, str] = hello["provenance"]

    def __call__(self, theta: Floats) -> Floats:
        """Return fluxes (N, B) of the rows of theta (N, D), in float64.

        Raises:
            RuntimeError: if one child after the other dies.
        """
        theta = np.asarray(theta, dtype=np.float64)
        self.reasons = Counter()
        flux = np.full((len(theta), len(self.bands)), np.nan)
        todo, deaths = np.arange(len(theta)), 0
        while len(todo):
            left, suspects, reason = self._ask(theta, todo, flux)
            todo = left
            if not reason:
                break
            deaths += 1
            todo = np.setdiff1d(todo, suspects)
            for row in suspects:
                for _ in range(TRIES):
                    alone, _, reason = self._ask(theta, np.array([row]), flux)
                    if not len(alone):
                        break
                    deaths += 1
                else:
                    self.reasons[f"it ended the simulator's process ({reason})"] += 1
                if deaths > self._manners.deaths:
                    raise RuntimeError(f"{self._python} died {deaths} times on {len(theta)} rows, last: {reason}")
        return flux

    def close(self) -> None:
        """End the child."""
        self._end()

    def _ask(
        self, theta: Floats, rows: NDArray[np.intp], flux: Floats
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], str]:
        """Fill in flux for some rows; return those not done, those being done when the child died, and why it did."""
        order, done = rows, 0
        try:
            if self.child.poll() is not None:
                self._end()
                self._start()
            self._pipe.send({"block": self._manners.block}, theta[rows])
            header, _ = self._pipe.receive(self._manners.patience_s)
            order = rows[np.array(header["order"], dtype=np.intp)]
            while done < len(order):
                header, block = self._pipe.receive(self._manners.patience_s)
                if "refused" in header:
                    raise InputError(header["refused"])
                assert block is not None
                flux[order[done : done + len(block)]] = block
                self.reasons.update(header["reasons"])
                done += len(block)
        except (EOFError, TimeoutError) as e:
            return order[done:], order[done : done + self._manners.block], self._last_words(str(e))
        except _DiedError as e:
            return order, order[: self._manners.block], str(e)
        return order[:0], order[:0], ""

    def _start(self) -> dict[str, Any]:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
        command, pipe = [self._python, *self._manners.program], subprocess.PIPE
        try:
            child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._said, bufsize=0)
        except OSError:
            self._said.close()
            raise
        assert child.stdin
        assert child.stdout
        self.child, self._pipe = child, Pipe(child.stdout.fileno(), child.stdin.fileno())
        self._end = weakref.finalize(self, _end, child, self._said)
        try:
            self._pipe.send(self._options)
            hello, _ = self._pipe.receive(BEGINNING_S)
        except (EOFError, TimeoutError) as e:
            raise _DiedError(self._last_words(str(e))) from e
        if "refused" in hello:
            self._end()
            raise InputError(hello["refused"])
        return hello

    def _last_words(self, otherwise: str) -> str:
        """End the child, and return the last line it said and how it ended."""
        self._said.seek(0)
        lines = self._said.read()[-2000:].decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), otherwise)
        self.child.kill()
        code = self.child.wait()
        self._end()
        return f"{said:.200}; exit {code}"


def _end(child: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
    """Close the child's pipes, which ends it; kill it if that does not."""
    for stream in (child.stdin, child.stdout, said):
        if stream:
            stream.close()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
