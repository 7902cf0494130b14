"""How a CSV is written: separator, quotes, where the header stands; DuckDB's sniffer, checked against the rows."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from artifact.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader

# Separators that tables are written with, beside what the sniffer finds.
_SEPARATORS = ",;\t|"
# Bytes of a file that decide, and lines that do in any case.
_SAMPLE, _LINES = 1 << 18, 20
_SEP_LINE = re.compile(rb'^"?sep=([!-~\t])"?[ \t]*\r?\n', re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[\d.,]*\d")
# So many rows below a header are as wide as it.
_ALIKE = 0.8
_DECIMAL = re.compile(r"[+-]?\d*[.,]\d+")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text is cut into fields.

    Attributes:
        separator: between fields.
        quote: around fields that hold a separator or a line break.
        escape: before a quote in such a field; None where quotes are doubled.
        skip: lines before the header that are none of the table.
        header: names as the header has them.
        looks_like_values: whether the header looks like a row of values.
    """

    separator: str
    quote: str = '"'
    escape: str | None = None
    skip: int = 0
    header: tuple[str, ...] = ()
    looks_like_values: bool = False

    def rows(self, lines: Iterable[str]) -> Reader:
        """Fields of each line, as Python's reader has them."""
        return csv.reader(
            lines,
            delimiter=self.separator,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.escape is None,
        )


def without_sep_line(data: bytes) -> tuple[bytes, str | None]:
    """A text without Excel's first line ``sep=;``, and the separator that it names."""
    match = _SEP_LINE.match(data)
    return (data, None) if match is None else (data[match.end() :], match.group(1).decode("ascii", "replace"))


def with_line_feeds(data: bytes) -> bytes:
    """A text whose lines end with carriage returns alone with line feeds instead."""
    return data.replace(b"\r", b"\n") if b"\r" in data and b"\n" not in data else data


def sniffed(data: bytes, separator: str | None, path: Path, sniffer: Sniffer) -> Dialect:
    """How a CSV is written.

    The sniffer's answer holds where the rows agree with it: as many fields in most rows as in the header. Else one of
    the usual separators does, if it alone agrees, or if it alone cuts the header.

    Args:
        data: UTF-8.
        separator: as the user says, or None.
        path: for messages.
        sniffer: whose answer is checked.

    Raises:
        DataError: no separator is sure.
    """
    sample = _sample(data)
    told = sniffer.says(sample, separator)
    base = Dialect(separator or told.separator, told.quote, told.escape)
    if separator is not None:
        return _with_header(base, sample, told)
    fitting: dict[str, float] = {}
    cutting = []
    for candidate in dict.fromkeys((told.separator, *_SEPARATORS)):
        dialect = replace(base, separator=candidate)
        rows = _rows(sample, dialect, _preamble(sample, dialect, told))
        if _agrees(rows):
            fitting[candidate] = _share_of_numbers(rows, candidate)
        if rows and len(rows[0]) > 1:
            cutting.append(candidate)
    if told.separator in fitting and fitting[told.separator] >= max(fitting.values()):
        return _with_header(base, sample, told)
    if len(fitting or cutting) == 1:
        return _with_header(replace(base, separator=next(iter(fitting or cutting))), sample, told)
    if not cutting:
        # One column: any separator that no line holds.
        alone = next((mark for mark in reversed(_SEPARATORS) if mark not in sample), told.separator)
        return _with_header(replace(base, separator=alone), sample, told)
    raise _unsure(path, sample, list(fitting or cutting))


def _unsure(path: Path, sample: str, found: list[str]) -> DataError:
    listed = " and ".join("a tab" if separator == "\t" else f"'{separator}'" for separator in found)
    return DataError(
        f"Expected {path} to have one separator. Received: the first line {sample.partition(chr(10))[0][:80]!r}, which "
        f"{listed} cut into fields as well as the others. Say which it is: --separator ';' (or ',', tab, pipe)."
    )


def _sample(data: bytes) -> str:
    """The first lines, whole ones; a few of them, however long they are."""
    end = 0
    for _ in range(_LINES):
        end = data.find(b"\n", end) + 1
        if not end:
            return data.decode("utf-8", "replace")
    end = max(end, data.rfind(b"\n", end, _SAMPLE) + 1)
    return data[:end].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Told:
    """What the sniffer says; a comma, a double quote and no more where it has no answer."""

    separator: str = ","
    quote: str = '"'
    escape: str | None = None
    skip: int = 0
    has_header: bool = True


