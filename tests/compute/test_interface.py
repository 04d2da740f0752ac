"""Addresses of network interfaces."""

from pathlib import Path

import pytest

from hpcflow.base.errors import InputError
from hpcflow.compute import interface
from hpcflow.compute.interface import address_of

TABLE = """\
fe8000000000000000fc00fffe000001 04 40 20 80     hsn9
fd000000000000000000000000000002 04 40 00 82     hsn9
fe8000000000000000fc00fffe000003 04 40 20 80     hsn8
"""


def test_an_interface_that_is_not_there_lists_the_others() -> None:
    with pytest.raises(InputError, match=r"has no address on an interface ib7; it has .*lo.*: set `interface`"):
        address_of("ib7")


def test_an_interface_with_no_other_address_gives_its_ipv6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "if_inet6").write_text(TABLE)
    monkeypatch.setattr(interface, "IPV6", tmp_path / "if_inet6")
    assert address_of("hsn9") == "[fd00::2]"
    with pytest.raises(InputError, match="no address"):
        address_of("hsn8")  # it has only one that is valid on its own link
    (tmp_path / "if_inet6").unlink()
    with pytest.raises(InputError, match="no address"):
        address_of("hsn9")
