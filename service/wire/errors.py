"""Errors of the service: each has its HTTP status, and all have the same form of body.

The body is ``{"error": {"code", "message", "details": [{"row", "field", "message", "received"}]}}``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from artifact.errors import Fault, TruelineError, unknown_name

# Exit status of uvicorn when the app fails to start; a worker that finds that it cannot start ends with it too.
CANNOT_START = 3
DETAILS_LIMIT = 100
_ECHO_LENGTH = 100
_PLAIN_FAULTS = 5
_INT64 = 2**63
_ELEMENTS = {list: "list", dict: "object", int: "number", float: "number"}
Headers = tuple[tuple[bytes, bytes], ...]


class StartError(TruelineError):
    """The service cannot start, and waiting does not mend that: a port, a file or a setting is wrong."""


class ApiError(TruelineError):
    """A fault of the service.

    Every other error with which the service answers is a subclass. The first line of its docstring says when it comes;
    docs/http.md repeats that line.

    Attributes:
        status: HTTP status.
        code: a short constant for programs.
        description: text for all errors of this status in the OpenAPI document.
        remedy: advice to the caller, for docs/http.md.
        retry_after: seconds that the header ``Retry-After`` asks the caller to wait; None for no such header.
        headers: headers to send besides those of the body.
        faults: the entries of ``details``.
    """

    status = 500
    code = "internal"
    description = "A fault of the service; its log says why."
    remedy = "The service's log says why; report it."
    retry_after: int | None = None
    is_plain = False

    def __init__(self, message: str, *, faults: Sequence[Fault] = (), headers: Headers = ()) -> None:
        super().__init__(message)
        self.message = message
        self.faults = tuple(faults[:DETAILS_LIMIT])
        self.headers = headers
        if self.retry_after is not None:
            self.headers += ((b"retry-after", b"%d" % self.retry_after),)

    def body(self) -> bytes:
        if self.is_plain:
            return orjson.dumps({"error": self.message})
        details = [
            {"row": f.row, "field": _short(f.field), "message": f.message, "received": echo(f.received)}
            for f in self.faults
        ]
        return orjson.dumps({"error": {"code": self.code, "message": self.message, "details": details}})

    def plain(self) -> ApiError:
        """The same error for protocols whose bodies are ``{"error": "sentences"}`` and that use 400 and not 422."""
        faults = self.faults[:_PLAIN_FAULTS]
        error = ApiError(" ".join(map(_sentence, faults)) or self.message, headers=self.headers)
        further = len(self.faults) - len(faults)
        if further:
            error.message += f" There {'is 1 more fault' if further == 1 else f'are {further} more faults'}."
        error.status, error.code, error.is_plain = plain_status(self.status), self.code, True
        return error


def plain_status(status: int) -> int:
    """The status of an error in protocols that use 400 and not 422."""
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
    remedy = "Send the whole body, in the format that its headers name."


class NotAcceptableError(ApiError):
    """Accept names no format that the service can write."""

    status, code = 406, "not_acceptable"
    description = "Accept names no format that the service can write."
    remedy = "The message lists the formats."


class UnauthorizedError(ApiError):
    """A request without a valid key."""

    status, code = 401, "unauthorized"
    description = "No valid API key."
    remedy = "Send the header Authorization: Bearer KEY, or X-API-Key: KEY."

    def __init__(self) -> None:
        message = "Expected a key: Authorization: Bearer KEY, or X-API-Key: KEY. Received: no valid key."
        super().__init__(message, headers=((b"www-authenticate", b"Bearer"),))


class NoRouteError(ApiError):
    """A path that does not exist."""

    status, code = 404, "not_found"
    description = "The path names a model or version that is not the live one; the message names the live one."
    remedy = "The message lists the paths, the nearest first."

    def __init__(self, path: str, paths: Iterable[str]) -> None:
        super().__init__(unknown_name("path", path[:_ECHO_LENGTH], paths))


class UnknownModelError(NoRouteError):
    """A model or version that is not the live one."""

    def __init__(self, message: str) -> None:
        ApiError.__init__(self, message)


class MethodError(ApiError):
    """A path that exists, with a method that it does not take."""

    status, code = 405, "method_not_allowed"
    description = "The path does not take this method; Allow lists its methods."
    remedy = "The header Allow lists the path's methods."

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
    def rows(cls, limit: int, received: int | str) -> TooLargeError:
        """The error for more than ``limit`` rows. ``received`` is their number, or ``more`` where it is not known."""
        return cls(f"Expected at most {limit} rows in a request. Received: {received}.")


class MediaTypeError(ApiError):
    """A body in a format or a compression that the path does not take."""

    status, code = 415, "unsupported_media_type"
    description = "The service does not take the media type or the encoding of the body."
    remedy = "The message lists those that the service takes."


class InvalidRequestError(ApiError):
    """A request that breaks the schema. ``faults`` lists each fault and its place."""

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
    remedy = "Send it again after Retry-After seconds, and wait longer each time."
    retry_after = 1


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
    retry_after = 1


class DeadlineError(ApiError):
    """The request waited too long in the queue."""

    status, code = 504, "deadline_exceeded"
    description = "The request waited too long in the queue."
    remedy = "Send fewer rows a request, or start more workers."


class Described(str):
    """A description of what was received: ``3 bytes``, ``neither``. Any other string is a value, and is quoted."""

    __slots__ = ()


def echo(value: Any) -> Any:
    """The received value, as JSON can hold it and short enough to send back."""
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
    """``NaN``, ``Infinity`` or ``-Infinity``, as dialects of JSON write them."""
    return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")


def as_text(value: Any) -> str:
    """The received value as text for a sentence: as JSON writes it, with strings in quotation marks."""
    if isinstance(value, str) and not isinstance(value, Described):
        return orjson.dumps(_short(value)).decode()
    echoed = echo(value)
    return echoed if isinstance(echoed, str) else orjson.dumps(echoed).decode()


def _elements(values: Sequence[Any]) -> str:
    """The kind of a list's elements, where all are of one kind."""
    kinds = {"string" if isinstance(v, str) else _ELEMENTS.get(type(v)) for v in values[:_ECHO_LENGTH]}
    kind = kinds.pop() if len(kinds) == 1 and len(values) <= _ECHO_LENGTH else None
    return "" if kind is None else f" {kind}{'' if len(values) == 1 else 's'}"


def _sentence(fault: Fault) -> str:
    where = [] if fault.row is None else [f"Row {fault.row}"]
    where += [] if fault.field is None else [f"'{_short(fault.field)}'"]
    # A length is a description and is not quoted: 3 values.
    value = Described(fault.received) if fault.reason == "length" else fault.received
    received = "" if fault.received is None else f" Received: {as_text(value)}."
    return f"{', '.join(where) or 'Request'}: {fault.message}{received}"


def _short(text: str | None) -> str | None:
    if text is None or len(text) <= _ECHO_LENGTH:
        return text
    return text[:_ECHO_LENGTH] + "…"
