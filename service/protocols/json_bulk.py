"""Large JSON bodies, read in pieces: one call that reads ten thousand rows would hold the interpreter for all of them.

A body is cut between its rows, or between its columns, before it is parsed. If each cut lies outside of every string
and each piece is valid JSON, the pieces together are equal to the whole body. A body that cannot be cut in this way is
read whole. The shapes are those of :mod:`service.predict.requests` and :mod:`service.predict.responses`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import orjson

from artifact.errors import Fault
from artifact.rows.encoding import Encoder
from artifact.rows.schema import FeatureSchema
from service.predict.explain import KEYS, explain
from service.predict.hints import is_whole, no_feature, take_out, take_out_of_columns
from service.predict.misspelt import Misspelt
from service.predict.parts import PART_ROWS, Options, Part, PartAnswer, feature_columns, sliced
from service.protocols.json_strict import Read, read_json
from service.wire.errors import DETAILS_LIMIT, InvalidRequestError

PIECE = 131_072
_ROWS = re.compile(rb'"rows"\s*:\s*\[')
_COLUMNS = re.compile(rb'"columns"\s*:\s*\{')
_BETWEEN_ROWS = re.compile(rb"\}\s*,\s*(?=\{)")
_BETWEEN_COLUMNS = re.compile(rb'\]\s*,\s*(?=")')
_NUMBERS = frozenset({float, int, type(None)})
_BOOLEANS = frozenset({bool, type(None)})


class NotCutError(Exception):
    """A piece is not valid JSON: the body has to be read whole."""


class JsonRequest(NamedTuple):
    """A body whose rows are still to be read.

    Attributes:
        parts: reads the rows; may raise :class:`NotCutError` if the body is read in pieces.
        options: the options, with those in the body.
        by_column: whether the body holds columns.
    """

    parts: Iterator[Part]
    options: Options
    by_column: bool


class JsonBulkReader:
    """Reads large bodies for one model version.

    Args:
        encoder: encoder of that version.
        max_rows: most rows in a request.
    """

    def __init__(self, encoder: Encoder, max_rows: int) -> None:
        self._encoder = encoder
        self._max_rows = max_rows

    def read(self, body: bytes, options: Options, *, in_pieces: bool) -> JsonRequest:
        """Begin to read a body.

        Args:
            body: JSON.
            options: options of the query string.
            in_pieces: whether to cut the body and read it in pieces.

        Raises:
            NotCutError: ``in_pieces`` is set, and the body cannot be cut.
            ApiError: the body is not JSON, or not a request.
        """
        schema = self._encoder.schema
        if in_pieces:
            rest, pieces, by_column = _cut(body)
            options = self._options(rest, body, options)
            if by_column:
                return JsonRequest(self._columns(_read_columns(pieces, schema), body, options), options, True)
            return JsonRequest(self._cut_rows(pieces, schema, options), options, False)
        document, is_json = self._read_whole(body, options)
        options = self._options(document, body, options)
        rows, columns = document.get("rows"), document.get("columns")
        if (rows is None) == (columns is None):
            raise self._refusal(body, options)
        if rows is not None:
            if not isinstance(rows, list) or not rows:
                raise self._refusal(body, options)
            return JsonRequest(_row_parts(rows, schema, options, is_json=is_json), options, False)
        if not isinstance(columns, dict) or not columns:
            raise self._refusal(body, options)
        parts = self._columns(columns, body, options)
        if not is_json:
            parts = _with_faults(parts, take_out_of_columns(schema, columns))
        return JsonRequest(parts, options, True)

    def _read_whole(self, body: bytes, options: Options) -> Read:
        result = read_json(body)
        document = result.document
        if not isinstance(document, dict) or not document.keys() <= set(KEYS):
            raise self._refusal(body, options)
        if not result.is_json and not (options.by_row or document.get("on_error") == "row"):
            raise self._refusal(body, options)
        return result

    def _refusal(self, body: bytes, options: Options) -> Exception:
        return explain(body, self._encoder, self._max_rows, None, options.missing_columns)

    def _options(self, document: Mapping[str, Any], body: bytes, options: Options) -> Options:
        level, on_error = document.get("interval"), document.get("on_error")
        number = isinstance(level, (int, float)) and not isinstance(level, bool) and 0 < level < 1
        if (level is not None and not number) or on_error not in (None, "request", "row"):
            raise self._refusal(body, options)
        interval = options.interval if level is None else level
        return options._replace(interval=interval, by_row=options.by_row if on_error is None else on_error == "row")

    def _columns(self, columns: dict[str, Any], body: bytes, options: Options) -> Iterator[Part]:
        if not all(isinstance(values, (list, np.ndarray)) and len(values) for values in columns.values()):
            raise self._refusal(body, options)
        schema = self._encoder.schema
        names = list(columns)
        table = {names[i]: columns[names[i]] for i in feature_columns(schema, names, options)}
        lengths = {name: len(values) for name, values in table.items()}
        n_rows = next(iter(lengths.values()), 0)
        wrong = next((name for name, length in lengths.items() if length != n_rows), None)
        if wrong is not None:
            message = f"Expected columns of equal length, {n_rows} as '{next(iter(lengths))}' has."
            raise InvalidRequestError([Fault(None, wrong, message, f"{lengths[wrong]} values", "length")])
        for name, values in table.items():
            if isinstance(values, list):
                table[name] = as_array(schema, name, values)
        yield from sliced(table, n_rows)

    def _cut_rows(self, pieces: Iterator[bytes], schema: FeatureSchema, options: Options) -> Iterator[Part]:
        for piece in pieces:
            try:
                rows = orjson.loads(b"[" + piece + b"]")
            except orjson.JSONDecodeError:
                raise NotCutError from None
            yield from _row_parts(rows, schema, options, is_json=True)


def columns_of(rows: Sequence[Any], schema: FeatureSchema, options: Options) -> Part:
    """Turn rows into columns. Rows that are no object, and names that are no feature, become faults."""
    names = schema.names
    if rows and len(names) > 1:
        try:
            values = list(map(itemgetter(*names), rows))
        except (KeyError, TypeError, IndexError):
            pass
        else:
            if sum(map(len, rows)) == len(names) * len(rows):
                return Part(dict(zip(names, map(list, zip(*values, strict=True)), strict=True)), len(rows))
    features = frozenset(names)
    # With missing_columns=impute the caller allows a feature to have no key, even if another key has a similar name.
    misspellings = Misspelt(schema) if options.ignore_extra and options.missing_columns == "refuse" else None
    faults: list[Fault] = []
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            faults.append(Fault(i, None, "Expected an object, feature name to value.", row, "type"))
        elif row.keys() <= features:
            continue
        elif not options.ignore_extra:
            faults.extend(_unknown(i, row, schema, features))
        elif misspellings is not None:
            faults.extend(misspellings.faults(i, row))
    objects = [row if isinstance(row, dict) else {} for row in rows]
    return Part({name: [row.get(name) for row in objects] for name in names}, len(rows), faults)


def as_array(schema: FeatureSchema, name: str, values: list[Any]) -> Any:
    """The list as an array if the types of its values fit the feature.

    Otherwise the list itself: the encoding then says what is wrong with it.
    """
    kind = schema.feature(name).kind
    if kind in ("category", "datetime") or not set(map(type, values)) <= (_BOOLEANS if kind == "boolean" else _NUMBERS):
        return values
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        return values


def _unknown(i: int, row: dict[str, Any], schema: FeatureSchema, features: frozenset[str]) -> Iterator[Fault]:
    """The faults of a row's names that are no feature; only the first ten get suggestions."""
    whole = is_whole(schema, row)
    if isinstance(row.get("rows"), list) and "rows" not in features:
        message = "Expected a row by itself, feature name to value, without 'rows' around it."
        yield Fault(i, None, message, row["rows"], "unknown")
        return
    for k, name in enumerate([n for n in row if n not in features][:DETAILS_LIMIT]):
        yield Fault(i, name[:100], no_feature(schema, name, whole=whole, listed=k < 10), name, "unknown")


