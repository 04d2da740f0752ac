"""The loop over partitions: all are processed, failures are set aside, and a dying worker loses nothing."""

import errno
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hpcflow.base.errors import InputError, Interrupted, LimitError
from hpcflow.base.partitions import Partition, partitions
from hpcflow.compute import dispatch
from hpcflow.compute.dispatch import map_partitions
from hpcflow.compute.local import default_workers, local_workers
from hpcflow.compute.where import InProcess
from hpcflow.compute.workers import DEATHS, Workers


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with local_workers(2, tmp_path_factory.mktemp("run"), "test") as workers:
        yield workers


@pytest.fixture(params=["workers", "this process"])
def either(request: pytest.FixtureRequest) -> Workers | InProcess:
    """Yield workers, then this process in their place, because results must not depend on the choice."""
    return InProcess() if request.param == InProcess.name else request.getfixturevalue("workers")


def task(folder: str, partition: Partition) -> None:
    """Fail, die or write a file, as files in the folder ask for."""
    here = Path(folder)
    if (here / f"poison-{partition.index}").exists():
        raise ValueError(f"row {partition.start} is poison")
    if (here / f"killer-{partition.index}").exists():
        with (here / "deaths").open("a") as file:
            file.write(f"{partition.index}\n")
        os._exit(9)
    tripping = here / f"trip-{partition.index}"
    if tripping.exists():
        tripping.unlink()
        raise RuntimeError(f"partition {partition.index} tripped")
    dying = here / f"die-{partition.index}"
    if dying.exists():
        dying.unlink()
        os._exit(9)
    (here / f"done-{partition.index}").write_text(str(len(partition)))


def written(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in folder.glob("done-*"))


def test_all_partitions_are_done_and_counted(either: Workers | InProcess, tmp_path: Path) -> None:
    seen: list[int] = []
    failed = map_partitions(either, task, str(tmp_path), partitions(95, 3), lambda p: seen.append(p.index))
    assert failed == {}
    assert sorted(seen) == written(tmp_path) == list(range(32))


def test_failures_are_set_aside_with_their_reasons(either: Workers | InProcess, tmp_path: Path) -> None:
    for index in (3, 7):
        (tmp_path / f"poison-{index}").touch()
    seen: list[int] = []
    failed = map_partitions(either, task, str(tmp_path), partitions(30, 3), lambda p: seen.append(p.index))
    assert [p.index for p in failed] == [3, 7]
    assert "row 9 is poison" in failed[Partition(3, 9, 12)]
    assert sorted(seen) == written(tmp_path) == [0, 1, 2, 4, 5, 6, 8, 9]


def test_a_partition_that_fails_once_succeeds_on_the_next_try(either: Workers | InProcess, tmp_path: Path) -> None:
    (tmp_path / "trip-2").touch()
    assert map_partitions(either, task, str(tmp_path), partitions(12, 3), lambda _: None) == {}
    assert written(tmp_path) == [0, 1, 2, 3]
    (tmp_path / "trip-2").touch()
    failed = map_partitions(either, task, str(tmp_path), partitions(12, 3), lambda _: None, retries=0)
    assert failed == {Partition(2, 6, 9): "RuntimeError: partition 2 tripped"}


def test_this_process_takes_partitions_in_order(tmp_path: Path) -> None:
    seen: list[int] = []
    map_partitions(InProcess(), task, str(tmp_path), partitions(30, 3), lambda p: seen.append(p.index))
    assert seen == list(range(10))


def test_a_killed_worker_is_replaced_and_its_partition_done_again(workers: Workers, tmp_path: Path) -> None:
    (tmp_path / "die-4").touch()
    failed = map_partitions(workers, task, str(tmp_path), partitions(24, 3), lambda _: None)
    assert failed == {}
    assert written(tmp_path) == list(range(8))


