"""The address of a network interface; `python -m hpcflow.compute.interface ib0` prints it."""

import fcntl
import socket
import struct
import sys

from hpcflow.base.errors import InputError

__all__ = ["address_of"]

SIOCGIFADDR = 0x8915


def address_of(interface: str) -> str:
    """Return an interface's IPv4 address on this machine.

    >>> address_of("lo")
    '127.0.0.1'

    Raises:
        InputError: if it has none; the message lists the interfaces of this machine.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        try:
            found = fcntl.ioctl(channel, SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError as e:
            there = ", ".join(name for _, name in socket.if_nameindex())
            raise InputError(
                f"{socket.gethostname()} has no IPv4 address on an interface {interface}; it has {there}: "
                "set `interface` of the site to one of them"
            ) from e
    return socket.inet_ntoa(found[20:24])


if __name__ == "__main__":
    try:
        print(address_of(sys.argv[1]))
    except InputError as e:
        sys.exit(f"hpcflow: {e}")
