"""Reads a table's columns of texts; gives the formats that the schema keeps, and a note on each decision."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from artifact.errors import DataError
from artifact.rows.schema import Kind
from artifact.rows.texts.dates import epoch_micros
from artifact.rows.texts.format import PLAIN, TextFormat
from artifact.rows.texts.read import missing_numbers
from training.table.corrections import Corrections, FeatureCorrection, TextRules, rules_of
from training.table.ids import as_written, is_exact
from training.table.texts.columns import are_markers, booleans, moments, numbers, plain_texts, words
from training.table.texts.notes import Column
from training.table.texts.reading import MOMENT, Reading, decide, errors_of, tally_for
from training.table.texts.user_rules import UserRules
from training.table.types import typed_column, typed_text

_ERRORS_SHOWN = 5
_POINT_BEFORE_THREE = r"^[-+]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+$"
_UP_TO_THREE = r"^[-+]?[0-9]{1,3}$"


@dataclass(frozen=True, slots=True)
class TableTexts:
    """A table whose columns of texts are read.

    Attributes:
        frame: the table, each column typed.
        formats: how a column's texts are written, by the column's name; no entry where they are written as in JSON.
        notes: sentences on what was decided.
        errors: why some columns cannot be read; these stay text.
        unread: names of these columns.
    """

    frame: pl.DataFrame
    formats: Mapping[str, TextFormat] = field(default_factory=dict)
    notes: Sequence[str] = ()
    errors: Sequence[str] = ()
    unread: Collection[str] = ()


class TableTextRules:
    """The user's rules for the texts of each column.

    Args:
        corrections: what the user says of the schema.
        targets: columns to predict.
        untouched: columns to which the user's rules do not apply, such as the column of groups.
        as_text: columns that stay text even if they look like numbers or dates.
        formats: how an earlier version read a column's texts, by the column's name; it holds if the texts fit.
    """

    def __init__(
        self,
        corrections: Corrections,
        targets: Collection[str] = (),
        untouched: Collection[str] = (),
        as_text: Collection[str] = (),
        formats: Mapping[str, TextFormat | None] | None = None,
    ) -> None:
        self._corrections, self._targets, self._formats = corrections, targets, dict(formats or {})
        self.untouched, self._as_text = untouched, as_text
        self._shared = TextRules.model_validate(corrections.model_dump(include=set(TextRules.model_fields)))

    def of(self, name: str) -> UserRules:
        """The rules for one column."""
        shared = self._shared_with(name)
        if name in self._targets:
            own: TextRules = self._corrections.targets.get(name, TextRules())
            return UserRules(own, shared, "number", table="targets")
        correction = self._corrections.features.get(name, FeatureCorrection())
        kind = "category" if name in self._as_text else correction.kind
        return UserRules(correction, shared, kind, correction.epoch)

    def _shared_with(self, name: str) -> TextRules:
        formats = rules_of(self._formats.get(name))
        for key in ("unit", *(("decimal", "thousands") if self._shared.of_numbers else ())):
            formats.pop(key, None)
        return self._shared.model_copy(
            update={
                key: tuple(value) if isinstance(value, list) else value
                for key, value in formats.items()
                if getattr(self._shared, key) is None
            }
        )

    def passes_over(self, name: str) -> bool:
        """Whether a column is left out anyway, or is typed by its plain texts alone."""
        return name in self.untouched or self._corrections.features.get(name, FeatureCorrection()).drop


def read_texts(frame: pl.DataFrame, text_rules: TableTextRules, *, strict: bool = True) -> TableTexts:
    """Decide how each column of texts is read, and read it.

    Args:
        frame: the table as it was read, or typed already.
        text_rules: the user's rules.
        strict: if False, a column that cannot be read stays text, and the result has the error. Defaults to True.

    Raises:
        DataError: some columns have two readings, or do not fit what the user says.
    """
    columns: list[pl.Series] = []
    formats: dict[str, TextFormat] = {}
    notes: list[str] = []
    readings: list[Reading] = []
    unread: list[str] = []
    for name in frame.columns:
        rules, raw = text_rules.of(name), frame[name]
        is_id = name in text_rules.untouched or rules.kind == "category"
        column = raw.cast(pl.String) if is_id and is_exact(raw.dtype) else typed_column(raw)
        if text_rules.passes_over(name):
            typed = typed_text(column) if column.dtype == pl.String else column
            columns.append(as_written(column, typed) if is_id else typed)
            continue
        if column.dtype != pl.String:
            column, text_format = of_numbers(column, rules)
        else:
            typed, reading = read_column(column, rules)
            text_format = reading.text
            notes += reading.notes
            readings.append(reading)
            unread += [name] if reading.error else []
            column = typed
        columns.append(column)
        if text_format is not None:
            formats[name] = text_format
    errors = errors_of(readings)
    if errors and strict:
        raise refused(errors)
    return TableTexts(pl.DataFrame(columns), formats, notes, errors, unread)


def refused(errors: Sequence[str]) -> DataError:
    """The error about columns that cannot be read."""
    more = [f"and {len(errors) - _ERRORS_SHOWN} more columns."] if len(errors) > _ERRORS_SHOWN else []
    return DataError("\n  ".join([*errors[:_ERRORS_SHOWN], *more]))


def read_column(column: pl.Series, rules: UserRules) -> tuple[pl.Series, Reading]:
    """A column of texts with its reading applied; unchanged if it cannot be read."""
    if rules.kind == "category":
        reading = Reading(
            pl.String(), TextFormat(missing_values=rules.missing_values) if rules.missing_values else None
        )
        return as_read(column, reading), reading
    if says_nothing(rules):
        typed = typed_text(column)
        if rules.kind == "datetime" and typed.dtype.is_numeric():
            return column, Reading(pl.String(), error=_unit_needed(typed))
        if _is_of(typed.dtype, rules.kind) and not (typed.dtype == pl.Float64 and _may_be_thousands(column)):
            # Nearly every column ends here, without the slower tally.
            return typed, Reading(typed.dtype)
    tally = tally_for(rules)
    tally.add(column)
    reading = decide(column.name, tally, rules)
    return (column if reading.error else as_read(column, reading)), reading


def says_nothing(rules: UserRules) -> bool:
    """Whether the user has no rules for a column's texts, so that they may be written as in JSON."""
    both = (rules.own, rules.shared)
    return rules.epoch is None and not any(r.of_numbers or r.missing_values or r.format for r in both)


