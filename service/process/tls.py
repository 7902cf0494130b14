"""The certificate that BentoML's configuration names (``services.trueline.ssl``), tried before there is a worker."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from artifact.files import absolute
from service.wire.errors import StartError

_FILES = ("certfile", "keyfile", "ca_certs")


def prepare() -> None:
    """Make the files' paths absolute, for workers run in another folder, and check that they belong together.

    Raises:
        StartError: a file is not there, or is no certificate or key of the other.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer

    configuration: Any = BentoMLContainer.config.get()
    found = configuration["api_server"]["ssl"]
    for name in _FILES:
        if found.get(name):
            found[name] = str(absolute(str(found[name])))
    BentoMLContainer.config.set(configuration)
    if found.get("enabled") or found.get("certfile"):
        check(found.get("certfile"), found.get("keyfile"), found.get("keyfile_password"))


def check(certificate: str | None, key: str | None, password: str | None = None) -> None:
    """Check a certificate and its key.

    Raises:
        StartError: one is not there or cannot be read, or the key is not the certificate's.
    """
    if not certificate:
        raise StartError("ssl.certfile: Expected a certificate where ssl.enabled is true. Received: none.")
    for name, file in (("certfile", certificate), ("keyfile", key)):
        if file is None:
            continue
        try:
            Path(file).read_bytes()
        except OSError as error:
            raise StartError(
                f"ssl.{name}: Expected a file that can be read. Received: {file} ({(error.strerror or '').lower()})."
            ) from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password or "")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise StartError(
            f"ssl.certfile, ssl.keyfile: Expected a certificate and its key in PEM. Received: {certificate} and "
            f"{key or 'no key'}, which do not belong together or are none."
        ) from error
