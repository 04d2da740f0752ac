"""Signals that ask a process to stop, sent by a person or a scheduler."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["STOPPING", "stop_requests"]

STOPPING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)  # schedulers send the first two before they kill


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Give a list that collects the numbers of stopping signals; only the main thread can receive them.

    Raises:
        KeyboardInterrupt: at the second Ctrl-C, of somebody who does not want to wait.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = [(number, signal.signal(number, note)) for number in STOPPING]
    try:
        yield asked
    finally:
        for number, handler in before:
            signal.signal(number, handler)