class Sniffer:
    """DuckDB's sniffer: one database for all files of a table, opened by the first CSV and closed at the end."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._connection: Any = None
        self._path = Path()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def says(self, sample: str, separator: str | None) -> Told:
        """How some lines are written, by the sniffer alone; it knows the separator where that is given."""
        import duckdb

        if self._connection is None:
            options: dict[str, Any] = {"threads": 1}
            options.update(autoinstall_known_extensions=False, autoload_known_extensions=False)
            self._connection = self._open.enter_context(duckdb.connect(config=options))
            self._path = Path(self._open.enter_context(tempfile.TemporaryDirectory())) / "sample.csv"
        self._path.write_text(sample, encoding="utf-8", newline="")
        given = ", delim = ?" if separator is not None else ""
        query = f"SELECT Delimiter, Quote, Escape, SkipRows, HasHeader FROM sniff_csv(?{given})"  # noqa: S608
        values = [str(self._path), *([separator] if separator is not None else [])]
        try:
            row = self._connection.execute(query, values).fetchone()
        except duckdb.Error:
            return Told()
        delimiter, quote, escape, skip, has_header = row
        return Told(
            delimiter if len(delimiter) == 1 else ",",
            quote if len(quote) == 1 else '"',
            escape if len(escape) == 1 and escape != quote else None,
            int(skip),
            bool(has_header),
        )


def _rows(sample: str, dialect: Dialect, skip: int) -> list[list[str]]:
    """Rows of the sample, blank ones and a last one that may be cut left out."""
    lines = io.StringIO(sample, newline="")
    for _ in range(skip):
        lines.readline()
    try:
        return [row for row in dialect.rows(lines) if row]
    except csv.Error:
        return []


def _preamble(sample: str, dialect: Dialect, told: Told) -> int:
    """Lines before the header, such as a title: each one field, padded with empty ones or not, a comment or blank.

    They are none of the table where the sniffer says so too, or where what follows them is a header for sure: names,
    none of them a number, above rows as wide that hold numbers.
    """
    before = 0
    reader = dialect.rows(io.StringIO(sample, newline=""))
    try:
        for row in reader:
            if row and not _is_title(row, is_passed=reader.line_num <= told.skip):
                break
            before = reader.line_num if row or before else 0
    except csv.Error:
        return 0
    rows = _rows(sample, dialect, before)
    if not before or not rows or len(rows[0]) < 2:
        return 0
    return before if (told.has_header and told.skip == before) or _is_header(rows[0], rows[1:]) else 0


def _is_title(row: list[str], *, is_passed: bool) -> bool:
    # Two fields of which one is empty may be a header whose index has no name.
    alone = len(row) == 1 or (len(row) > 2 and bool(row[0].strip()) and not any(field.strip() for field in row[1:]))
    return alone or not any(field.strip() for field in row) or (is_passed and row[0].startswith("#"))


def _is_header(header: list[str], rows: list[list[str]]) -> bool:
    """Whether some fields are names above rows of values: none is a number, most rows are as wide and hold numbers."""
    names = [name.strip() for name in _without_empty_end(header)]
    if len(names) < 2 or any(_NUMBER.fullmatch(name) for name in names):
        return False
    widths = (len(header), len(names))
    alike = [row for row in rows if len(row) in widths and any(_NUMBER.fullmatch(field.strip()) for field in row)]
    return len(alike) > _ALIKE * len(rows)


def _agrees(rows: list[list[str]]) -> bool:
    """Whether the header has several fields, and no other number of fields is more frequent among the rows."""
    if not rows or len(_without_empty_end(rows[0])) < 2:
        return False
    counts = Counter(len(row) for row in rows[1:])
    if not counts:
        return True
    most = max(counts.values())
    return any(counts[width] == most for width in (len(rows[0]), len(_without_empty_end(rows[0]))))


def _without_empty_end(row: list[str]) -> list[str]:
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    return row[:end]


def _share_of_numbers(rows: list[list[str]], separator: str) -> float:
    """The share of fields that look like a number: a wrong separator cuts through numbers and joins them with texts."""
    fields = [field.strip() for row in rows[1:2001] for field in row if field.strip()]
    good = sum(1 for field in fields if _NUMBER.fullmatch(field) and not (separator == "," and "," in field))
    return good / len(fields) if fields else 0.0


def _with_header(dialect: Dialect, sample: str, told: Told) -> Dialect:
    skip = _preamble(sample, dialect, told)
    rows = _rows(sample, dialect, skip)
    header = tuple(rows[0]) if rows else ()
    values = not told.has_header and len(rows) > 1 and any(_DECIMAL.fullmatch(name.strip()) for name in header)
    return replace(dialect, skip=skip, header=header, looks_like_values=values)
