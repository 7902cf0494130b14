"""``text/csv``: a header line, then one row a line, in UTF-8, with quotation marks as in RFC 4180.

The separator is a comma, a semicolon, a tab or a bar: the one that gives the most features in the header.

Values are read by the rules of the version's training (:mod:`artifact.rows.texts`): an empty field and ``NA`` are
missing, and numbers and dates may be written as in the training table. The answer has the columns ``value``, ``lower``,
``upper`` and ``warnings``. With several targets these are ``NAME_value`` and so on for each target. With
``on_error=row`` there is also a column ``error``.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Any

import numpy as np

from artifact.errors import Fault
from artifact.predictor import Predictor
from artifact.rows.schema import Feature, FeatureSchema, Kind
from artifact.rows.texts.plain import SPACES
from artifact.rows.texts.read import read_texts
from service.predict.looks import BOM, looks_like
from service.predict.parts import PART_ROWS, Options, Part, PartAnswer, feature_columns
from service.protocols.json_bulk import row_error
from service.wire.errors import BodyFormatError

# In order of preference, where several give equally many features.
_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(rf"sep=[{_SEPARATORS}]\r?\n?", re.IGNORECASE)


def read_csv(body: bytes, schema: FeatureSchema, options: Options) -> Iterator[Part]:
    """The rows of a CSV table.

    Raises:
        BodyFormatError: the body is not UTF-8 or not CSV, or has no header line.
        InvalidRequestError: the header does not fit the schema.
    """
    text = io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", errors="strict", newline="")
    lines = csv.reader(text, strict=True)
    try:
        first = text.readline()
        if _SEPARATOR_LINE.fullmatch(first):  # Excel's own line that names the separator
            lines = csv.reader(text, strict=True, delimiter=first[4])
        else:
            separator = _separator(first, frozenset(schema.names))
            lines = csv.reader(chain([first] if first else [], text), strict=True, delimiter=separator)
        header = next(lines, None)
        if not header:
            raise BodyFormatError("Expected a header line with the features' names. Received: none.")
        names = [name.strip() for name in header]
        positions = feature_columns(schema, names, options)
        features = [(i, schema.feature(names[i])) for i in positions]
        while rows := list(islice(lines, PART_ROWS)):
            yield _part([row for row in rows if row], features, len(names))
    except UnicodeDecodeError as error:
        received = looks_like(body, f"{error.reason} at byte {error.start}. Save the table as UTF-8", own=BOM)
        raise BodyFormatError(f"Expected CSV in UTF-8. Received: {received}.") from None
    except csv.Error as error:
        raise BodyFormatError(f"Expected CSV. Received: {error}, near line {lines.line_num}.") from None


def _separator(header: str, feature_names: frozenset[str]) -> str:
    def features(separator: str) -> int:
        names = next(csv.reader([header], delimiter=separator), [])
        return len(feature_names.intersection(name.strip() for name in names))

    return max(_SEPARATORS, key=features)


def _part(rows: list[list[str]], features: list[tuple[int, Feature]], width: int) -> Part:
    faults: list[Fault] = []
    if sum(map(len, rows)) != width * len(rows) or any(len(row) != width for row in rows):
        message = f"Expected {width} values, as the header line has."
        for i, row in enumerate(rows):
            if len(row) != width:
                faults.append(Fault(i, None, message, f"{len(row)} values", "length"))
                rows[i] = [""] * width
    if not rows:
        return Part({feature.name: [] for _, feature in features}, 0)
    columns = list(zip(*rows, strict=True))
    return Part(
        {feature.name: _READERS[feature.kind](feature, columns[i]) for i, feature in features}, len(rows), faults
    )


def _numbers(feature: Feature, values: tuple[str, ...]) -> Any:
    text = ",".join(values)
    if feature.text is None and text.isascii() and "_" not in text and "" not in values:
        try:
            numbers = np.array(list(map(float, values)))
        except ValueError:
            pass
        else:
            if np.isfinite(numbers).all():
                return numbers
    return read_texts(feature, values)


def _moments(feature: Feature, values: tuple[str, ...]) -> list[Any]:
    if feature.text is not None:
        return read_texts(feature, values)
    try:
        return list(map(datetime.fromisoformat, values))
    except ValueError:
        return read_texts(feature, values)


def _texts(feature: Feature, values: tuple[str, ...]) -> list[Any]:
    if feature.text is not None:
        return read_texts(feature, values)
    clean = {value: value.strip(SPACES) or None for value in set(values)}
    return [clean[value] for value in values]


_READERS: dict[Kind, Callable[[Feature, tuple[str, ...]], Any]] = {
    "number": _numbers,
    "integer": _numbers,
    "boolean": read_texts,
    "category": _texts,
    "datetime": _moments,
}


def answer_names(predictor: Predictor) -> list[str]:
    """The names of an answer's columns of numbers, in order."""
    targets = predictor.schema.target_names
    ends = ("value", "lower", "upper")
    return list(ends) if len(targets) == 1 else [f"{target}_{end}" for target in targets for end in ends]


def texts_of(answer: PartAnswer) -> tuple[list[str | None], list[str | None]]:
    """For each row its warnings as one text, and its error; None where it has none."""
    warnings: list[str | None] = [None] * answer.n_rows
    errors: list[str | None] = [None] * answer.n_rows
    for warning in answer.warnings:
        row = warning.row - answer.start
        before = warnings[row]
        warnings[row] = warning.message if before is None else f"{before} {warning.message}"
    for row in answer.errors:
        faults = row_error(answer, row).faults
        errors[row] = " ".join(f"'{f.field}': {f.message}" if f.field else f.message for f in faults)
    return warnings, errors


class CsvWriter:
    """Writes answers as CSV."""

    def __init__(self, predictor: Predictor, *, with_errors: bool) -> None:
        self._with_errors = with_errors
        names = [*answer_names(predictor), "warnings"]
        self._head = self._line([*names, "error"] if with_errors else names)

    def add(self, answer: PartAnswer) -> bytes:
        columns: list[Any] = []
        for j in range(answer.value.shape[1]):
            columns += [end[:, j].tolist() for end in (answer.value, answer.lower, answer.upper)]
        if answer.errors:
            columns = [["" if math.isnan(number) else number for number in column] for column in columns]
        warnings, errors = texts_of(answer)
        columns.append(warnings)
        if self._with_errors:
            columns.append(errors)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
        head, self._head = self._head, b""
        return head + text.getvalue().encode()

    def close(self) -> bytes:
        return b""

    @staticmethod
    def _line(names: list[str]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(names)
        return text.getvalue().encode()
