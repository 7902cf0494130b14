"""Reads a CSV into columns of texts: it counts short lines, refuses long ones and passes over blank ones."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from artifact.errors import DataError
from training.table.dialect import Dialect, Sniffer, sniffed, with_line_feeds, without_sep_line
from training.table.lines import Survey, surveyed
from training.table.names import checked_names
from training.table.reading import Reading
from training.table.text import as_utf8

# The longest field: one may hold a whole document.
_LONGEST_FIELD = 1 << 30
# Spaces that align columns, and spaces at the ends of lines.
_ALIGNED = re.compile(rb" {2,}")
_MARGIN = re.compile(rb"(?m)^ +| +(?=\r?$)")
# A line that no file has: it marks the end.
_END = "\0end"


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    """Allow fields of any length while a file is read. The limit holds for the whole process, so it is restored."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@_long_fields()
def read_csv(
    data: bytes, path: Path, reading: Reading, notes: list[str], sniffer: Sniffer, expected: Collection[str] = ()
) -> tuple[list[str], pl.DataFrame]:
    """Names of the columns, and the columns in that order, String; an empty field is missing.

    Args:
        data: the file's bytes, not compressed.
        path: the file's name in messages.
        reading: options of the user.
        notes: list that gets a sentence on each decision.
        sniffer: judges how the file is written.
        expected: names of columns that the user expects; a line of numbers with one of them is a header.

    Raises:
        DataError: the file is empty or no text, its separator is not sure, a name repeats, or a line is too long.
    """
    data, sep_line = without_sep_line(with_line_feeds(as_utf8(data, reading.encoding, path, notes)))
    if not data or data.isspace():
        raise DataError(f"Expected {path} to be readable as csv. Received: an empty file.")
    if reading.separator == " " and b'"' not in data and _ALIGNED.search(data):
        data = _ALIGNED.sub(b" ", _MARGIN.sub(b"", data))
        notes.append(f"Spaces side by side are one separator in {path}.")
    dialect = sniffed(data, reading.separator or sep_line, path, sniffer)
    names = checked_names(dialect.header, path)
    if dialect.looks_like_values and not set(names) & set(expected):
        values = ", ".join(f"'{name}'" for name in dialect.header[:5])
        raise DataError(
            f"Expected names of the columns in the first line of {path}. Received: values: {values}. "
            "Write a line of names before it."
        )
    if dialect.skip:
        notes.append(f"Lines before the header of {path} are passed over: {dialect.skip}.")
    before, body = _after_header(data, dialect)
    return names, _body(body, dialect, len(names), _Place(path, before), notes)


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of the rows: the file, and the number of its lines before them."""

    path: Path
    before: int


def _body(body: bytes, dialect: Dialect, width: int, place: _Place, notes: list[str]) -> pl.DataFrame:
    if not body or body.isspace():
        raise DataError(f"Expected rows in {place.path}. Received: an empty table.")
    frame = None if dialect.escape is not None else _quickly(body, dialect, width)
    survey = None
    if frame is not None and frame[:, -1].null_count():
        survey = surveyed(body, dialect, width, place.before)
        if survey.rows != frame.height:
            frame = None
    if frame is None:
        survey, frame = _exactly(body, dialect, width, place)
    if survey is not None:
        frame = _without_blank_lines(survey, frame, width, place, notes)
    if not frame.height:
        raise DataError(f"Expected rows in {place.path}. Received: an empty table.")
    return frame


def _without_blank_lines(
    survey: Survey, frame: pl.DataFrame, width: int, place: _Place, notes: list[str]
) -> pl.DataFrame:
    """The frame without blank lines. ``notes`` gets sentences on lines with fewer or more fields than the header."""
    if survey.short:
        line, text = survey.first
        lines, what = ("lines has", "it lacks") if survey.short == 1 else ("lines have", "they lack")
        notes.append(
            f"{survey.short:,} of {survey.rows - len(survey.blank):,} {lines} fewer fields than the {width} of the "
            f"header in {place.path}, first line {line}: {text!r}. Fields that {what} count as missing; a text with a "
            "line break needs quotes around it."
        )
    if survey.trimmed:
        notes.append(
            f"Lines that end with more empty fields than the header are cut to its width: {survey.trimmed:,} in "
            f"{place.path}."
        )
    # In a table of one column a blank line is a missing value.
    if survey.blank and width > 1:
        is_row = pl.Series([True] * frame.height)
        frame = frame.filter(is_row.scatter(survey.blank, False))
    return frame


def _after_header(data: bytes, dialect: Dialect) -> tuple[int, bytes]:
    """Number of lines up to the header's end, and the bytes after them; a name in quotes may hold a line break."""
    at = lines = 0

    def line() -> bytes:
        nonlocal at, lines
        end = data.find(b"\n", at) + 1 or len(data)
        text, at = data[at:end], end
        lines += 1
        return text

    for _ in range(dialect.skip):
        line()
    while not next(dialect.rows(iter(lambda: line().decode("utf-8", "replace"), "")), ["end"]):
        continue
    return lines, data[at:]


