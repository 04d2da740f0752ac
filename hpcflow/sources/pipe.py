r"""Messages of plain values and one array over a pipe: a JSON line, then the array's bytes. Nothing is unpickled.

    {"rows": ..., "shape": [2, 3]}\\n  2 * 3 little-endian float64

Both ends of `sources.elsewhere` speak this; it needs numpy only.
"""

import json
import os
import select
import time
from collections import Counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pipe", "Served", "serve"]

Floats = NDArray[np.floating]

LONGEST = 64 * 2**20  # bytes of a JSON line; whatever is longer is not ours


class Pipe:
    """Two file descriptors to read from and write to."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._waiting = bytearray()

    def send(self, header: dict[str, Any], array: Floats | None = None) -> None:
        """Send plain values, and an array of float64 if there is one.

        Raises:
            EOFError: if nobody reads any more.
        """
        body = b""
        if array is not None:
            header = {**header, "shape": array.shape}
            body = np.ascontiguousarray(array, dtype="<f8").tobytes()
        data = memoryview(json.dumps(header).encode() + b"\n" + body)
        try:
            while data:
                data = data[os.write(self._writes, data) :]
        except BrokenPipeError as e:
            raise EOFError("nobody reads any more") from e

    def receive(self, patience_s: float | None = None) -> tuple[dict[str, Any], Floats | None]:
        """Return the next message, and its array or None.

        Args:
            patience_s: how long to wait for the whole of it; None for ever.

        Raises:
            EOFError: if the other end is gone.
            TimeoutError: if it says nothing in time.
        """
        until = None if patience_s is None else time.monotonic() + patience_s
        while (end := self._waiting.find(b"\n")) < 0:
            if len(self._waiting) > LONGEST:
                raise EOFError("the other end speaks another language")
            self._read(until)
        try:
            header = json.loads(self._waiting[:end])
        except ValueError as e:
            raise EOFError("the other end speaks another language") from e
        del self._waiting[: end + 1]
        if "shape" not in header:
            return header, None
        shape = header.pop("shape")
        size = 8 * int(np.prod(shape))
        while len(self._waiting) < size:
            self._read(until)
        array = np.frombuffer(bytes(self._waiting[:size]), dtype="<f8").reshape(shape)
        del self._waiting[:size]
        return header, array

    def _read(self, until: float | None) -> None:
        if until is not None and not select.select([self._reads], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError("no answer in time")
        piece = os.read(self._reads, 1 << 20)
        if not piece:
            raise EOFError("the other end is gone")
        self._waiting += piece


class Served(Protocol):
    """A simulator that rows are asked of in an order of its own."""

    parameters: tuple[str, ...]
    bands: tuple[str, ...]
    provenance: dict[str, str]
    reasons: Counter[str]

    def order(self, theta: Floats) -> NDArray[np.intp]:
        """Return the order (N,) in which rows of theta (N, D) are best simulated."""
        ...

    def __call__(self, theta: Floats) -> Floats:
        """Return fluxes (N, B) for theta (N, D)."""
        ...


def serve(pipe: Pipe, simulator: Served) -> None:
    """Say what a simulator is, then simulate the rows of every message, until there are no more."""
    pipe.send({"parameters": simulator.parameters, "bands": simulator.bands, "provenance": simulator.provenance})
    while True:
        try:
            request, theta = pipe.receive()
        except EOFError:
            return
        if theta is None:
            return
        order = simulator.order(theta)
        step = request["block"]
        pipe.send({"order": order.tolist()})
        for start in range(0, len(order), step):
            flux = simulator(theta[order[start : start + step]])
            pipe.send({"reasons": dict(simulator.reasons)}, flux)
