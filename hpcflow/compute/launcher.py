"""The launcher behind `--ranks`: several processes of one command on this machine, which meet through a file."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import gettempdir
from types import FrameType

from hpcflow.base.atomic import own_folder

__all__ = ["follow_launcher", "launch", "launched"]

FORWARDED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
GRACE_S = 10.0  # for the others to end by themselves after one has failed, and again after SIGTERM
POLL_S = 0.05


def launched() -> bool:
    """Return whether this process is already one of several, whichever program started them."""
    return any(name in os.environ for name in ("HPCFLOW_RANK", "RANK"))


def follow_launcher() -> None:
    """Make this process stop when its launcher is gone, however that ended; do nothing without a launcher."""

    def follow() -> None:
        os.read(0, 1)  # returns when the other end of the pipe is closed
        os.kill(os.getpid(), signal.SIGTERM)

    if "HPCFLOW_RANK" in os.environ:
        threading.Thread(target=follow, daemon=True).start()


def launch(command: Sequence[str], ranks: int) -> int:
    """Run several processes of a command until all have ended; if one fails, end the others.

    The output of rank 0 is shown as it comes; of the others, only the errors of the one that failed.

    Args:
        command: command of each process.
        ranks: number of processes.

    Returns:
        0 if all succeeded, otherwise the exit code of the one that failed first; 128 + n if signal n killed it.
    """
    with own_folder(Path(gettempdir()) / f"hpcflow-ranks-{os.getuid()}") as folder:
        processes, asked = list[subprocess.Popen[bytes]](), list[int]()

        def forward(number: int, frame: FrameType | None) -> None:
            asked.append(number)
            for process in processes:
                process.send_signal(number)  # does nothing to a process that has ended

        before = [(number, signal.signal(number, forward)) for number in FORWARDED]
        try:
            for rank in range(ranks):
                processes.append(_start(command, rank, ranks, folder))
                for number in asked:
                    processes[-1].send_signal(number)
            failed = _wait(processes)
        finally:
            for process in processes:
                process.kill()
                process.communicate()
            for number, handler in before:
                signal.signal(number, handler)
        return 0 if failed is None else _say(failed, processes[failed].returncode, folder)


def _say(rank: int, code: int, folder: Path) -> int:
    """Show the errors of the failed rank unless they have been shown, and return the exit code."""
    if rank:
        print(_errors(folder, rank).read_text(errors="replace"), end="", file=sys.stderr)
    if code > 0:
        return code
    ended = f"rank {rank} was killed by {signal.Signals(-code).name}"
    print(f"hpcflow: {ended}; run the same command again to resume", file=sys.stderr)
    return 128 - code


def _start(command: Sequence[str], rank: int, ranks: int, folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "HPCFLOW_RANK": str(rank),
        "HPCFLOW_RANKS": str(ranks),
        "HPCFLOW_RENDEZVOUS": str(folder / "rendezvous"),
    }
    # Each has its own process group, so that Ctrl-C reaches it once, from here, and not twice.
    with _errors(folder, rank).open("wb") as errors:
        return subprocess.Popen(
            command,
            env=environment,
            process_group=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if rank else None,
            stderr=errors if rank else None,
        )


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Wait until all have ended, ending them if one has failed, and return the rank that failed."""
    failed: int | None = None
    since, asked = 0.0, False
    while any(process.poll() is None for process in processes):
        if failed is None:
            since = time.monotonic()
        elif time.monotonic() - since > GRACE_S:
            if asked:
                break
            asked, since = True, time.monotonic()
            for process in processes:
                process.terminate()
        time.sleep(POLL_S)
        if not asked:
            failed = _cause(processes)
    return failed if asked else _cause(processes)


def _cause(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Return the rank whose failure ended the others, None while none has failed.

    A rank that a signal or a bug ended comes before those that lost it; if all failed alike, it is rank 0.
    """
    failed = [(process.returncode > 0, -process.returncode, i) for i, process in enumerate(processes) if process.poll()]
    return min(failed)[2] if failed else None


def _errors(folder: Path, rank: int) -> Path:
    return folder / f"rank{rank}.err"