def _row_parts(rows: list[Any], schema: FeatureSchema, options: Options, *, is_json: bool) -> Iterator[Part]:
    for start in range(0, len(rows), PART_ROWS):
        part_rows = rows[start : start + PART_ROWS]
        faults = [] if is_json else take_out(schema, part_rows)
        part = columns_of(part_rows, schema, options)
        yield part._replace(faults=[*part.faults, *faults]) if faults else part


def _with_faults(parts: Iterator[Part], faults: Sequence[Fault]) -> Iterator[Part]:
    """Add faults, with rows counted from the request's first, to the parts that hold their rows."""
    by_row: dict[int, list[Fault]] = {}
    for fault in faults:
        by_row.setdefault(fault.row or 0, []).append(fault)
    start = 0
    for part in parts:
        part_faults = [f._replace(row=i) for i in range(part.n_rows) for f in by_row.get(start + i, ())]
        yield part._replace(faults=part_faults)
        start += part.n_rows


def _cut(body: bytes) -> tuple[dict[str, Any], Iterator[bytes], bool]:
    """Cut the body: return it without its rows, then the rows in pieces, and whether these pieces are columns."""
    if b'\\"' in body or b"\\\\" in body:
        # With a backslash a quotation mark may be inside a string.
        raise NotCutError
    for pattern, by_column in ((_ROWS, False), (_COLUMNS, True)):
        match = pattern.search(body, 0, 1024)
        last = body.rfind(b"]")
        if match is None or last < match.end():
            continue
        end = last + 1 if by_column else last
        try:
            rest = orjson.loads(body[: match.end()] + body[end:])
        except orjson.JSONDecodeError:
            continue
        if isinstance(rest, dict) and rest.keys() <= set(KEYS) and not rest.get("columns" if by_column else "rows"):
            both_forms = rest.pop("rows" if by_column else "columns", None) is not None
            if not both_forms:
                between = _BETWEEN_COLUMNS if by_column else _BETWEEN_ROWS
                return rest, _pieces(body, match.end(), end, between, 0 if by_column else PIECE), by_column
    raise NotCutError


