"""The secrets of one stage: a folder that nobody else can read, and the certificate in it."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Security

from hpcflow.base.lock import alone
from hpcflow.base.paths import RunPaths
from hpcflow.compute.workers import private_settings

__all__ = ["private_folder", "run_certificate"]

ROLES = ("client", "scheduler", "worker")


@contextmanager
def private_folder(run: Path, stage: str) -> Iterator[Path]:
    """Create an empty folder that only its owner can read, yield it, and remove it afterwards.

    A folder left behind by a killed driver is removed first.

    Raises:
        InputError: if another driver of this stage is running.
    """
    folder = RunPaths(run.resolve()).private(stage)
    with alone(RunPaths(run).lock(stage), f"`hpcflow {stage}`"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        folder.chmod(0o700)  # whatever the parent's default access list says
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def run_certificate(folder: Path) -> Security:
    """Make a self-signed certificate, and return Dask's security settings that require it for every connection.

    The folder's dask.json holds the same settings for other processes. The certificate is useless once these have
    ended.
    """
    made = Security.temporary()
    certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    for path, text in ((certificate, made.tls_ca_file), (key, made.tls_client_key)):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    roles = {f"tls_{role}_{what}": path for role in ROLES for what, path in (("cert", certificate), ("key", key))}
    security = Security(require_encryption=True, tls_ca_file=certificate, **roles)
    (folder / "dask.json").write_text(json.dumps(private_settings(security), indent=1))
    return security