def _quickly(body: bytes, dialect: Dialect, width: int) -> pl.DataFrame | None:
    """The columns as polars reads them; None if a line is too long or a quote does not end."""
    try:
        # Read every column as text: polars' type inference would read "001" as 1.
        return pl.read_csv(
            body,
            has_header=False,
            schema={str(i): pl.String() for i in range(width)},
            separator=dialect.separator,
            quote_char=dialect.quote,
        )
    except pl.exceptions.PolarsError:
        return None


def _exactly(body: bytes, dialect: Dialect, width: int, place: _Place) -> tuple[Survey, pl.DataFrame]:
    """The columns as Python's reader reads them; it takes about ten times as long, and can name a line.

    Raises:
        DataError: a line has more fields than the header, or a quote does not end.
    """
    survey = Survey()
    columns: list[list[str | None]] = [[] for _ in range(width)]
    reader = dialect.rows(_lines(body))
    line = place.before
    try:
        for row in reader:
            if row == [_END]:
                return survey, pl.DataFrame(
                    [pl.Series(str(i), column, dtype=pl.String) for i, column in enumerate(columns)]
                )
            begins = line + 1
            line = place.before + reader.line_num
            if len(row) > width:
                if any(text.strip() for text in row[width:]):
                    raise DataError(
                        f"Expected {place.path} to be readable as csv. Received: {len(row)} fields in line {line}, "
                        f"where the header has {width}. "
                        f"A text that holds {dialect.separator!r} needs quotes around it, or the header lacks a name."
                    )
                survey.trimmed += 1
            _add(survey, row, width, (begins, dialect.separator.join(row)[:80]))
            for i, column in enumerate(columns):
                column.append((row[i] or None) if i < len(row) else None)
    except csv.Error as error:
        raise DataError(
            f"Expected {place.path} to be readable as csv. Received: {error} in line {place.before + reader.line_num}."
        ) from error
    raise DataError(
        f"Expected {place.path} to be readable as csv. Received: a quote that does not end, in the row "
        f"that begins in line {begins}."
    )


def _add(survey: Survey, row: list[str], width: int, where: tuple[int, str]) -> None:
    if not row:
        survey.blank.append(survey.rows)
    elif len(row) < width:
        survey.short += 1
        survey.first = survey.first if survey.short > 1 else where
    survey.rows += 1


def _lines(body: bytes) -> Iterator[str]:
    """The lines, then a line that marks the end: it is a row of its own unless a quote before it does not end."""
    for line in io.TextIOWrapper(io.BytesIO(body), encoding="utf-8", errors="replace", newline="\n"):
        yield line if line.endswith("\n") else f"{line}\n"
    yield f"{_END}\n"
