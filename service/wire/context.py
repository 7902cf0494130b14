"""The context of the request that is being answered: its ids, and whether its client has left."""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from itertools import count
from typing import Any, NamedTuple

from service.wire.http import Receive

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


class RequestContext(NamedTuple):
    """The ids of one request.

    Attributes:
        id: its ``X-Request-ID``, passed through or made; empty where ids are off.
        traceparent: its W3C trace context as it was received; :meth:`trace` checks it.
    """

    id: bytes
    traceparent: bytes | None

    def trace(self) -> tuple[str, str] | None:
        """Trace and parent span of the W3C trace context, or None where there is no legal one."""
        match = _TRACEPARENT.fullmatch(self.traceparent or b"")
        if match is None or match[1] == b"ff" or (match[1] == b"00" and match[4]):
            return None
        trace, span = match[2].decode(), match[3].decode()
        return (trace, span) if trace.strip("0") and span.strip("0") else None


# Set only where a log or a span needs it: a context variable costs a tenth of a whole request.
CURRENT: ContextVar[RequestContext | None] = ContextVar("trueline_request", default=None)


class RequestIds:
    """Makes ids that no other worker makes: eight random bytes, then a number that increases."""

    def __init__(self) -> None:
        self._prefix = os.urandom(8).hex().encode() + b"-"
        self._numbers = count(1)

    def next(self) -> bytes:
        return b"%b%x" % (self._prefix, next(self._numbers))


def legal_id(value: bytes) -> bool:
    """Whether an id may be passed through: it is printable, has no spaces and at most 128 characters."""
    return _REQUEST_ID.fullmatch(value) is not None


def client_left(receive: Receive) -> bool:
    """Whether the client has left; false where the server does not say, as uvicorn does."""
    request: Any = getattr(receive, "__self__", None)
    return getattr(request, "disconnected", False) is True