def _pieces(body: bytes, start: int, end: int, between: re.Pattern[bytes], size: int) -> Iterator[bytes]:
    """Cut pieces of at least ``size`` bytes, where no string is open."""
    at = start + size
    while at < end:
        match = between.search(body, at, end)
        if match is None:
            break
        if body.count(b'"', start, match.start()) % 2:
            at = match.end()
            continue
        yield body[start : match.start() + 1]
        start = match.end()
        at = start + size
    yield body[start:end]


def _read_columns(pieces: Iterator[bytes], schema: FeatureSchema) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    features = frozenset(schema.names)
    for piece in pieces:
        try:
            entries = orjson.loads(b"{" + piece + b"}")
        except orjson.JSONDecodeError:
            raise NotCutError from None
        for name, values in entries.items():
            is_column = name in features and isinstance(values, list) and values
            columns[name] = as_array(schema, name, values) if is_column else values
    return columns


def numbers(column: Any) -> bytes:
    """A column as JSON, with all digits of each double; NaN becomes null."""
    return orjson.dumps(np.ascontiguousarray(column, dtype=np.float64), option=orjson.OPT_SERIALIZE_NUMPY)


def row_error(answer: PartAnswer, row: int) -> InvalidRequestError:
    """The error of one row of a part, with the row counted from the request's first."""
    place = answer.start + row
    return InvalidRequestError([fault._replace(row=place) for fault in answer.errors[row]])
