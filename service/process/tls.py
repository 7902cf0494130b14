"""The certificate that BentoML's configuration names (``services.trueline.ssl``), checked before a worker starts."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from artifact.files import absolute
from service.wire.errors import StartError

_FILES = ("certfile", "keyfile", "ca_certs")


def prepare() -> None:
    """Make the files' paths absolute, for workers run in another folder, and check that the files belong together.

    Raises:
        StartError: a file is missing or cannot be read, or the key does not belong to the certificate.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer

    configuration: Any = BentoMLContainer.config.get()
    tls = configuration["api_server"]["ssl"]
    for name in _FILES:
        if tls.get(name):
            tls[name] = str(absolute(str(tls[name])))
    BentoMLContainer.config.set(configuration)
    if tls.get("enabled") or tls.get("certfile"):
        check(tls.get("certfile"), tls.get("keyfile"), tls.get("keyfile_password"))


def check(certificate: str | None, key: str | None, password: str | None = None) -> None:
    """Check a certificate and its key.

    Raises:
        StartError: a file is missing or cannot be read, or the key does not belong to the certificate.
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
            f"{key or 'no key'}, which do not belong together or are not PEM."
        ) from error
