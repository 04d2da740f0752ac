"""The certificate of a stage, which only its own processes may use."""

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from distributed import Client, LocalCluster, Security

from hpcflow.base.errors import InputError
from hpcflow.compute.tls import private_folder, run_certificate


def test_only_the_owner_can_read_the_folder_and_it_is_removed(tmp_path: Path) -> None:
    with private_folder(tmp_path / "run", "infer") as folder:
        run_certificate(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert modes["key.pem"] == modes["certificate.pem"] == 0o600
        assert folder.parent == tmp_path / "run"
    assert not folder.exists()


def test_the_folder_of_a_killed_driver_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".infer-workers"
    left.mkdir()
    (left / "key.pem").write_text("of a dead one")
    with private_folder(tmp_path, "infer") as folder:
        assert not left.exists()
        assert folder.name.startswith(".infer-workers-")
        assert list(folder.iterdir()) == []


def test_no_two_drivers_have_folders_of_the_same_name(tmp_path: Path) -> None:
    names = set[str]()
    for _ in range(3):
        with private_folder(tmp_path, "infer") as folder:
            names.add(folder.name)
    assert len(names) == 3


def test_a_second_driver_of_a_stage_is_refused(tmp_path: Path) -> None:
    with private_folder(tmp_path, "infer"), private_folder(tmp_path, "validate"):
        with pytest.raises(InputError, match="another `hpcflow infer` is running"), private_folder(tmp_path, "infer"):
            pass
        assert len(list(tmp_path.glob(".infer-workers-*"))) == 1


def test_the_configuration_names_files_and_holds_no_key(tmp_path: Path) -> None:
    security = run_certificate(tmp_path)
    text = (tmp_path / "dask.json").read_text()
    assert "BEGIN" not in text
    comm = json.loads(text)["distributed"]["comm"]
    assert comm["require-encryption"] is True
    assert comm["tls"]["worker"]["key"] == security.get_tls_config_for_role("worker")["key"]


def test_the_certificate_is_valid_on_a_node_whose_clock_is_hours_off(tmp_path: Path) -> None:
    run_certificate(tmp_path)
    made = x509.load_pem_x509_certificate((tmp_path / "certificate.pem").read_bytes())
    now = datetime.now(UTC)
    assert made.not_valid_before_utc < now - timedelta(hours=23)
    assert made.not_valid_after_utc > now + timedelta(days=300)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalCluster, Security]]:
    security = run_certificate(tmp_path_factory.mktemp("tls"))
    options = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "silence_logs": "CRITICAL"}
    with LocalCluster(0, security=security, protocol="tls://", **options) as cluster:
        yield cluster, security


def test_a_client_with_the_certificate_connects(cluster: tuple[LocalCluster, Security]) -> None:
    with Client(cluster[0].scheduler_address, security=cluster[1], timeout=20, set_as_default=False) as client:
        assert client.scheduler_info()["address"].startswith("tls://127.0.0.1")


@pytest.mark.parametrize("who", ["nobody", "a stranger", "plain TCP"])
def test_a_client_without_it_does_not(cluster: tuple[LocalCluster, Security], who: str, tmp_path: Path) -> None:
    address = cluster[0].scheduler_address
    given = {"security": run_certificate(tmp_path)} if who == "a stranger" else {}
    if who == "plain TCP":
        address = address.replace("tls:", "tcp:")
    with pytest.raises((OSError, TypeError)):
        Client(address, timeout=2, set_as_default=False, **given)
