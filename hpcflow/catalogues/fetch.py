"""Download catalogues: each file arrives whole or not at all, with the same bytes every time."""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pooch
import requests

from hpcflow.base.atomic import write_whole
from hpcflow.base.errors import FetchError, InputError
from hpcflow.catalogues.galaxies import normalise_galaxy
from hpcflow.catalogues.mast import Address

__all__ = ["CHECKSUMS", "chosen", "fetch"]

CHECKSUMS = "checksums.txt"  # beside the files, as `sha256sum --check` reads it
WAIT = 30  # seconds that a server has to answer

_PLAIN = re.compile(r"[\w+-][\w.+-]*")


def chosen(addresses: Sequence[Address], names: Iterable[str]) -> list[Address]:
    """Return the addresses whose file names contain one of the names (galaxies in any spelling); all without names.

    Raises:
        InputError: if no file name contains a name.
    """
    found: set[Address] = set()
    for name in names:
        spellings = {name.lower(), normalise_galaxy(name).lower()}
        these = {one for one in addresses if any(spelling in one.name.lower() for spelling in spellings)}
        if not these:
            raise InputError(f"no catalogue has {name!r} in its file name; `hpcflow catalogue urls` lists them")
        found |= these
    return [one for one in addresses if one in found or not found]


def fetch(addresses: Iterable[Address], folder: Path) -> Iterator[Path]:
    """Yield the path of each file once it is complete; files that were fetched before are checked instead.

    The checksum of a file is recorded when it is first fetched, and required from then on.

    Args:
        addresses: of the files.
        folder: where to put them, and `CHECKSUMS` beside them.

    Raises:
        FetchError: if a file cannot be fetched; earlier files are kept.
        InputError: if a file has changed since it was first fetched, or an address is not secure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel(logging.WARNING)  # it would advise to put checksums into the source
    for address in addresses:
        _refuse_unsafe(address)
        path, known = folder / address.name, _read(folder / CHECKSUMS)
        sha256 = known.get(address.name)
        if not path.exists():
            _download(address, path, sha256)
        found = pooch.file_hash(str(path))
        if found != (sha256 or found):
            raise InputError(f"{path} has changed since it was fetched; remove it, and fetch it again")
        if not sha256:
            lines = (f"{value}  {file}\n" for file, value in sorted({**known, address.name: found}.items()))
            write_whole(folder / CHECKSUMS, "".join(lines))
        yield path


def _download(address: Address, path: Path, sha256: str | None) -> None:
    again = "what is there already is not fetched again when you run the same command"
    downloader = pooch.HTTPDownloader(
        timeout=WAIT,
        headers={"Accept-Encoding": "identity"},  # the file's own bytes
        hooks={"response": _refuse_downgrade},
    )
    try:
        pooch.retrieve(address.url, sha256 and f"sha256:{sha256}", path.name, path.parent, downloader=downloader)
    except requests.HTTPError as e:
        raise FetchError(f"{address.name} did not come: {e}; try later, or name the other files") from e
    except requests.RequestException as e:
        reason = f"{address.name} did not come from {urlsplit(address.url).hostname} ({type(e).__name__})"
        raise FetchError(f"{reason}; check that this machine reaches the internet: {again}") from e
    except ValueError as e:  # what pooch says of another checksum
        line = f"its line in {path.parent / CHECKSUMS}"
        raise InputError(
            f"{address.url} is not the file that was fetched before; remove {line} if you trust the new one"
        ) from e


def _secure(url: str) -> bool:
    """Return whether an address is secure: encrypted, or on this machine."""
    return urlsplit(url).scheme == "https" or urlsplit(url).hostname == "127.0.0.1"


def _refuse_unsafe(address: Address) -> None:
    if not _secure(address.url):
        raise InputError(f"{address.url} is not encrypted, so anyone could change the file; use an https address")
    if not _PLAIN.fullmatch(address.name):
        raise InputError(f"{address.name!r} is no plain file name; it would be written outside the folder")


def _refuse_downgrade(response: requests.Response, **_: Any) -> None:
    """Refuse an answer that was redirected to an address that is not secure."""
    if not _secure(response.url):
        raise FetchError(
            f"the server sends us on to {response.url}, which is not encrypted; nothing was fetched from there"
        )


def _read(path: Path) -> dict[str, str]:
    """Return checksums by file name; none where there is no file."""
    if not path.exists():
        return {}
    try:
        return {name: sha256 for sha256, name in (line.split(maxsplit=1) for line in path.read_text().splitlines())}
    except ValueError as e:
        raise InputError(f"{path} is not one checksum and file name a line; mend it, or remove it") from e
