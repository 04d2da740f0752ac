"""What this process and its children listen on, and what can be asked there by HTTP."""

import json
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

__all__ = ["places", "refuse_http"]

DASHBOARDS = (8787, 8788, 8789)  # Dask's own
PAGES = ("/status", "/info/main/workers.html", "/json/counts.json", "/metrics", "/api/v1")


def places() -> Iterator[tuple[str, int]]:
    """Yield the addresses and ports on which this process and its children listen."""
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        for connection in process.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                yield connection.laddr.ip, connection.laddr.port


def refuse_http(ip: str, port: int) -> None:
    """Fail if a dashboard, or anything else, can be had there by HTTP."""
    assert port not in DASHBOARDS
    for page in PAGES:
        with pytest.raises(OSError, match=r"404|reset|closed|empty|BadStatusLine"):
            urllib.request.urlopen(f"http://{ip}:{port}{page}", timeout=5)
    try:
        with urllib.request.urlopen(f"http://{ip}:{port}/sitemap.json", timeout=5) as answer:
            assert json.load(answer) == {"paths": ["/sitemap.json"]}  # which Dask always has
    except OSError:
        pass  # it speaks TLS
