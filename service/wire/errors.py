"""Errors of the service: each knows its HTTP status and the one body that every error has.

The body is ``{"error": {"code", "message", "details": [{"row", "field", "message", "received"}]}}``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from artifact.errors import Fault, TruelineError, unknown_name

# What uvicorn exits with where the app's start failed; a worker that knows that it cannot start ends likewise.
CANNOT_START = 3
DETAILS_LIMIT = 100
_ECHO_LENGTH = 100
_PLAIN_FAULTS = 5
_INT64 = 2**63
_ELEMENTS = {list: "list", dict: "object", int: "number", float: "number"}
Headers = tuple[tuple[bytes, bytes], ...]


class StartError(TruelineError):
    """What keeps a service from starting and does not mend itself: a port, a file, a setting."""


class ApiError(TruelineError):
    """A fault of the service.

    Every other answer that is an error is a subclass; its docstring begins with when, which docs/http.md repeats.

    Attributes:
        status: HTTP status.
        code: a short constant for programs.
        description: of all errors of this status, for the OpenAPI document.
        remedy: what the caller can do, for docs/http.md.
        headers: sent besides the body's own.
        faults: what ``details`` lists.
    """

    status = 500
    code = "internal"
    description = "A fault of the service; its log says why."
    remedy = "The service's log says why; report it."
    is_plain = False

    def __init__(self, message: str, *, faults: Sequence[Fault] = (), headers: Headers = ()) -> None:
        super().__init__(message)
        self.message = message
        self.faults = tuple(faults[:DETAILS_LIMIT])
        self.headers = headers

    def body(self) -> bytes:
        if self.is_plain:
            return orjson.dumps({"error": self.message})
        details = [
            {"row": f.row, "field": _short(f.field), "message": f.message, "received": echo(f.received)}
            for f in self.faults
        ]
        return orjson.dumps({"error": {"code": self.code, "message": self.message, "details": details}})

    def plain(self) -> ApiError:
        """The same for protocols whose errors are ``{"error": "sentences"}`` and that know 400 but no 422."""
        shown = self.faults[:_PLAIN_FAULTS]
        error = ApiError(" ".join(map(_sentence, shown)) or self.message, headers=self.headers)
        if len(self.faults) > len(shown):
            error.message += f" And {len(self.faults) - len(shown)} faults more."
        error.status, error.code, error.is_plain = plain_status(self.status), self.code, True
        return error


def plain_status(status: int) -> int:
    """The status of an error in protocols that know 400 but no 422."""
    return 400 if status == 422 else status


class NotJSONError(ApiError):
    """A body that is not JSON."""

    status, code = 400, "not_json"
    description = "The body is not what its media type or encoding says."
    remedy = "Send JSON."


class BodyFormatError(ApiError):
    """A body that is not what its Content-Type or Content-Encoding says."""

    status, code = 400, "not_readable"
    description = NotJSONError.description
    remedy = "Send it whole, and as what it is."


class NotAcceptableError(ApiError):
    """An answer is wanted in a format that there is not."""

    status, code = 406, "not_acceptable"
    description = "The answer is wanted in a format that there is not."
    remedy = "The message lists the formats that there are."


class UnauthorizedError(ApiError):
    """A request without a good key."""

    status, code = 401, "unauthorized"
    description = "No good API key."
    remedy = "Send the header Authorization: Bearer KEY, or X-API-Key: KEY."

    def __init__(self) -> None:
        message = "Expected a key: Authorization: Bearer KEY, or X-API-Key: KEY. Received: none that is good."
        super().__init__(message, headers=((b"www-authenticate", b"Bearer"),))


class NoRouteError(ApiError):
    """A path that does not exist."""

    status, code = 404, "not_found"
    description = "Another model or version than the live one, whose name the message says."
    remedy = "The message lists the paths, the nearest first."

    def __init__(self, path: str, known: Iterable[str]) -> None:
        super().__init__(unknown_name("path", path[:_ECHO_LENGTH], known))


class UnknownModelError(NoRouteError):
    """A model or version that is not the live one."""

    def __init__(self, message: str) -> None:
        ApiError.__init__(self, message)


class MethodError(ApiError):
    """A path that exists, asked with another method."""

    status, code = 405, "method_not_allowed"
    description = "Another method; Allow names those there are."
    remedy = "The header Allow names the right ones."

    def __init__(self, method: str, path: str, allowed: str) -> None:
        message = f"Expected {allowed} for {path}. Received: {method[:_ECHO_LENGTH]}."
        super().__init__(message, headers=((b"allow", allowed.encode()),))


class BodyTimeoutError(ApiError):
    """A body that did not arrive in time."""

    status, code = 408, "body_timeout"
    description = "The body did not arrive in time."
    remedy = "Send it faster, or in parts."


class TooLargeError(ApiError):
    """A body of too many bytes, or of too many rows."""

    status, code = 413, "too_large"
    description = "The body or the number of rows is too large."
    remedy = "Send the rows in several requests."

    @classmethod
    def rows(cls, most: int, received: int | str) -> TooLargeError:
        """The error about more rows than ``most``, of which so many came, or ``more`` where they were not counted."""
        return cls(f"Expected at most {most} rows in a request. Received: {received}.")


class MediaTypeError(ApiError):
    """A body in a format or a compression that the path does not take."""

    status, code = 415, "unsupported_media_type"
    description = "The media type or the encoding of the body is not one of those there are."
    remedy = "The message lists those there are."


class InvalidRequestError(ApiError):
    """A request that breaks the schema. ``faults`` lists what and where."""

    status, code = 422, "invalid_request"
    description = "Rows that break the schema; details list every fault, up to 100."
    remedy = "Mend every value in 'details'."

    def __init__(self, faults: Sequence[Fault]) -> None:
        first = faults[0]
        where = "" if first.row is None else f"row {first.row}"
        if first.field is not None:
            where += f"{', ' if where else ''}'{_short(first.field)}'"
        count = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
        message = f"Expected rows that fit GET /schema. Received: {count}, the first in {where or 'the body'}."
        super().__init__(message, faults=faults)


class OverloadedError(ApiError):
    """The queue is full, or too many requests are open."""

    status, code = 429, "overloaded"
    description = "The queue is full; Retry-After says when to try again."
    remedy = "Send it again after Retry-After seconds, ever more slowly."

    def __init__(self, message: str) -> None:
        super().__init__(message, headers=((b"retry-after", b"1"),))


class ModelError(ApiError):
    """The model failed on rows that fit the schema."""

    status, code = 500, "model_failed"


class NotReadyError(ApiError):
    """No model is live, the service is stopping, or the workers' files cannot be read."""

    status, code = 503, "not_ready"
    description = (
        "No model is live, the service is stopping, or the workers' files cannot be read; the message says what to do."
    )
    remedy = "The message says what to do."

    def __init__(self, message: str) -> None:
        super().__init__(message, headers=((b"retry-after", b"1"),))


