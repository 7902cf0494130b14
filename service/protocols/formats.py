"""The formats of a request and of its answer, by media types, Accept and the query string."""

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
_QUOTED_CHARACTERS = 100
_BELONGS_IN_BODY = (
    "Expected no such parameter in the query of this path. Send it in the body: among 'parameters' of the Open "
    "Inference Protocol, beside 'instances' or 'inputs' of TensorFlow Serving."
)
_BELONGS_TO_PREDICT = "Expected no such parameter in the query of this path. Only POST /predict takes it."


class Terms(NamedTuple):
    """The formats and options that the headers and the query string of a request name.

    Attributes:
        body_type: media type of the body.
        answer_type: media type of the answer.
        encoding: Content-Encoding of the body, ``identity`` where there is none.
        packing: ``gzip`` or ``zstd`` where a large answer may be compressed, else None.
        length: bytes of the body that the client announced, or None.
        options: options of the query string; the keys of a JSON body override them.
    """

    body_type: str
    answer_type: str
    encoding: str
    packing: str | None
    length: int | None
    options: Options


def read_terms(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> Terms:
    """Read the headers and the query string.

    Raises:
        MediaTypeError: the service does not read the body's format.
        NotAcceptableError: the service writes none of the formats in Accept.
        InvalidRequestError: a parameter, or the value of one, does not exist.
    """
    lines: dict[bytes, str] = {}
    for name, value in headers:
        text = value.decode("latin-1")
        # Accept may come in several lines; of any other header the last line counts.
        lines[name] = f"{lines[name]},{text}" if name == b"accept" and name in lines else text
    body_type = _content_type(lines.get(b"content-type", JSON))
    digits = lines.get(b"content-length", "")
    return Terms(
        body_type,
        _accepted(lines.get(b"accept", "").strip() or "*/*", body_type),
        lines.get(b"content-encoding", "").strip().lower() or "identity",
        packing(lines.get(b"accept-encoding", "")),
        int(digits[:20]) if digits.isascii() and digits.isdigit() else None,
        # A stream is answered line by line: when a bad line comes, the answers to earlier good lines have been sent.
        parameters(query, "row" if body_type == NDJSON else "request"),
    )


def packing(accept_encoding: str) -> str | None:
    """The compression that an Accept-Encoding asks for, zstd before gzip."""
    weights = dict(_weighted(accept_encoding))
    return next((name for name in ("zstd", "gzip") if weights.get(name, 0.0) > 0), None)


def parameters(query: bytes, on_error: str = "request") -> Options:
    """The options of a query string.

    Args:
        query: the query string.
        on_error: value of ``on_error`` where the query does not name it.

    Raises:
        InvalidRequestError: some parameters are wrong; the error lists each of them.
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
    """Read ``missing_columns``, the only parameter in the query of other protocols. Parameters of proxies are ignored.

    Parameters of ``/predict`` are refused: if an ``interval`` were ignored, the caller would get another one unnoticed.

    Raises:
        InvalidRequestError: the value is neither ``refuse`` nor ``impute``, or a parameter is one of ``/predict``.
    """
    if not query:
        return "refuse"
    pairs = _pairs(query)
    faults = [
        Fault(None, name, _BELONGS_IN_BODY if name == "interval" else _BELONGS_TO_PREDICT, value, "unknown")
        for name, value in pairs
        if name in _PARAMETERS and name != MISSING
    ]
    if faults:
        raise InvalidRequestError(faults)
    return read_missing_columns(dict(pairs).get(MISSING))


def read_missing_columns(value: Any) -> MissingColumns:
    """Check a value of ``missing_columns``; None stands for ``refuse``.

    Raises:
        InvalidRequestError: the value is neither ``refuse`` nor ``impute``.
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
        listed = ", ".join(f"'{name}'" for name in MEDIA_TYPES)
        raise MediaTypeError(f"Expected a Content-Type of {listed}. Received: '{text[:_QUOTED_CHARACTERS]}'.")
    return media_type


def _plain(text: str) -> str:
    media_type = text.partition(";")[0].strip().lower()
    if media_type.startswith("application/") and media_type.endswith("+json"):
        return JSON
    return _ALIASES.get(media_type, media_type)


def _accepted(accept: str, body_type: str) -> str:
    for media_type, weight in sorted(_weighted(accept), key=lambda pair: -pair[1]):
        if weight <= 0:
            break
        if media_type in MEDIA_TYPES:
            return media_type
        if media_type == "*/*" or (media_type.endswith("/*") and body_type.startswith(media_type[:-1])):
            return body_type
        if media_type in ("application/*", "text/*"):
            return JSON if media_type == "application/*" else CSV
    listed = ", ".join(f"'{name}'" for name in MEDIA_TYPES)
    raise NotAcceptableError(f"Expected an Accept of {listed}. Received: '{accept[:_QUOTED_CHARACTERS]}'.")


def _weighted(text: str) -> list[tuple[str, float]]:
    """The entries of an Accept header with their weights."""
    entries = []
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
            entries.append((_plain(name), weight))
    return entries