def test_only_a_partition_that_kills_its_workers_is_set_aside(workers: Workers, tmp_path: Path) -> None:
    (tmp_path / "killer-5").touch()
    failed = map_partitions(workers, task, str(tmp_path), partitions(24, 3), lambda _: None)
    assert [p.index for p in failed] == [5]
    assert "6 workers died with it, 3 of them while doing nothing else" in failed[Partition(5, 15, 18)]
    assert written(tmp_path) == [0, 1, 2, 3, 4, 6, 7]
    assert (tmp_path / "deaths").read_text().split() == ["5"] * (2 * DEATHS)


def test_workers_that_die_of_everything_are_given_up(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "SUSPECTS", 2)
    for index in range(50):
        (tmp_path / f"killer-{index}").touch()
    with pytest.raises(InputError, match=r"workers died with 4 partitions in a row, 3 with each, and finished none"):
        map_partitions(workers, task, str(tmp_path), partitions(50, 1), lambda _: None)
    deaths = Counter((tmp_path / "deaths").read_text().split())
    assert max(deaths.values()) <= 3
    # Whatever chance does, no more are dealt than those in flight at first, and one for each verdict before the last.
    assert max(map(int, deaths)) < dispatch.AHEAD * 2 + 3


def test_partitions_beside_one_that_kills_workers_are_not_blamed(workers: Workers, tmp_path: Path) -> None:
    """Few partitions are dealt to the workers at once, so that some of them wait on the worker that dies."""
    (tmp_path / "killer-0").touch()
    failed = map_partitions(workers, task, str(tmp_path), partitions(9, 3), lambda _: None)
    assert [p.index for p in failed] == [0]
    assert written(tmp_path) == [1, 2]


def test_an_exception_of_the_check_ends_the_loop(either: Workers | InProcess, tmp_path: Path) -> None:
    seen: list[Partition] = []

    def check() -> None:
        if len(seen) > 3:
            raise Interrupted("enough", signal.SIGTERM)

    with pytest.raises(Interrupted, match="enough"):
        map_partitions(either, task, str(tmp_path), partitions(3000, 1), seen.append, check=check)
    assert len(seen) < 3000


def test_nothing_listens_off_loopback(workers: Workers) -> None:
    workers.client.wait_for_workers(2, timeout=30)
    here = psutil.Process()
    listening = [
        connection.laddr.ip
        for process in [here, *here.children(recursive=True)]
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3  # the scheduler and two workers
    assert all(ip == "127.0.0.1" for ip in listening), listening


def test_there_is_at_least_one_processor() -> None:
    assert default_workers() >= 1


def full(folder: str, partition: Partition) -> None:
    """Find the disk full, except for the first partition."""
    if partition.index:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    (Path(folder) / "done-0").write_text("")


def test_a_full_disk_ends_the_loop_at_once(either: Workers | InProcess, tmp_path: Path) -> None:
    with pytest.raises(LimitError, match=f"{tmp_path}: No space left on device: make room, then run the same command"):
        map_partitions(either, full, str(tmp_path), partitions(3000, 3), lambda _: None)


def test_the_drivers_memory_does_not_grow_with_the_partitions(workers: Workers, tmp_path: Path) -> None:
    process = psutil.Process()
    todo, seen = partitions(20_000, 10), []
    sizes: list[int] = []

    def done(partition: Partition) -> None:
        seen.append(partition.index)
        if len(seen) % 200 == 0:
            sizes.append(process.memory_info().rss)

    assert map_partitions(workers, nothing, str(tmp_path), todo, done) == {}
    assert len(seen) == 2000
    assert sizes[-1] - sizes[1] < 20 * 2**20


def nothing(folder: str, partition: Partition) -> None:
    """Do nothing, so that only the loop itself uses memory."""


def test_a_driver_that_loses_its_scheduler_for_a_moment_submits_again(workers: Workers, tmp_path: Path) -> None:
    """As after a suspension: the client gives up all that it has submitted, and comes back."""
    done: list[int] = []

    def lose_it_once(partition: Partition) -> None:
        done.append(partition.index)
        if len(done) == 5:
            workers.client.loop.add_callback(workers.client.scheduler_comm.comm.abort)

    assert map_partitions(workers, task, str(tmp_path), partitions(400, 2), lose_it_once) == {}
    assert sorted(done) == list(range(200))
    assert written(tmp_path) == list(range(200))
