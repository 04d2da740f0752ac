"""Another user of this machine, who tries to speak to what listens on it."""

import subprocess
from pathlib import Path

__all__ = ["intrude"]

# With nothing but what every Python has.
SCRIPT = """
import socket, ssl, sys
host, port, key, kind = sys.argv[1:]
if kind == "key":
    open(key).read()
channel = socket.create_connection((host, int(port)), timeout=10)
if kind == "tls":
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    channel = anybody.wrap_socket(channel)
channel.sendall(bytes(8) + b"hello")
sys.exit(0 if channel.recv(1) else "nothing is said")
"""
UNANSWERED = ("nothing is said", "ConnectionResetError", "TimeoutError")
REFUSED = {"key": ("PermissionError",), "tcp": UNANSWERED, "tls": ("SSL", *UNANSWERED)}


def intrude(host: str, port: str, key: Path, kind: str) -> None:
    """Try to read a certificate's key, or to be answered by a port in plain TCP or TLS, as the user nobody.

    Raises:
        AssertionError: unless it is refused.
    """
    script = ["/usr/bin/env", "-i", "python3", "-c", SCRIPT, host, port, str(key), kind]
    tried = subprocess.run(
        script, user="nobody", group=65534, extra_groups=[], cwd="/", capture_output=True, text=True, timeout=30
    )
    assert tried.returncode == 1, tried
    assert any(words in tried.stderr for words in REFUSED[kind]), tried.stderr
