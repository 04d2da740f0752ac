"""Training in several real processes, started by hpcflow's launcher or as under srun."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from hpcflow.base.errors import InputError
from hpcflow.compute.launcher import launch
from hpcflow.flow.distributed import ALONE, Ranks, join_ranks, roll_call

SCRIPT = Path(__file__).parent / "train_in_ranks.py"
ROOT = Path(__file__).parents[2]
MEETING = """
import psutil
from hpcflow.flow.distributed import join_ranks
with join_ranks() as ranks:
    listening = {c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN}
    print(ranks.rank, ranks.size, *sorted(listening))
    ranks.barrier()
"""
LONELY = """
from datetime import timedelta
from hpcflow.base.errors import LostRankError
from hpcflow.flow import distributed
distributed.MEET = timedelta(seconds=2)
try:
    with distributed.join_ranks():
        print("nobody was missed")
except LostRankError as e:
    print(e)
"""
STOPS = (1, 4, 7, 8, 10, 13, 15, 16, 19, 22)  # one before each check


def trained(folder: Path, ranks: int, *stops: int) -> Path:
    assert launch([sys.executable, str(SCRIPT), str(folder), *map(str, stops)], ranks) == 0
    return folder


def weights(folder: Path, name: str, rank: int = 0) -> dict[str, Tensor]:
    return load_file(folder / f"{name}.{rank}.safetensors")


def said(folder: Path, name: str, rank: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.{rank}.json").read_text())
    return found


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("alone"), 1)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
def test_several_ranks_learn_the_same_as_one(tmp_path: Path, alone: Path, ranks: int) -> None:
    stops = STOPS if ranks == 2 else ()
    trained(tmp_path, ranks, *stops)
    one, many = weights(alone, "undisturbed"), weights(tmp_path, "undisturbed")
    for name in one:
        # 30 steps of 3e-3 move a weight by up to 0.1; the order of rounding moves it by far less
        torch.testing.assert_close(many[name], one[name], rtol=1e-3, atol=1e-4, msg=name)
    assert all(same(many, weights(tmp_path, "undisturbed", rank)) for rank in range(ranks))
    histories = [said(folder, "undisturbed")["history"] for folder in (alone, tmp_path)]
    assert len(histories[0]) == 5
    for here, there in zip(*histories, strict=True):
        assert here == pytest.approx(there, rel=1e-5)
    if stops:
        assert said(tmp_path, "stopped")["stopped"] == len(STOPS)
        assert same(weights(tmp_path, "stopped"), many)
        assert said(tmp_path, "stopped")["history"] == histories[1]


@pytest.mark.slow
def test_ranks_of_slow_steps_notice_a_signal_within_seconds(tmp_path: Path) -> None:
    trained(tmp_path, 2, 0)
    said = [(tmp_path / f"said.{rank}").read_text() for rank in range(2)]
    assert said[0] == said[1]
    found = re.match(r"training was stopped at step (\d+) of 100 by SIGTERM", said[0])
    assert found
    assert 10 <= int(found[1]) <= 14  # steps take half a second


def test_one_process_needs_no_group() -> None:
    with join_ranks() as ranks:
        assert ranks.lead
        assert ranks.size == 1
        assert not torch.distributed.is_initialized()
    module = torch.nn.Linear(2, 1)
    assert ALONE.wrap(module) is module
    assert ALONE.any(True)
    assert not ALONE.any(False)
    assert ALONE.sum(torch.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_a_failure_of_an_action_on_rank_0_is_raised() -> None:
    def fail() -> None:
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        ALONE.alone(fail)


def test_threads_are_shared_among_processes() -> None:
    assert [Ranks(beside=n).threads(8) for n in (1, 2, 3, 16)] == [8, 4, 2, 1]


def start(rank: int, script: str = MEETING, **other: str) -> "subprocess.Popen[str]":
    srun = {
        "SLURM_PROCID": str(rank), "SLURM_LOCALID": "0", "SLURM_NTASKS": "2", "SLURM_CPUS_PER_TASK": "1",
        "SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_ID": "0", "SLURM_STEP_NODELIST": "nowhere[1-2]",
        "MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-c", script]
    return subprocess.Popen(
        command, env=os.environ | srun | other, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("first", ["127.0.0.1", "[::1]"])
def test_ranks_on_nodes_without_a_name_meet_on_one_interface(first: str) -> None:
    ranks = [start(rank, MASTER_ADDR=first) for rank in range(2)]
    said = [process.communicate(timeout=300) for process in ranks]
    lead = {"127.0.0.1", first.strip("[]")}  # rank 0 listens for the meeting, and all listen for the training
    assert [out.split() for out, _ in said] == [["0", "2", *sorted(lead)], ["1", "2", "127.0.0.1"]], said


def test_a_rank_without_the_interface_says_so() -> None:
    said = start(1, MEETING, GLOO_SOCKET_IFNAME="ib7").communicate(timeout=60)[1].splitlines()[-1]
    assert "has no network interface ib7; it has " in said


@pytest.mark.parametrize(
    ("rank", "says"),
    [(0, "of 2 ranks these did not come to rank 0 within 2 s: 1; see"), (1, "rank 1 does not reach rank 0 at tcp://")],
)
def test_a_rank_whose_fellow_does_not_come_says_so(rank: int, says: str) -> None:
    assert says in start(rank, LONELY).communicate(timeout=60)[0]


def test_a_single_process_counts_itself() -> None:
    found = roll_call()
    assert found is not None
    assert found[0] == 1
