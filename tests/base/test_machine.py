"""Limits of the machine are recognised in whatever words they come, and bugs are not taken for them."""

import errno
import os
import resource

import pytest

from hpcflow.base.machine import limit_error, limit_of

TORCH = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
NO_MEMORY = [
    MemoryError(),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    RuntimeError(TORCH),
    RuntimeError("std::bad_alloc"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
]
NO_THREAD = [RuntimeError("can't start new thread"), BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))]


def allow(monkeypatch: pytest.MonkeyPatch, kind: int, most: int) -> None:
    """Pretend that one limit is set, and no other."""
    free = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda k: (most, most) if k == kind else (free, free))


@pytest.mark.parametrize("error", [*NO_MEMORY, *NO_THREAD], ids=str)
def test_a_limited_address_space_is_to_blame(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    allow(monkeypatch, resource.RLIMIT_AS, 2 * 10**9)
    assert str(limit_of(error)).endswith(": `ulimit -v` allows 2 GB of memory; raise it")


@pytest.mark.parametrize("error", NO_MEMORY, ids=str)
def test_without_a_limit_it_is_the_machines_memory(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    allow(monkeypatch, resource.RLIMIT_NOFILE, 32)
    assert limit_of(error) == "Cannot allocate memory: give it more memory, or fewer workers"


@pytest.mark.parametrize("error", NO_THREAD, ids=str)
def test_a_thread_may_be_one_process_too_many(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    allow(monkeypatch, resource.RLIMIT_NPROC, 100)
    assert str(limit_of(error)).endswith(": `ulimit -u` allows 100 processes; raise it")


def test_the_limit_is_found_behind_other_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, resource.RLIMIT_NOFILE, 32)
    try:
        try:
            raise OSError(errno.EMFILE, "Too many open files")
        except OSError:
            raise AssertionError("a status that is not expected")  # noqa: B904  # as it comes
    except AssertionError as e:
        error = RuntimeError("Nanny failed to start.")
        error.__cause__ = e
    assert limit_of(error) == "Too many open files: `ulimit -n` allows 32 open files; raise it"


def test_the_memory_of_a_gpu_is_not_the_machines() -> None:
    error = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB")
    assert limit_of(error) == "CUDA out of memory: lower train.batch or train.resident_gb"


def test_a_library_in_rust_names_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, resource.RLIMIT_FSIZE, 10**6)
    error = limit_error(RuntimeError("I/O error: File too large (os error 27)"), "run/flow")
    assert str(error) == (
        "run/flow: File too large: `ulimit -f` allows 1 MB in a file; raise it, then run the same command again; "
        "finished work is kept"
    )


@pytest.mark.parametrize("error", [ValueError("a bug"), FileNotFoundError(errno.ENOENT, "no", "x"), TimeoutError("t")])
def test_other_errors_are_about_no_limit(error: Exception) -> None:
    assert limit_of(error) is None
    assert limit_error(error) is None
