"""The address of a network interface; `python -m hpcflow.compute.interface ib0` prints it."""

import fcntl
import socket
import struct
import sys
from ipaddress import IPv6Address
from pathlib import Path

from hpcflow.base.errors import InputError

__all__ = ["address_of"]

SIOCGIFADDR = 0x8915
IPV6 = Path("/proc/net/if_inet6")


def address_of(interface: str) -> str:
    """Return an interface's address on this machine: IPv4, or IPv6 in brackets if it has no other.

    >>> address_of("lo")
    '127.0.0.1'

    Raises:
        InputError: if it has none; the message lists the interfaces of this machine.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        try:
            found = fcntl.ioctl(channel, SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError as e:
            if other := _ipv6(interface):
                return other
            there = ", ".join(name for _, name in socket.if_nameindex())
            raise InputError(
                f"{socket.gethostname()} has no address on an interface {interface}; it has {there}: "
                "set `interface` of the site to one of them"
            ) from e
    return socket.inet_ntoa(found[20:24])


def _ipv6(interface: str) -> str:
    """Return an interface's global IPv6 address in brackets, nothing if it has none."""
    rows = (line.split() for line in IPV6.read_text().splitlines()) if IPV6.is_file() else ()
    found = [address for address, _, _, scope, _, name in rows if name == interface and scope == "00"]
    return f"[{IPv6Address(bytes.fromhex(found[0]))}]" if found else ""


if __name__ == "__main__":
    try:
        print(address_of(sys.argv[1]))
    except InputError as e:
        sys.exit(f"hpcflow: {e}")
