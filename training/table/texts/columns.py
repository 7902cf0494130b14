"""Reads whole columns of texts as values, by the rules of :mod:`artifact.rows.texts`."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from artifact.rows.texts.booleans import BOOLEANS
from artifact.rows.texts.dates import read_moment
from artifact.rows.texts.format import TextFormat
from artifact.rows.texts.numbers import number_patterns
from artifact.rows.texts.plain import DATE_MARKERS, OTHER_MARKERS, SPACES, TYPOGRAPHIC, USUAL_MARKERS
from artifact.rows.texts.read import missing_numbers

_MARKERS = (*USUAL_MARKERS, *OTHER_MARKERS)
# One pattern for all typographic characters, to search a column for all of them at once.
_ANY_TYPOGRAPHIC = "[" + "".join(f"\\x{{{ord(c):X}}}" for c in TYPOGRAPHIC) + "]"


def plain_texts(column: pl.Series) -> pl.Series:
    """A column of texts, each as :func:`artifact.rows.texts.plain.clean_text` returns it."""
    texts = column.str.strip_chars(SPACES)
    if texts.str.contains(_ANY_TYPOGRAPHIC).any():
        texts = texts.str.replace_many(list(TYPOGRAPHIC), list(TYPOGRAPHIC.values()))
    return texts


def words(column: pl.Series, missing_values: Sequence[str] = ()) -> pl.Series:
    """A column of words without spaces around them; None where a text is empty or means "no value"."""
    texts = column.str.strip_chars(SPACES)
    empty = texts.is_in(["", *missing_values])
    return texts.set(empty.fill_null(value=False), None) if empty.any() else texts


def are_markers(texts: pl.Series, missing_values: Sequence[str] = (), *, dates: bool = False) -> pl.Series:
    """Which plain texts mean "no value", see :func:`artifact.rows.texts.plain.is_marker`; true for None too."""
    markers = [*_MARKERS, *(DATE_MARKERS if dates else ())]
    matches = texts.str.to_lowercase().is_in(markers)
    if missing_values:
        matches |= texts.is_in(list(missing_values))
    return matches.fill_null(value=True)


def numbers(texts: pl.Series, text_format: TextFormat) -> pl.Series:
    """Plain texts as Float64, None where one is no number, see :func:`artifact.rows.texts.numbers.read_number`."""
    patterns = number_patterns(text_format)
    digits = texts.set(~texts.str.contains(patterns.whole).fill_null(value=False), None).str.extract(patterns.core)
    if text_format.thousands:
        digits = digits.str.replace_all(text_format.thousands, "", literal=True)
    if text_format.decimal != ".":
        digits = digits.str.replace_all(text_format.decimal, ".", literal=True)
    values = digits.cast(pl.Float64, strict=False)
    below = texts.str.contains(patterns.negative).fill_null(value=False)
    values = values.zip_with(~below, -values) if below.any() else values
    if text_format.missing_values:
        return values.set(values.is_in(missing_numbers(text_format.missing_values)).fill_null(value=False), None)
    return values


def booleans(texts: pl.Series) -> pl.Series:
    """Plain texts as Boolean, None where one is no word for true or false."""
    return texts.str.to_lowercase().replace_strict(BOOLEANS, default=None, return_dtype=pl.Boolean)


# A date in figures, and the text after it.
_DATE_AND_REST = r"^([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4})([^0-9].*)?$"
_MANY = 5_000


def moments(texts: pl.Series, text_format: TextFormat, *, many: int = _MANY) -> pl.Series:
    """Plain texts as Datetime in microseconds by :func:`artifact.rows.texts.dates.read_moment`, None for no date.

    Args:
        texts: plain texts; equal ones are read once.
        text_format: how dates are written.
        many: number of different texts from which days and times of day are read apart, since these repeat more often.
            Defaults to 5,000.
    """
    different = texts.drop_nulls().unique()
    if len(different) < many or text_format.strptime is not None or text_format.epoch is not None:
        return _one_by_one(texts, different, text_format)
    parts = texts.str.extract_groups(_DATE_AND_REST).struct.unnest()
    days, rest = (parts[name] for name in parts.columns)
    # A time of day means the same behind each day. So it is read behind a stand-in day, which is one for all days with
    # the same number of figures.
    stand_in = days.str.replace_all(r"[0-9]{4}", "2000").str.replace_all(r"\b[0-9]{2}\b", "11")
    stand_in = stand_in.str.replace_all(r"\b[0-9]\b", "1")
    day = _one_by_one(days, days.drop_nulls().unique(), text_format).to_physical()
    timed = stand_in + rest.fill_null("")
    at = _one_by_one(timed, timed.drop_nulls().unique(), text_format).to_physical()
    start = _one_by_one(stand_in, stand_in.drop_nulls().unique(), text_format).to_physical()
    sums = (day + (at - start)).cast(pl.Datetime("us"))
    others = texts.set(days.is_not_null(), None)
    if others.null_count() == len(others):
        return sums.alias(texts.name)
    values = _one_by_one(others, others.drop_nulls().unique(), text_format)
    return sums.zip_with(days.is_not_null(), values).alias(texts.name)


def _one_by_one(texts: pl.Series, different: pl.Series, text_format: TextFormat) -> pl.Series:
    micros = pl.Series([read_moment(text, text_format) for text in different], dtype=pl.Int64)
    return texts.replace_strict(different, micros, default=None, return_dtype=pl.Int64).cast(pl.Datetime("us"))
