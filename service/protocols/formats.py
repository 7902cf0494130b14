"""Which format a request comes in and which its answer goes out in: media types, Accept, the query string."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from artifact.errors import Fault, unknown_name
from artifact.rows.absent import MISSING_COLUMNS, MissingColumns
from service.predict.parts import Options
from service.wire.errors import Described, InvalidRequestError, MediaTypeError, NotAcceptableError

JSON = "application/json"
CSV = "text/csv"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
MEDIA_TYPES = (JSON, CSV, NDJSON, ARROW, PARQUET)
_ALIASES = {"application/ndjson": NDJSON, "application/jsonl": NDJSON, "application/x-parquet": PARQUET}
_ALIASES |= {"text/tab-separated-values": CSV, "application/csv": CSV}
_PARAMETERS = ("interval", "on_error", "extra", "missing_columns")
MISSING = "missing_columns"
_SHOWN = 100
_NOT_HERE = (
    "Expected no such parameter in the query of this path. Send it in the body: among 'parameters' of the Open "
    "Inference Protocol, beside 'instances' or 'inputs' of TensorFlow Serving."
)
_PREDICTS = "Expected no such parameter in the query of this path. POST /predict has it."


class Wanted(NamedTuple):
    """What the headers and the query string of a request say.

    Attributes:
        takes: media type of the body.
        gives: media type of the answer.
        encoding: Content-Encoding of the body, ``identity`` where there is none.
        packing: ``gzip`` or ``zstd`` where a large answer may be compressed, else None.
        length: bytes that the body was announced with, or None.
        options: of the query string; a JSON body's own keys come before them.
    """

    takes: str
    gives: str
    encoding: str
    packing: str | None
    length: int | None
    options: Options


def wanted(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> Wanted:
    """Read headers and query string.

    Raises:
        MediaTypeError: a body in a format that there is not.
        NotAcceptableError: an answer in a format that there is not.
        InvalidRequestError: a parameter or a value of one that there is not.
    """
    found: dict[bytes, str] = {}
    for name, value in headers:
        text = value.decode("latin-1")
        # Accept may come in several lines; of the others the last one counts.
        found[name] = f"{found[name]},{text}" if name == b"accept" and name in found else text
    takes = _content_type(found.get(b"content-type", JSON))
    digits = found.get(b"content-length", "")
    return Wanted(
        takes,
        _accepted(found.get(b"accept", "").strip() or "*/*", takes),
        found.get(b"content-encoding", "").strip().lower() or "identity",
        packing(found.get(b"accept-encoding", "")),
        int(digits[:20]) if digits.isascii() and digits.isdigit() else None,
        # A stream is answered line by line: the good lines before a bad one are sent already.
        parameters(query, "row" if takes == NDJSON else "request"),
    )


def packing(accept_encoding: str) -> str | None:
    """The compression that an Accept-Encoding asks for, zstd before gzip."""
    asked = dict(_weighted(accept_encoding))
    return next((name for name in ("zstd", "gzip") if asked.get(name, 0.0) > 0), None)


def parameters(query: bytes, on_error: str = "request") -> Options:
    """The options of a query string.

    Args:
        on_error: what stands where the query does not say.

    Raises:
        InvalidRequestError: every parameter that is wrong.
    """
    faults: list[Fault] = []
    interval: float | None = None
    choices = {"on_error": on_error, "extra": "refuse"}
    missing_columns: MissingColumns = "refuse"
    allowed = {"on_error": ("request", "row"), "extra": ("refuse", "ignore")}
    for name, value in _pairs(query):
        if name == "interval":
            try:
                interval = float(value)
            except ValueError:
                interval = float("nan")
            if not 0 < interval < 1:
                faults.append(Fault(None, name, "Expected a number in (0, 1), for example 0.9.", value, "range"))
        elif name in allowed:
            choices[name] = value
            if value not in allowed[name]:
                faults.append(_no_choice(name, value, allowed[name]))
        elif name == MISSING:
            try:
                missing_columns = read_missing_columns(value)
            except InvalidRequestError as error:
                faults.extend(error.faults)
        else:
            faults.append(Fault(None, name, unknown_name("parameter", name, _PARAMETERS), name, "unknown"))
    if faults:
        raise InvalidRequestError(faults)
    return Options(interval, choices["on_error"] == "row", choices["extra"] == "ignore", missing_columns)


def missing_columns_of(query: bytes) -> MissingColumns:
    """The parameter ``missing_columns`` of a protocol that has no other in its query, and passes those of proxies over.

    What ``/predict`` takes there is not passed over: an ``interval`` would be asked for and not be what was answered.

    Raises:
        InvalidRequestError: another value than it has, or a parameter that is ``/predict``'s.
    """
    if not query:
        return "refuse"
    pairs = _pairs(query)
    faults = [
        Fault(None, name, _NOT_HERE if name == "interval" else _PREDICTS, value, "unknown")
        for name, value in pairs
        if name in _PARAMETERS and name != MISSING
    ]
    if faults:
        raise InvalidRequestError(faults)
    return read_missing_columns(dict(pairs).get(MISSING))


def read_missing_columns(value: Any) -> MissingColumns:
    """What becomes of a feature without a column; None is ``refuse``.

    Raises:
        InvalidRequestError: neither ``refuse`` nor ``impute``.
    """
    for choice in MISSING_COLUMNS:
        if value == choice:
            return choice
    if value is None:
        return "refuse"
    raise InvalidRequestError([_no_choice(MISSING, value, MISSING_COLUMNS)])


def _no_choice(name: str, value: Any, choices: Iterable[str]) -> Fault:
    return Fault(None, name, f"Expected {' or '.join(map(repr, choices))}.", value, "type")


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        message = "Expected at most 20 parameters."
        raise InvalidRequestError([Fault(None, None, message, "more", "length")]) from None
    times = Counter(name for name, _ in pairs)
    twice = [name for name in _PARAMETERS if times[name] > 1]
    if twice:
        received = [Described(f"{times[name]} times") for name in twice]
        message = "Expected each parameter once."
        raise InvalidRequestError([Fault(None, n, message, r, "type") for n, r in zip(twice, received, strict=True)])
    return pairs


def _content_type(text: str) -> str:
    media_type = _plain(text)
    if media_type not in MEDIA_TYPES:
        listed = ", ".join(f"'{known}'" for known in MEDIA_TYPES)
        raise MediaTypeError(f"Expected a Content-Type of {listed}. Received: '{text[:_SHOWN]}'.")
    return media_type


def _plain(text: str) -> str:
    media_type = text.partition(";")[0].strip().lower()
    if media_type.startswith("application/") and media_type.endswith("+json"):
        return JSON
    return _ALIASES.get(media_type, media_type)


def _accepted(accept: str, takes: str) -> str:
    for media_type, weight in sorted(_weighted(accept), key=lambda pair: -pair[1]):
        if weight <= 0:
            break
        if media_type in MEDIA_TYPES:
            return media_type
        if media_type == "*/*" or (media_type.endswith("/*") and takes.startswith(media_type[:-1])):
            return takes
        if media_type in ("application/*", "text/*"):
            return JSON if media_type == "application/*" else CSV
    listed = ", ".join(f"'{known}'" for known in MEDIA_TYPES)
    raise NotAcceptableError(f"Expected an Accept of {listed}. Received: '{accept[:_SHOWN]}'.")


def _weighted(text: str) -> list[tuple[str, float]]:
    """The entries of an Accept header with their weights."""
    found = []
    for entry in text.split(",")[:50]:
        name, _, rest = entry.partition(";")
        weight = 1.0
        for parameter in rest.split(";"):
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        if name.strip():
            found.append((_plain(name), weight))
    return found
