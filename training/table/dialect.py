"""The dialect of a CSV: separator, quotes and place of the header, by DuckDB's sniffer, checked against the rows."""

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

# Usual separators, which are tried beside the one that the sniffer finds.
_SEPARATORS = ",;\t|"
# The dialect is judged by so many bytes at the start of a file, and by at least so many lines.
_SAMPLE, _LINES = 1 << 18, 20
_SEP_LINE = re.compile(rb'^"?sep=([!-~\t])"?[ \t]*\r?\n', re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[\d.,]*\d")
# A row is a header only if more than this share of the rows below it is as wide.
_ALIKE = 0.8
_DECIMAL = re.compile(r"[+-]?\d*[.,]\d+")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text is cut into fields.

    Attributes:
        separator: character between fields.
        quote: character around fields that hold a separator or a line break.
        escape: character before a quote in such a field; None where quotes are doubled.
        skip: number of lines before the header, such as a title.
        header: names of the columns as the header has them.
        looks_like_values: whether the header looks like a row of values.
    """

    separator: str
    quote: str = '"'
    escape: str | None = None
    skip: int = 0
    header: tuple[str, ...] = ()
    looks_like_values: bool = False

    def rows(self, lines: Iterable[str]) -> Reader:
        """The fields of each row, as Python's reader cuts them."""
        return csv.reader(
            lines,
            delimiter=self.separator,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.escape is None,
        )


def without_sep_line(data: bytes) -> tuple[bytes, str | None]:
    """A text without Excel's first line ``sep=;``, and the separator that this line names, or None."""
    match = _SEP_LINE.match(data)
    return (data, None) if match is None else (data[match.end() :], match.group(1).decode("ascii", "replace"))


def with_line_feeds(data: bytes) -> bytes:
    """A text with line feeds, where its lines end only with carriage returns."""
    return data.replace(b"\r", b"\n") if b"\r" in data and b"\n" not in data else data


def sniffed(data: bytes, separator: str | None, path: Path, sniffer: Sniffer) -> Dialect:
    """The dialect of a CSV.

    The sniffer's separator counts if the rows agree with it: most have as many fields as the header. Else a usual
    separator counts, if it is the only one with which rows agree, or the only one that cuts the header.

    Args:
        data: the file's content, UTF-8.
        separator: the user's choice, or None.
        path: the file's name in messages.
        sniffer: gives the first answer.

    Raises:
        DataError: no separator is sure.
    """
    sample = _sample(data)
    answer = sniffer.ask(sample, separator)
    base = Dialect(separator or answer.separator, answer.quote, answer.escape)
    if separator is not None:
        return _with_header(base, sample, answer)
    fitting: dict[str, float] = {}
    cutting = []
    for candidate in dict.fromkeys((answer.separator, *_SEPARATORS)):
        dialect = replace(base, separator=candidate)
        rows = _rows(sample, dialect, _preamble(sample, dialect, answer))
        if _agrees(rows):
            fitting[candidate] = _share_of_numbers(rows, candidate)
        if rows and len(rows[0]) > 1:
            cutting.append(candidate)
    if answer.separator in fitting and fitting[answer.separator] >= max(fitting.values()):
        return _with_header(base, sample, answer)
    if len(fitting or cutting) == 1:
        return _with_header(replace(base, separator=next(iter(fitting or cutting))), sample, answer)
    if not cutting:
        # The table has one column: take any separator that no line holds.
        alone = next((mark for mark in reversed(_SEPARATORS) if mark not in sample), answer.separator)
        return _with_header(replace(base, separator=alone), sample, answer)
    raise _unsure(path, sample, list(fitting or cutting))


def _unsure(path: Path, sample: str, separators: list[str]) -> DataError:
    listed = " and ".join("a tab" if separator == "\t" else f"'{separator}'" for separator in separators)
    return DataError(
        f"Expected {path} to have one separator. Received: the first line {sample.partition(chr(10))[0][:80]!r}, which "
        f"{listed} cut into fields equally well. Say which it is: --separator ';' (or ',', tab, pipe)."
    )


def _sample(data: bytes) -> str:
    """The first lines, each of them whole: at least a few, however long they are."""
    end = 0
    for _ in range(_LINES):
        end = data.find(b"\n", end) + 1
        if not end:
            return data.decode("utf-8", "replace")
    end = max(end, data.rfind(b"\n", end, _SAMPLE) + 1)
    return data[:end].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class SnifferAnswer:
    """The sniffer's answer. The defaults, a comma and a double quote, stand for no answer."""

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

    def ask(self, sample: str, separator: str | None) -> SnifferAnswer:
        """The sniffer's answer for some lines. If ``separator`` is None, the sniffer also finds the separator."""
        import duckdb

        if self._connection is None:
            options: dict[str, Any] = {"threads": 1}
            options.update(autoinstall_known_extensions=False, autoload_known_extensions=False)
            self._connection = self._open.enter_context(duckdb.connect(config=options))
            self._path = Path(self._open.enter_context(tempfile.TemporaryDirectory())) / "sample.csv"
        self._path.write_text(sample, encoding="utf-8", newline="")
        option = ", delim = ?" if separator is not None else ""
        query = f"SELECT Delimiter, Quote, Escape, SkipRows, HasHeader FROM sniff_csv(?{option})"  # noqa: S608
        values = [str(self._path), *([separator] if separator is not None else [])]
        try:
            row = self._connection.execute(query, values).fetchone()
        except duckdb.Error:
            return SnifferAnswer()
        delimiter, quote, escape, skip, has_header = row
        return SnifferAnswer(
            delimiter if len(delimiter) == 1 else ",",
            quote if len(quote) == 1 else '"',
            escape if len(escape) == 1 and escape != quote else None,
            int(skip),
            bool(has_header),
        )


def _rows(sample: str, dialect: Dialect, skip: int) -> list[list[str]]:
    """The rows of the sample after ``skip`` lines, without blank ones; none if they cannot be read."""
    lines = io.StringIO(sample, newline="")
    for _ in range(skip):
        lines.readline()
    try:
        return [row for row in dialect.rows(lines) if row]
    except csv.Error:
        return []


def _preamble(sample: str, dialect: Dialect, answer: SnifferAnswer) -> int:
    """Number of lines before the header, such as a title. Each has one filled field, is a comment or is blank.

    They are skipped if the sniffer skips them too, or if the row after them surely holds names: none of these is a
    number, and the rows below are as wide and hold numbers.
    """
    before = 0
    reader = dialect.rows(io.StringIO(sample, newline=""))
    try:
        for row in reader:
            if row and not _is_title(row, is_passed=reader.line_num <= answer.skip):
                break
            before = reader.line_num if row or before else 0
    except csv.Error:
        return 0
    rows = _rows(sample, dialect, before)
    if not before or not rows or len(rows[0]) < 2:
        return 0
    return before if (answer.has_header and answer.skip == before) or _is_header(rows[0], rows[1:]) else 0


def _is_title(row: list[str], *, is_passed: bool) -> bool:
    # A row of two fields, one of them empty, is no title: it may be a header in which the index has no name.
    alone = len(row) == 1 or (len(row) > 2 and bool(row[0].strip()) and not any(field.strip() for field in row[1:]))
    return alone or not any(field.strip() for field in row) or (is_passed and row[0].startswith("#"))


def _is_header(header: list[str], rows: list[list[str]]) -> bool:
    """Whether a row is a header: it has no number, and most rows below are as wide and hold numbers."""
    names = [name.strip() for name in _without_empty_end(header)]
    if len(names) < 2 or any(_NUMBER.fullmatch(name) for name in names):
        return False
    widths = (len(header), len(names))
    alike = [row for row in rows if len(row) in widths and any(_NUMBER.fullmatch(field.strip()) for field in row)]
    return len(alike) > _ALIKE * len(rows)


def _agrees(rows: list[list[str]]) -> bool:
    """Whether the header has several fields, and no other number of fields is more frequent in the rows."""
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


def _with_header(dialect: Dialect, sample: str, answer: SnifferAnswer) -> Dialect:
    skip = _preamble(sample, dialect, answer)
    rows = _rows(sample, dialect, skip)
    header = tuple(rows[0]) if rows else ()
    values = not answer.has_header and len(rows) > 1 and any(_DECIMAL.fullmatch(name.strip()) for name in header)
    return replace(dialect, skip=skip, header=header, looks_like_values=values)
