"""Lists every fault of a refused body. Only refused bodies come here, so this code may be slow."""

from __future__ import annotations

from typing import Any

from pydantic_core import ValidationError, from_json

from artifact.errors import FAULT_LIMIT, Fault, SchemaMismatchError, unknown_name
from artifact.rows.absent import MissingColumns
from artifact.rows.encoding import Encoder
from artifact.rows.schema import FeatureSchema
from service.predict.hints import is_not_finite, is_whole, no_feature, not_finite
from service.predict.looks import looks_like
from service.predict.parts import absent_faults
from service.wire.errors import DETAILS_LIMIT, ApiError, Described, InvalidRequestError, NotJSONError, TooLargeError

KEYS = ("rows", "columns", "interval", "on_error")
ON_ERROR = ("request", "row")
_NAME_LENGTH = 100
_RECORDS = "'rows' is what pandas' to_json(orient='records') writes"
# Ranking all features by similarity is slow. After this many wrong names, messages point to the schema instead.
_RANKED_NAMES = 10


def labels(schema: FeatureSchema) -> frozenset[str]:
    """The fields that metrics name: features, and the keys of a request. All other names share one label."""
    return frozenset((*schema.names, *KEYS))


def explain(
    body: bytes,
    encoder: Encoder,
    max_rows: int,
    error: ValidationError | None,
    missing_columns: MissingColumns = "refuse",
) -> ApiError:
    """The error that answers a refused body.

    Args:
        body: the bytes of the request.
        encoder: encoder of the live model.
        max_rows: most rows in a request.
        error: the validator's error, used where no other fault is found.
        missing_columns: the value with which the request was read.
    """
    try:
        document = from_json(body)
    except ValueError as problem:
        return NotJSONError(f"Expected a JSON body. Received: {looks_like(body, str(problem))}.")
    return explain_document(document, encoder, max_rows, error, missing_columns)


def explain_document(
    document: Any,
    encoder: Encoder,
    max_rows: int,
    error: ValidationError | None = None,
    missing_columns: MissingColumns = "refuse",
) -> ApiError:
    """As :func:`explain`, for a body that is parsed already and may hold NaN and infinities."""
    if not isinstance(document, dict):
        message = "Expected an object with 'rows' or 'columns'."
        if isinstance(document, list):
            message += ' Rows alone go as {"rows": [...]}.'
        return InvalidRequestError([Fault(None, None, message, document, "type")])
    collector = _Collector(encoder, missing_columns)
    too_large = collector.request(document, max_rows)
    if too_large is not None:
        return too_large
    if not collector.faults:
        message = error.errors(include_url=False)[0]["msg"] if error else "Expected rows that fit the schema"
        collector.add(None, None, f"{message}.", None, "type")
    collector.faults.sort(key=lambda fault: -1 if fault.row is None else fault.row)
    return InvalidRequestError(collector.faults)


