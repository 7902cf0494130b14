"""The API key: ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

_BEARER = b"bearer "


class ApiKeys:
    """The valid keys. Only their digests are stored, and all of them are compared in constant time.

    Args:
        keys: the keys; a request needs one of them.
    """

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._digests = [hashlib.sha256(key).digest() for key in keys]

    def allow(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request's headers (or a gRPC call's metadata) hold a valid key."""
        for name, value in headers:
            if name == b"x-api-key":
                key = value.strip()
            elif name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
                key = value[len(_BEARER) :].strip()
            else:
                continue
            digest = hashlib.sha256(key).digest()
            # Every key is compared, so that the time does not show which key is similar.
            if sum([hmac.compare_digest(digest, good) for good in self._digests]):
                return True
        return False
