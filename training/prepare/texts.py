"""Decides how each column of texts of a streamed table is read; a pass ends once its columns are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from artifact.rows.texts.format import TextFormat
from training.table.parquet import ParquetSource
from training.table.texts.reading import MOMENT, Reading, decide, errors_of, tally_for
from training.table.texts.table import TableTextRules, as_read, of_numbers, refused, says_nothing, thousands_points
from training.table.texts.tally import Tally
from training.table.texts.user_rules import UserRules
from training.table.types import TEXT_TYPES, present_texts, text_as, text_fits


class StreamTexts:
    """How the texts of a streamed table are read, by the rules for a table in memory.

    Args:
        source: the table.
        batch_rows: number of rows that are read at once.
        text_rules: the user's rules for the columns.

    Attributes:
        types: each column's type after its texts are read.
        formats: how a column's texts are written, by the column's name; no entry where they are written as in JSON.
        notes: sentences on what was decided.

    Raises:
        DataError: see :meth:`ParquetSource.batches`; some columns have two readings, or do not fit what the user says.
    """

    def __init__(self, source: ParquetSource, batch_rows: int, text_rules: TableTextRules) -> None:
        self._source, self._batch_rows = source, batch_rows
        self._plain: dict[str, Any] = {}
        self._readings: dict[str, Reading] = {}
        self._numbers: dict[str, UserRules] = {}
        self.formats: dict[str, TextFormat] = {}
        texts = [name for name, dtype in source.types.items() if dtype == pl.String]
        rules = {name: text_rules.of(name) for name in source.types}
        closely = [name for name in texts if not text_rules.passes_over(name) and rules[name].kind != "category"]
        plainly = [n for n in texts if says_nothing(rules[n]) and rules[n].kind in (None, "number", "integer")]
        self._plain = _plain_types(
            source, batch_rows, [n for n in plainly if n in closely or text_rules.passes_over(n)]
        )
        for name in text_rules.untouched:
            if name in self._plain and self._plain[name].is_float():
                # Groups stay as they are written: floats would merge ids of many digits.
                del self._plain[name]
        for name in texts:
            if rules[name].kind == "category":
                missing = rules[name].missing_values
                text_format = TextFormat(missing_values=missing) if missing else None
                self._readings[name] = Reading(pl.String(), text_format)
        rest = [name for name in closely if name not in self._plain]
        for name, tally in _tallies(source, batch_rows, {name: rules[name] for name in rest}).items():
            self._readings[name] = decide(name, tally, rules[name])
        errors = errors_of(list(self._readings.values()))
        if errors:
            raise refused(errors)
        self.notes = [note for name in texts if name in self._readings for note in self._readings[name].notes]
        self.types = dict(source.types)
        for name in texts:
            dtype = self._plain.get(name) or (self._readings[name].dtype if name in self._readings else pl.String())
            self.types[name] = pl.String() if dtype == pl.Null else dtype
        self.formats = {name: r.text for name, r in self._readings.items() if r.text is not None}
        self._add_numbers(source, batch_rows, rules, text_rules)

    def _add_numbers(
        self, source: ParquetSource, batch_rows: int, rules: dict[str, UserRules], text_rules: TableTextRules
    ) -> None:
        """Apply the user's rules to columns of numbers: some become moments, some values missing."""
        for name, dtype in source.types.items():
            if not dtype.is_numeric() or text_rules.passes_over(name):
                continue
            if rules[name].missing_values or rules[name].required_kind == "datetime":
                self._numbers[name] = rules[name]
                _, first = next(source.batches(batch_rows, [name]))
                column, text_format = of_numbers(first[name], rules[name])
                self.types[name] = MOMENT if column.dtype == MOMENT else dtype
                if text_format is not None:
                    self.formats[name] = text_format

    def column(self, column: pl.Series) -> pl.Series:
        """A column of a batch, with its texts read.

        Raises:
            DataError: numbers do not fit what the user says.
        """
        name = column.name
        if name in self._readings:
            return as_read(column, self._readings[name])
        if name in self._numbers:
            return of_numbers(column, self._numbers[name])[0]
        dtype = self.types.get(name, column.dtype)
        return column if column.dtype == dtype else text_as(column, dtype)

    def parts(self, name: str) -> Iterator[pl.Series]:
        """A whole column batch by batch, with its texts read.

        Raises:
            DataError: see :meth:`ParquetSource.batches`.
        """
        for _, batch in self._source.batches(self._batch_rows, [name]):
            yield self.column(batch[name])

    def frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A batch, with the texts of all columns read."""
        return frame.with_columns(self.column(frame[name]) for name in frame.columns)


def _plain_types(source: ParquetSource, batch_rows: int, names: list[str]) -> dict[str, Any]:
    """Types of columns whose texts are all written as in JSON, without points that may mark thousands."""
    open_: dict[str, list[Any]] = {name: list(TEXT_TYPES) for name in names}
    has_value: set[str] = set()
    # For each column: True if some text so far has a point that may mark thousands, False if none has a point, and None
    # if some text shows that points do not mark thousands.
    points: dict[str, bool | None] = dict.fromkeys(names, False)
    # A column drops out once some text is a word. Most passes end in the first batch.
    for _, batch in source.batches(batch_rows, names) if names else ():
        for name, types in open_.items():
            if types and len(present := present_texts(batch[name])):
                has_value.add(name)
                types[:] = [dtype for dtype in types if text_fits(present, dtype)]
                if points[name] is not None:
                    is_marked = thousands_points(batch[name])
                    points[name] = None if is_marked is None else is_marked or points[name]
        if not any(open_.values()):
            break
    return {name: types[0] for name, types in open_.items() if types and name in has_value and not points[name]}


def _tallies(source: ParquetSource, batch_rows: int, rules: dict[str, UserRules]) -> dict[str, Tally]:
    """Tallies of columns whose texts are not plain. A column is no longer counted once its texts prove to be words."""
    tallies = {name: tally_for(own) for name, own in rules.items()}
    open_ = list(rules)
    for batch in _batches(source, batch_rows, open_):
        for name in list(open_):
            tallies[name].add(batch[name])
            if rules[name].required_kind is None and tallies[name].is_of_words:
                open_.remove(name)
        if not open_:
            break
    return tallies


def _batches(source: ParquetSource, batch_rows: int, names: list[str]) -> Iterator[pl.DataFrame]:
    for _, batch in source.batches(batch_rows, list(names)) if names else ():
        yield batch
