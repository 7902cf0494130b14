"""Large JSON bodies, read in pieces: one call that reads ten thousand rows would hold the interpreter for all of them.

A body is cut between its rows, or between its columns, without being read: where a cut lies outside every string and
each piece is JSON of its own, the pieces are what the whole would have been. A body that cannot be cut so is read
whole. Shapes as in :mod:`service.predict.requests` and :mod:`service.predict.responses`.
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

_PIECE = 131_072
_ROWS = re.compile(rb'"rows"\s*:\s*\[')
_COLUMNS = re.compile(rb'"columns"\s*:\s*\{')
_BETWEEN_ROWS = re.compile(rb"\}\s*,\s*(?=\{)")
_BETWEEN_COLUMNS = re.compile(rb'\]\s*,\s*(?=")')
_NUMBERS = frozenset({float, int, type(None)})
_BOOLEANS = frozenset({bool, type(None)})


class NotCutError(Exception):
    """A piece is not JSON of its own: the body has to be read whole."""


class JsonRequest(NamedTuple):
    """A body, its rows still to be read.

    Attributes:
        parts: reads them; may raise :class:`NotCutError` where ``cut``.
        options: the body's own.
        by_column: whether it holds columns.
    """

    parts: Iterator[Part]
    options: Options
    by_column: bool


class JsonBulkReader:
    """Reads large bodies for one model version.

    Args:
        encoder: of the same version.
        max_rows: most rows in a request.
    """

    def __init__(self, encoder: Encoder, max_rows: int) -> None:
        self._encoder = encoder
        self._max_rows = max_rows

    def read(self, body: bytes, options: Options, *, cut: bool) -> JsonRequest:
        """Begin to read a body.

        Raises:
            NotCutError: ``cut``, and it cannot be.
            ApiError: not JSON, or not a request.
        """
        schema = self._encoder.schema
        if cut:
            rest, pieces, by_column = _cut(body)
            options = self._options(rest, body, options)
            if by_column:
                return JsonRequest(self._columns(_read_columns(pieces, schema), body, options), options, True)
            return JsonRequest(self._cut_rows(pieces, schema, options), options, False)
        found, is_json = self._whole(body, options)
        options = self._options(found, body, options)
        rows, columns = found.get("rows"), found.get("columns")
        if (rows is None) == (columns is None):
            raise self._wrong(body, options)
        if rows is not None:
            if not isinstance(rows, list) or not rows:
                raise self._wrong(body, options)
            return JsonRequest(_row_parts(rows, schema, options, is_json=is_json), options, False)
        if not isinstance(columns, dict) or not columns:
            raise self._wrong(body, options)
        parts = self._columns(columns, body, options)
        if not is_json:
            parts = _with_faults(parts, take_out_of_columns(schema, columns))
        return JsonRequest(parts, options, True)

    def _whole(self, body: bytes, options: Options) -> Read:
        read = read_json(body)
        found = read.document
        if not isinstance(found, dict) or not found.keys() <= set(KEYS):
            raise self._wrong(body, options)
        if not read.is_json and not (options.by_row or found.get("on_error") == "row"):
            raise self._wrong(body, options)
        return read

    def _wrong(self, body: bytes, options: Options) -> Exception:
        return explain(body, self._encoder, self._max_rows, None, options.missing_columns)

    def _options(self, found: Mapping[str, Any], body: bytes, options: Options) -> Options:
        level, on_error = found.get("interval"), found.get("on_error")
        number = isinstance(level, (int, float)) and not isinstance(level, bool) and 0 < level < 1
        if (level is not None and not number) or on_error not in (None, "request", "row"):
            raise self._wrong(body, options)
        interval = options.interval if level is None else level
        return options._replace(interval=interval, by_row=options.by_row if on_error is None else on_error == "row")

    def _columns(self, columns: dict[str, Any], body: bytes, options: Options) -> Iterator[Part]:
        if not all(isinstance(values, (list, np.ndarray)) and len(values) for values in columns.values()):
            raise self._wrong(body, options)
        schema = self._encoder.schema
        names = list(columns)
        kept = {names[i]: columns[names[i]] for i in feature_columns(schema, names, options)}
        lengths = {name: len(values) for name, values in kept.items()}
        n_rows = next(iter(lengths.values()), 0)
        wrong = next((name for name, length in lengths.items() if length != n_rows), None)
        if wrong is not None:
            message = f"Expected columns of equal length, {n_rows} as '{next(iter(lengths))}' has."
            raise InvalidRequestError([Fault(None, wrong, message, f"{lengths[wrong]} values", "length")])
        for name, values in kept.items():
            if isinstance(values, list):
                kept[name] = typed(schema, name, values)
        yield from sliced(kept, n_rows)

    def _cut_rows(self, pieces: Iterator[bytes], schema: FeatureSchema, options: Options) -> Iterator[Part]:
        for piece in pieces:
            try:
                rows = orjson.loads(b"[" + piece + b"]")
            except orjson.JSONDecodeError:
                raise NotCutError from None
            yield from _row_parts(rows, schema, options, is_json=True)


def columns_of(rows: Sequence[Any], schema: FeatureSchema, options: Options) -> Part:
    """Rows as columns; what is no object, and names that are no feature's, are faults of their rows."""
    names = schema.names
    if rows and len(names) > 1:
        try:
            values = list(map(itemgetter(*names), rows))
        except (KeyError, TypeError, IndexError):
            pass
        else:
            if sum(map(len, rows)) == len(names) * len(rows):
                return Part(dict(zip(names, map(list, zip(*values, strict=True)), strict=True)), len(rows))
    known = frozenset(names)
    # With missing_columns=impute the caller has said that a feature may have no key, whatever the others are called.
    misspelt = Misspelt(schema) if options.ignore_extra and options.missing_columns == "refuse" else None
    faults: list[Fault] = []
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            faults.append(Fault(i, None, "Expected an object, feature name to value.", row, "type"))
        elif row.keys() <= known:
            continue
        elif not options.ignore_extra:
            faults.extend(_unknown(i, row, schema, known))
        elif misspelt is not None:
            faults.extend(misspelt.faults(i, row))
    objects = [row if isinstance(row, dict) else {} for row in rows]
    return Part({name: [row.get(name) for row in objects] for name in names}, len(rows), faults)


