"""Counts the rows of a CSV, and finds blank and short ones, in one pass over its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from training.table.dialect import Dialect

# Bytes that are surveyed at once: the arrays computed from them take about twenty times as much memory.
PIECE = 1 << 23
_LINE_FEED, _RETURN = 10, 13
_SHOWN = 80


@dataclass(slots=True)
class Survey:
    """Counts of a CSV's rows.

    Attributes:
        rows: how many rows the table has, blank lines among them.
        blank: numbers, from 0, of the rows that are blank lines.
        short: how many rows have fewer fields than the header.
        first: line, from 1, in which the first short row begins, and its text.
        trimmed: how many rows had empty fields beyond the header's.
    """

    rows: int = 0
    blank: list[int] = field(default_factory=list)
    short: int = 0
    first: tuple[int, str] = (0, "")
    trimmed: int = 0


def surveyed(body: bytes, dialect: Dialect, width: int, before: int) -> Survey:
    """Survey a CSV in which quotes stand around whole fields and are doubled inside.

    Args:
        body: UTF-8, without the header.
        dialect: separator and quote of the CSV.
        width: number of the header's fields.
        before: number of lines up to the end of the header.
    """
    survey = Survey()
    for start, ends, separators in _rows(np.frombuffer(body, np.uint8), ord(dialect.separator), ord(dialect.quote)):
        starts = np.concatenate([[start], ends[:-1] + 1])
        lengths = ends - starts
        blank = lengths == 0
        alone = np.flatnonzero(lengths == 1)
        blank[alone[[body[starts[i]] == _RETURN for i in alone]]] = True
        short = np.flatnonzero((separators + 1 < width) & ~blank)
        if len(short) and not survey.short:
            at, end = int(starts[short[0]]), int(ends[short[0]])
            text = body[at : min(end, at + 4 * _SHOWN)].decode("utf-8", "replace").strip("\r")
            survey.first = before + 1 + body.count(b"\n", 0, at), text[:_SHOWN]
        survey.short += len(short)
        survey.blank += (survey.rows + np.flatnonzero(blank)).tolist()
        survey.rows += len(ends)
    return survey


def _rows(
    body: npt.NDArray[np.uint8], separator: int, quote: int
) -> Iterator[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Rows, piece by piece: the start of the first row; the ends and numbers of separators of all, int64 (n_rows,)."""
    start = inside = waiting = 0
    for piece_start in range(0, len(body), PIECE):
        piece = body[piece_start : piece_start + PIECE]
        marks, ends, quotes = (np.flatnonzero(piece == mark) for mark in (separator, _LINE_FEED, quote))
        if inside or len(quotes):
            # A mark is outside of quotes where an even number of quotes stands before it.
            marks, ends = (at[(np.searchsorted(quotes, at) + inside) % 2 == 0] for at in (marks, ends))
            inside = (inside + len(quotes)) % 2
        if not len(ends):
            waiting += len(marks)
            continue
        before = np.searchsorted(marks, ends)
        counts = np.diff(before, prepend=0)
        counts[0] += waiting
        waiting = len(marks) - int(before[-1])
        yield start, ends + piece_start, counts
        start = int(ends[-1]) + piece_start + 1
    if start < len(body):
        yield start, np.array([len(body)]), np.array([waiting])
