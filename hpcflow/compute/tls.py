"""The certificate that the scheduler, the workers and the client of one stage know each other by."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Security

__all__ = ["private_folder", "run_certificate"]


@contextmanager
def private_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder that only its owner can look into, and remove it afterwards.

    What a killed driver left there is removed first.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)  # whatever the parent's default access list says
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_certificate(folder: Path) -> Security:
    """Make a certificate that signs itself, and return what has every connection ask for it.

    It is of no use to anybody once its processes are gone: the next ones have another.

    Args:
        folder: where its files go; workers on other machines read them there.
    """
    made = Security.temporary()
    certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    for path, text in ((certificate, made.tls_ca_file), (key, made.tls_client_key)):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    roles = {f"tls_{role}_{what}": path for role in ROLES for what, path in (("cert", certificate), ("key", key))}
    return Security(require_encryption=True, tls_ca_file=certificate, **roles)


ROLES = ("client", "scheduler", "worker")