def typed(schema: FeatureSchema, name: str, values: list[Any]) -> Any:
    """A list as an array where its types are its feature's; else the list, for the encoding to say what is wrong."""
    kind = schema.feature(name).kind
    if kind in ("category", "datetime") or not set(map(type, values)) <= (_BOOLEANS if kind == "boolean" else _NUMBERS):
        return values
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        return values


def _unknown(i: int, row: dict[str, Any], schema: FeatureSchema, known: frozenset[str]) -> Iterator[Fault]:
    """The faults of a row's names that are no feature's; the nearest names are sought for the first ten."""
    whole = is_whole(schema, row)
    if isinstance(row.get("rows"), list) and "rows" not in known:
        message = "Expected a row by itself, feature name to value, without 'rows' around it."
        yield Fault(i, None, message, row["rows"], "unknown")
        return
    for k, name in enumerate([n for n in row if n not in known][:DETAILS_LIMIT]):
        yield Fault(i, name[:100], no_feature(schema, name, whole=whole, listed=k < 10), name, "unknown")


def _row_parts(rows: list[Any], schema: FeatureSchema, options: Options, *, is_json: bool) -> Iterator[Part]:
    for start in range(0, len(rows), PART_ROWS):
        some = rows[start : start + PART_ROWS]
        faults = [] if is_json else take_out(schema, some)
        part = columns_of(some, schema, options)
        yield part._replace(faults=[*part.faults, *faults]) if faults else part


def _with_faults(parts: Iterator[Part], faults: Sequence[Fault]) -> Iterator[Part]:
    """Parts with the faults of their rows, given with the request's row numbers."""
    by_row: dict[int, list[Fault]] = {}
    for fault in faults:
        by_row.setdefault(fault.row or 0, []).append(fault)
    start = 0
    for part in parts:
        own = [f._replace(row=i) for i in range(part.n_rows) for f in by_row.get(start + i, ())]
        yield part._replace(faults=own)
        start += part.n_rows


def _cut(body: bytes) -> tuple[dict[str, Any], Iterator[bytes], bool]:
    """The body without its rows, the pieces that they are cut into, and whether they are columns."""
    if b'\\"' in body or b"\\\\" in body:
        # With these a quotation mark may be inside a string.
        raise NotCutError
    for pattern, by_column in ((_ROWS, False), (_COLUMNS, True)):
        found = pattern.search(body, 0, 1024)
        last = body.rfind(b"]")
        if found is None or last < found.end():
            continue
        end = last + 1 if by_column else last
        try:
            rest = orjson.loads(body[: found.end()] + body[end:])
        except orjson.JSONDecodeError:
            continue
        if isinstance(rest, dict) and rest.keys() <= set(KEYS) and not rest.get("columns" if by_column else "rows"):
            other = rest.pop("rows" if by_column else "columns", None)
            if other is None:
                between = _BETWEEN_COLUMNS if by_column else _BETWEEN_ROWS
                return rest, _pieces(body, found.end(), end, between, 0 if by_column else _PIECE), by_column
    raise NotCutError


def _pieces(body: bytes, start: int, end: int, between: re.Pattern[bytes], size: int) -> Iterator[bytes]:
    """Pieces of at least ``size`` bytes, cut where no string is open."""
    at = start + size
    while at < end:
        found = between.search(body, at, end)
        if found is None:
            break
        if body.count(b'"', start, found.start()) % 2:
            at = found.end()
            continue
        yield body[start : found.start() + 1]
        start = found.end()
        at = start + size
    yield body[start:end]


def _read_columns(pieces: Iterator[bytes], schema: FeatureSchema) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    known = frozenset(schema.names)
    for piece in pieces:
        try:
            found = orjson.loads(b"{" + piece + b"}")
        except orjson.JSONDecodeError:
            raise NotCutError from None
        for name, values in found.items():
            is_column = name in known and isinstance(values, list) and values
            columns[name] = typed(schema, name, values) if is_column else values
    return columns


def numbers(column: Any) -> bytes:
    """A column as JSON: every digit of each number's double; null where there is none."""
    return orjson.dumps(np.ascontiguousarray(column, dtype=np.float64), option=orjson.OPT_SERIALIZE_NUMPY)


def row_error(answered: PartAnswer, row: int) -> InvalidRequestError:
    """The error of a row of a part, numbered as in the request."""
    place = answered.start + row
    return InvalidRequestError([fault._replace(row=place) for fault in answered.errors[row]])
