"""Ranks that meet as under srun: at the address that the job says, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpcflow.flow.distributed import roll_call

ROOT = Path(__file__).parents[2]
SCRIPT = """
import psutil
from hpcflow.flow.distributed import join_ranks
with join_ranks() as ranks:
    listening = {c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN}
    print(ranks.rank, ranks.size, *sorted(listening))
    ranks.barrier()
"""


def start(rank: int) -> "subprocess.Popen[str]":
    srun = {
        "SLURM_PROCID": str(rank), "SLURM_LOCALID": "0", "SLURM_NTASKS": "2", "SLURM_CPUS_PER_TASK": "1",
        "SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_ID": "0", "SLURM_STEP_NODELIST": "nowhere[1-2]",
        "MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.Popen(command, env=os.environ | srun, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_ranks_of_nodes_without_a_name_meet_on_one_interface() -> None:
    said = [process.communicate(timeout=300) for process in [start(0), start(1)]]
    assert [out.split() for out, _ in said] == [["0", "2", "127.0.0.1"], ["1", "2", "127.0.0.1"]], said


def test_one_process_answers_for_itself() -> None:
    found = roll_call()
    assert found is not None
    assert found[0] == 1
