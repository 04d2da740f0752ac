"""Being asked to stop, by a person or a scheduler."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["STOPPING", "stop_requests"]

STOPPING = (signal.SIGTERM, signal.SIGUSR1)  # what schedulers send some time before they kill


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Give a list that the number of every stopping signal is added to; only a main thread can be asked."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = [(number, signal.signal(number, note)) for number in STOPPING]
    try:
        yield asked
    finally:
        for number, handler in before:
            signal.signal(number, handler)
