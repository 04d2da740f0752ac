"""A simulator that lives in a process of another Python interpreter, with an environment of its own.

One child per simulator, started when it is built. It answers in blocks of rows, so that when it dies (a crash in
a library, the kernel short of memory) it is known which rows it was on. Those are tried again one by one in a new
child, and a row that kills two more children is NaN.
"""

import subprocess
import tempfile
import weakref
from collections import Counter
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hpcflow.base.errors import InputError
from hpcflow.sources.cluster.pipe import Pipe

__all__ = ["SimulatorElsewhere"]

Floats = NDArray[np.floating]

WORKER = Path(__file__).with_name("cigale_worker.py")
BLOCK = 64  # rows per answer; what is in doubt when the child dies
TRIES = 2  # of a row by itself, after the block that it was in has failed
PATIENCE_S = 600.0  # for one block; a child that is silent for longer hangs
DEATHS = 50  # in one call; more than this is no matter of single rows


class _DiedError(Exception):
    """The child is gone, with what it said last."""


class SimulatorElsewhere:
    """Speak to a simulator in a child process of another interpreter; like every other simulator from outside.

    A child that has died is replaced; `child` is the process that simulates now.

    Args:
        python: the interpreter.
        options: what the child builds its simulator from, plain values.

    Raises:
        InputError: if the child cannot start or refuses the options.
    """

    def __init__(self, python: str, options: dict[str, Any]) -> None:
        self._python, self._options = python, options
        self.reasons: Counter[str] = Counter()
        try:
            hello = self._start()
        except (_DiedError, OSError) as e:
            raise InputError(f"simulate.python: {python} cannot run the simulator ({e}); see docs/cigale.md") from e
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
                if deaths > DEATHS:
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
            self._pipe.send({"block": BLOCK}, theta[rows])
            header, _ = self._pipe.receive(PATIENCE_S)
            order = rows[np.array(header["order"], dtype=np.intp)]
            while done < len(order):
                header, block = self._pipe.receive(PATIENCE_S)
                assert block is not None
                flux[order[done : done + len(block)]] = block
                self.reasons.update(header["reasons"])
                done += len(block)
        except (EOFError, TimeoutError) as e:
            return order[done:], order[done : done + BLOCK], self._last_words(str(e))
        except _DiedError as e:
            return order, order[:BLOCK], str(e)
        return order[:0], order[:0], ""

    def _start(self) -> dict[str, Any]:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
        command, pipe = [self._python, str(WORKER)], subprocess.PIPE
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
            hello, _ = self._pipe.receive(PATIENCE_S)
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
