"""The secrets of one stage: a folder that nobody else can read, and the certificate in it."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from distributed import Security

from hpcflow.base.lock import alone
from hpcflow.base.paths import RunPaths
from hpcflow.compute.workers import private_settings

__all__ = ["private_folder", "run_certificate"]

ROLES = ("client", "scheduler", "worker")
BEFORE = timedelta(days=1)  # by which a node's clock may be behind
AFTER = timedelta(days=365)


@contextmanager
def private_folder(run: Path, stage: str) -> Iterator[Path]:
    """Create an empty folder that only its owner can read, yield it, and remove it afterwards.

    A folder left behind by a killed driver is removed first.

    Raises:
        InputError: if another driver of this stage is running.
    """
    name = RunPaths(run.resolve()).private(stage)
    with alone(RunPaths(run).lock(stage), f"`hpcflow {stage}`"):
        for left in name.parent.glob(f"{name.name}*"):
            shutil.rmtree(left, ignore_errors=True)
        # A name of its own, as nodes may remember for a while what was in the folder of an earlier driver.
        folder = Path(mkdtemp(prefix=f"{name.name}-", dir=name.parent))
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
    certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    for path, pem in zip((certificate, key), _certificate(), strict=True):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    roles = {f"tls_{role}_{what}": path for role in ROLES for what, path in (("cert", certificate), ("key", key))}
    security = Security(require_encryption=True, tls_ca_file=certificate, **roles)
    (folder / "dask.json").write_text(json.dumps(private_settings(security), indent=1))
    return security


def _certificate() -> tuple[bytes, bytes]:
    """Return a new certificate that signs itself, and its key, both as PEM.

    Dask's own, of `Security.temporary`, is not yet valid on a node whose clock is behind.
    """
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hpcflow")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEFORE)
        .not_valid_after(now + AFTER)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