class _Collector:
    """Collects the first fault of each value."""

    def __init__(self, encoder: Encoder, missing_columns: MissingColumns) -> None:
        self.encoder = encoder
        self.missing_columns = missing_columns
        self.schema = encoder.schema
        self.names = frozenset(self.schema.names)
        self.faults: list[Fault] = []
        self._places: set[tuple[int | None, str | None]] = set()
        self._sentences: dict[tuple[str, bool], str] = {}

    def add(self, row: int | None, field: str | None, message: str, received: Any, reason: str) -> None:
        if (row, field) not in self._places:
            self._places.add((row, field))
            self.faults.append(Fault(row, field, message, received, reason))

    def request(self, document: dict[str, Any], max_rows: int) -> TooLargeError | None:
        if document and (not document.keys() & {"rows", "columns"} or document.keys() >= {"columns", "data"}):
            other_shape = _other_shape(document, self.names)
            if other_shape is not None:
                self.add(*other_shape)
                return None
        for key in [k for k in document if k not in KEYS][:DETAILS_LIMIT]:
            name = key[:_NAME_LENGTH]
            self.add(None, name, unknown_name("field", name, KEYS), document[key], "unknown")
        self._interval(document.get("interval"))
        if document.get("on_error") not in (None, *ON_ERROR):
            self.add(None, "on_error", "Expected 'request' or 'row'.", document["on_error"], "type")
        rows, columns = document.get("rows"), document.get("columns")
        if (rows is None) == (columns is None):
            choice = "both" if rows is not None else "neither"
            self.add(None, None, "Expected either 'rows' or 'columns'.", Described(choice), "type")
        elif rows is not None:
            if isinstance(rows, list) and len(rows) > max_rows:
                return TooLargeError.rows(max_rows, len(rows))
            self._rows(rows)
        else:
            longest = self._columns(columns, max(max_rows, FAULT_LIMIT))
            if not self.faults and longest > max_rows:
                return TooLargeError.rows(max_rows, longest)
        return None

    def _interval(self, level: Any) -> None:
        number = isinstance(level, (int, float)) and not isinstance(level, bool)
        if level is not None and not (number and 0 < level < 1):
            self.add(None, "interval", "Expected a number in (0, 1), for example 0.9.", level, "range")

    def _rows(self, rows: Any) -> None:
        if not isinstance(rows, list) or not rows:
            message = "Expected a list of at least one object, one a row."
            if isinstance(rows, dict) and rows:
                message += ' One row goes as {"rows": [{...}]}.'
            self.add(None, "rows", message, rows, "type")
            return
        clean: list[dict[str, Any]] = []
        at: list[int] = []
        for i, row in enumerate(rows):
            if not isinstance(row, dict):
                self.add(i, None, "Expected an object, feature name to value.", row, "type")
                continue
            whole = not row.keys() <= self.names and is_whole(self.schema, row)
            clean.append(
                {
                    name: self._number(i, name, value)
                    for name, value in row.items()
                    if self._is_known(i, name, whole=whole)
                }
            )
            at.append(i)
            if len(self.faults) >= DETAILS_LIMIT:
                break
        try:
            self.encoder.encode_rows(clean)
        except SchemaMismatchError as error:
            for fault in error.faults:
                row = None if fault.row is None else at[fault.row]
                self.add(row, fault.field, fault.message, fault.received, fault.reason)

    def _columns(self, columns: Any, limit: int) -> int:
        """Check the first ``limit`` rows and one more, because a hostile body has many; return the longest length."""
        if not isinstance(columns, dict) or not columns:
            self.add(None, "columns", "Expected an object, feature name to a list of values.", columns, "type")
            return 0
        longest = 0
        clean: dict[str, list[Any]] = {}
        whole = is_whole(self.schema, columns)
        for name, values in columns.items():
            if not self._is_known(None, name, whole=whole):
                continue
            if not isinstance(values, list) or not values:
                self.add(None, name, "Expected a list of at least one value.", values, "type")
                continue
            longest = max(longest, len(values))
            clean[name] = [self._number(i, name, value) for i, value in enumerate(values[: limit + 1])]
            if len(self.faults) >= DETAILS_LIMIT:
                break
        for fault in absent_faults(self.schema, list(columns), self.missing_columns):
            self.add(*fault)
        try:
            self.encoder.encode_columns(clean, missing_columns="impute")
        except SchemaMismatchError as error:
            fields = {fault.field for fault in self.faults if fault.row is None}
            for fault in error.faults:
                if fault.field not in fields:
                    self.add(*fault)
        return longest

    def _number(self, row: int, name: str, value: Any) -> Any:
        """The value. For NaN and infinities, which JSON does not have, add a fault and return None."""
        if is_not_finite(value):
            if len(self.faults) < DETAILS_LIMIT:
                self.add(*not_finite(row, self.schema.feature(name), value))
            return None
        return value

    def _is_known(self, row: int | None, name: str, *, whole: bool) -> bool:
        if name in self.names:
            return True
        if len(self.faults) < DETAILS_LIMIT:
            short = name[:_NAME_LENGTH]
            sentence = self._sentences.get((short, whole))
            if sentence is None:
                listed = len(self._sentences) < _RANKED_NAMES
                sentence = no_feature(self.schema, name, whole=whole, listed=listed)
                self._sentences[short, whole] = sentence
            self.add(row, short, sentence, name, "unknown")
        return False


def _is_of_pandas(document: dict[str, Any]) -> bool:
    """Whether this is the output of pandas' ``to_json`` in an orient other than records, or MLflow's form of it."""
    by_index = all(key.isdecimal() and isinstance(row, dict) for key, row in document.items())
    mlflow = any(key.startswith("dataframe_") for key in document)
    return by_index or mlflow or document.keys() >= {"columns", "data"} or document.keys() >= {"schema", "data"}


def _other_shape(document: dict[str, Any], features: frozenset[str]) -> Fault | None:
    """The fault that says what to send in place of a body of another, well-known shape; None for any other body."""
    matches = document.keys() & features
    if matches and any(isinstance(document[name], dict) for name in matches):
        way, received = _RECORDS, "columns as pandas writes them"
    elif matches and all(isinstance(document[name], list) for name in matches):
        way, received = 'send {"columns": {...}}, with the lists inside', "columns by themselves"
    elif matches:
        way, received = 'send {"rows": [{...}]}, with the row inside', "a row by itself"
    elif document.keys() & {"instances", "inputs"}:
        way = "'instances' go to POST /v1/models/NAME:predict, tensors to POST /v2/models/NAME/infer"
        received = "the body of another protocol"
    elif _is_of_pandas(document):
        way, received = _RECORDS, "another shape of pandas'"
    else:
        return None
    return Fault(None, None, f"Expected 'rows' or 'columns': {way}.", Described(received), "type")