def _is_of(dtype: Any, kind: Kind | None) -> bool:
    """Whether plain texts have a type of the user's kind; without such a kind, whether they have any type but text."""
    if kind in ("number", "integer"):
        return bool(dtype.is_numeric())
    if kind is None:
        return bool(dtype != pl.String)
    return bool(dtype == (MOMENT if kind == "datetime" else pl.Boolean()))


def _may_be_thousands(column: pl.Series) -> bool:
    """Whether each point stands before three digits. For most columns the first values show that it does not."""
    return thousands_points(column.head(100)) is not None and bool(thousands_points(column))


def thousands_points(column: pl.Series) -> bool | None:
    """Whether some number has a point that may mark thousands; None if some text shows that points do not mark them."""
    present = plain_texts(column)
    present = present.filter(~are_markers(present))
    pointed = present.str.contains(_POINT_BEFORE_THREE)
    return bool(pointed.any()) if (pointed | present.str.contains(_UP_TO_THREE)).all() else None


def as_read(column: pl.Series, reading: Reading) -> pl.Series:
    """A column of texts, read as its reading says; a text that does not fit becomes missing."""
    text_format = reading.text or PLAIN
    if reading.dtype == pl.Null:
        return pl.Series(column.name, [None] * len(column), dtype=pl.String)
    if reading.dtype == pl.String:
        return words(column, text_format.missing_values)
    texts = plain_texts(column)
    is_date = reading.dtype == MOMENT
    absent = are_markers(texts, text_format.missing_values, dates=is_date)
    if absent.any():
        texts = texts.set(absent, None)
    if reading.dtype == pl.Boolean:
        return booleans(texts)
    if is_date:
        return moments(texts, text_format)
    values = numbers(texts, text_format)
    return values.cast(reading.dtype)