class DeadlineError(ApiError):
    """The request waited too long in the queue."""

    status, code = 504, "deadline_exceeded"
    description = "The request waited too long in the queue."
    remedy = "Send fewer rows a request, or start more workers."


class Described(str):
    """What was received, in words of ours: ``3 bytes``, ``neither``. Any other string is a value, and is quoted."""

    __slots__ = ()


def echo(value: Any) -> Any:
    """What was received, as JSON can hold it and short enough to send back."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return value if math.isfinite(value) else number_name(value)
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}{_elements(value)}"
    if isinstance(value, dict):
        return f"an object with {len(value)} {'field' if len(value) == 1 else 'fields'}"
    return _short(str(value))


def number_name(value: float) -> str:
    """``NaN``, ``Infinity`` or ``-Infinity``, as JSON's many dialects write them."""
    return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")


def shown(value: Any) -> str:
    """What was received, for a sentence: as JSON writes it, a string in quotation marks."""
    if isinstance(value, str) and not isinstance(value, Described):
        return orjson.dumps(_short(value)).decode()
    found = echo(value)
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def _elements(values: Sequence[Any]) -> str:
    """What a list holds, where all of it is of one kind."""
    kinds = {"string" if isinstance(v, str) else _ELEMENTS.get(type(v)) for v in values[:_ECHO_LENGTH]}
    kind = kinds.pop() if len(kinds) == 1 and len(values) <= _ECHO_LENGTH else None
    return "" if kind is None else f" {kind}{'' if len(values) == 1 else 's'}"


def _sentence(fault: Fault) -> str:
    where = [] if fault.row is None else [f"Row {fault.row}"]
    where += [] if fault.field is None else [f"'{_short(fault.field)}'"]
    # A length is told, not quoted: '3 values'.
    value = Described(fault.received) if fault.reason == "length" else fault.received
    received = "" if fault.received is None else f" Received: {shown(value)}."
    return f"{', '.join(where) or 'Request'}: {fault.message}{received}"


def _short(text: str | None) -> str | None:
    if text is None or len(text) <= _ECHO_LENGTH:
        return text
    return text[:_ECHO_LENGTH] + "…"
