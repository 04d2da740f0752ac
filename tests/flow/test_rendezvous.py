import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.base.errors import InputError
from hpcflow.flow.rendezvous import PORTS, Rendezvous, find_rendezvous, hosts

SRUN = {
    "SLURM_PROCID": "5",
    "SLURM_NTASKS": "8",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_ID": "0",
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_NODELIST": "gpu[08-09]",
    "SLURM_JOB_NODELIST": "gpu[07-10]",
}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node1", ["node1"]),
        ("node[03-05,9]", ["node03", "node04", "node05", "node9"]),
        ("a[1-2],b,c[098-101]", ["a1", "a2", "b", "c098", "c099", "c100", "c101"]),
        ("r[1-2]n[1,3]", ["r1n1", "r1n3", "r2n1", "r2n3"]),
        ("login-1.site,n[7]", ["login-1.site", "n7"]),
        ("", []),
    ],
)
def test_lists_of_hosts(text: str, names: list[str]) -> None:
    assert list(hosts(text)) == names


@given(st.integers(0, 99), st.integers(0, 20), st.integers(1, 4))
def test_a_range_has_all_its_hosts(first: int, more: int, width: int) -> None:
    names = list(hosts(f"n[{first:0{width}d}-{first + more:0{width}d}]"))
    assert names == [f"n{i:0{width}d}" for i in range(first, first + more + 1)]


@pytest.mark.parametrize("text", ["n[1-x]", "n]", "n[a]", "n[1"])
def test_malformed_lists_of_hosts(text: str) -> None:
    with pytest.raises(ValueError):
        list(hosts(text))


def test_srun_meets_at_the_first_host_of_the_step() -> None:
    found = find_rendezvous(SRUN)
    assert found is not None
    assert (found.rank, found.size, found.local, found.beside, found.one_machine) == (5, 8, 1, 4, False)
    host, port = found.method.removeprefix("tcp://").split(":")
    assert host == "gpu08"
    assert int(port) in PORTS
    assert find_rendezvous({**SRUN, "SLURM_PROCID": "0"}).method == found.method  # type: ignore[union-attr]
    assert find_rendezvous({**SRUN, "SLURM_STEP_ID": "1"}).method != found.method  # type: ignore[union-attr]


def test_the_address_of_a_job_comes_before_its_name() -> None:
    found = find_rendezvous({**SRUN, "MASTER_ADDR": "10.0.0.8"})
    assert found is not None
    assert found.method.startswith("tcp://10.0.0.8:")


def test_processors_that_slurm_gave_each_task_are_not_shared_again() -> None:
    assert find_rendezvous({**SRUN, "SLURM_CPUS_PER_TASK": "4"}).beside == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("changed", [{"SLURM_STEP_ID": None}, {"SLURM_PROCID": None}, {"SLURM_NTASKS": "1"}])
def test_a_batch_script_or_one_task_is_alone(changed: dict[str, str | None]) -> None:
    environment = {key: value for key, value in {**SRUN, **changed}.items() if value is not None}
    assert find_rendezvous(environment) is None
    assert find_rendezvous({}) is None


def test_torchrun_and_the_launcher_come_before_srun() -> None:
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "x"}
    assert find_rendezvous({**SRUN, **torchrun}) == Rendezvous(3, 4, 1, 2, "env://", one_machine=False)
    launcher = {"HPCFLOW_RANK": "1", "HPCFLOW_RANKS": "2", "HPCFLOW_RENDEZVOUS": "/x/y"}
    expected = Rendezvous(1, 2, 1, 2, "file:///x/y", one_machine=True)
    assert find_rendezvous({**SRUN, **torchrun, **launcher}) == expected


@pytest.mark.parametrize(
    "environment", [{"HPCFLOW_RANK": "0"}, {**SRUN, "SLURM_PROCID": "x"}, {**SRUN, "SLURM_STEP_NODELIST": "n[1"}]
)
def test_an_incomplete_environment_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(InputError, match="environment"):
        find_rendezvous(environment)