def of_numbers(column: pl.Series, rules: UserRules) -> tuple[pl.Series, TextFormat | None]:
    """A column that holds no texts, read as the user says: its numbers become moments, or some become missing.

    Raises:
        DataError: numbers are to be moments, but what they count is not known or does not fit.
    """
    if not column.dtype.is_numeric():
        return column, None
    missing = missing_numbers(rules.missing_values)
    if missing:
        column = column.set(column.cast(pl.Float64).is_in(missing).fill_null(value=False), None)
    text = TextFormat(missing_values=rules.missing_values) if rules.missing_values else None
    if rules.kind != "datetime" and not (rules.own.format and rules.kind is None):
        return column, text
    dates = rules.own_dates
    if dates is None:
        raise DataError(_unit_needed(column))
    dates = dates.model_copy(update={"missing_values": rules.missing_values})
    values = moments_of_numbers(column, dates)
    unread = column.filter(values.is_null() & column.is_not_null())
    if len(unread):
        raise DataError(
            f"Expected each number of '{column.name}' to be a moment as schema.toml says. Received: {unread[0]}, "
            f"{len(unread):,} of {len(column):,} in all. Say another unit (s, ms, us, ns, excel) or format (%Y%m%d)."
        )
    return values, dates


def moments_of_numbers(column: pl.Series, text_format: TextFormat) -> pl.Series:
    """Numbers as Datetime in microseconds: counted from an epoch, or read as texts such as 20241013."""
    if text_format.epoch is None:
        whole = column.cast(pl.Int64) if column.dtype.is_integer() or _all_whole(column) else column
        return moments(whole.cast(pl.String), text_format).alias(column.name)
    different = column.drop_nulls().unique()
    micros = [epoch_micros(float(value), text_format.epoch) for value in different]
    values = column.replace_strict(different, pl.Series(micros, dtype=pl.Int64), default=None, return_dtype=pl.Int64)
    return values.cast(MOMENT).alias(column.name)


def _all_whole(column: pl.Series) -> bool:
    return bool((column.drop_nulls().floor() == column.drop_nulls()).all())


def _unit_needed(column: pl.Series) -> str:
    middle = float(column.drop_nulls().median() or 0.0)  # type: ignore[arg-type]
    line = Column(column.name, len(column), "features").line
    guess = _likely(middle)
    if guess == "%Y%m%d":
        way = f"They look like days: {line('format', guess)}"
    else:
        likely = f"They look like {line('unit', guess)}" if guess else f"For example {line('unit', 's')}"
        way = f"{likely}; s, ms, us and ns count from 1970 UTC, excel counts days as Excel does"
    return (
        f"Expected a unit for numbers of kind = \"datetime\". Received: '{column.name}' with numbers such "
        f"as {column.drop_nulls()[0]}. {way}. Dates of digits need {line('format', '%Y%m%d')}."
    )


def _likely(value: float) -> str | None:
    """What a number of this size counts if its date is near our years; None if that is not clear."""
    ends: dict[str, tuple[float, float]] = {
        "excel": (2e4, 8e4),
        "%Y%m%d": (1.8e7, 2.2e7),
        "s": (1e8, 1e10),
        "ms": (1e11, 1e13),
        "us": (1e14, 1e16),
        "ns": (1e17, 1e19),
    }
    return next((name for name, (low, high) in ends.items() if low <= value < high), None)
