"""What is known of the request that is being answered: its ids, for logs and answers, and whether the client left."""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from itertools import count
from typing import Any

from service.http import Receive

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


class RequestContext(tuple[bytes, bytes | None, Receive | None]):
    """One request: its ``X-Request-ID``, its W3C trace context as it came, and its ASGI channel.

    A tuple with names, for one is made for every request.
    """

    __slots__ = ()

    @property
    def id(self) -> bytes:
        """The ``X-Request-ID``, passed through or made; empty where ids are off."""
        return self[0]

    @property
    def traceparent(self) -> bytes | None:
        """Not checked until it is used: see :meth:`trace`."""
        return self[1]

    def gone(self) -> bool:
        """Whether the client has left, where the server lets it be known: uvicorn's request does."""
        request: Any = getattr(self[2], "__self__", None)
        return getattr(request, "disconnected", False) is True

    def trace(self) -> tuple[str, str] | None:
        """Trace and parent span of the W3C trace context, or None where it has none that is legal."""
        found = _TRACEPARENT.fullmatch(self.traceparent or b"")
        if found is None or found[1] == b"ff" or (found[1] == b"00" and found[4]):
            return None
        trace, span = found[2].decode(), found[3].decode()
        return (trace, span) if trace.strip("0") and span.strip("0") else None


CURRENT: ContextVar[RequestContext | None] = ContextVar("trueline_request", default=None)


class RequestIds:
    """Makes ids that no other worker makes: eight random bytes, then a number that counts up."""

    def __init__(self) -> None:
        self._prefix = os.urandom(8).hex().encode() + b"-"
        self._numbers = count(1)

    def next(self) -> bytes:
        return b"%b%x" % (self._prefix, next(self._numbers))


def legal_id(value: bytes) -> bool:
    """Whether an id may be passed through: printable, without spaces, of at most 128 characters."""
    return _REQUEST_ID.fullmatch(value) is not None
