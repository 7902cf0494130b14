"""Counts how many of a column's texts fit each way of writing numbers, dates or yes-or-no, part by part."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple, get_args

import polars as pl

from artifact.rows.texts.booleans import BOOLEANS
from artifact.rows.texts.format import Decimal, TextFormat, Thousands
from artifact.rows.texts.numbers import number_patterns
from artifact.rows.texts.plain import DATE_MARKERS, USUAL_MARKERS
from artifact.rows.texts.units import is_currency
from training.table.texts.columns import are_markers, moments, plain_texts

# A number with a currency or unit: the text before it, its digits and marks, the text after it.
_BESIDE = (
    r"^[-+(]* ?([^-+()0-9.,' ]{0,4}) ?[-+(]*([.,]?[0-9](?:[0-9.,' ]*[0-9.,])?)(?:[eE][-+]?[0-9]+)? ?"
    r"([^-+()0-9.,:/' ][^()]{0,11})? ?\)?$"
)
_TYPOGRAPHIC_MINUS = r"[\x{2212}\x{2010}\x{2011}\x{2013}\x{FE63}\x{FF0D}][0-9.,]"
_LEADING_ZERO = r"^[-+(]*0[0-9]"
TIME_OF_DAY = r"^[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[aApP]\.?[mM]\.?)?$"
_FIRST_IS_DAY = r"^(?:1[3-9]|[23][0-9])[-/.]"
_SECOND_IS_DAY = r"^[0-9]{1,2}[-/.](?:1[3-9]|[23][0-9])[-/.]"
SHORT_YEAR = r"^[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2}(?: .*)?$"
# A text that looks like a date with a year of four digits: in any order, and with any text behind it. So its form may
# be unknown.
_DATE_LIKE = (
    r"^(?:(?:19|20)[0-9]{2}[-/.][0-9]{1,3}(?:[-/.][0-9]{1,2})?|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:19|20)[0-9]{2})"
    r"(?:[^0-9.].*)?$"
)
_USUAL_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
# The first texts, this many, decide which patterns are tried on all texts.
_FIRST_LOOK = 2_000
_MOST_BESIDE = 20
EXAMPLES = 5
_DATES = (TextFormat(), TextFormat(order="dmy"), TextFormat(order="mdy"))
_YES_NO = {*BOOLEANS} - {"1", "0", "1.0", "0.0"}


class Beside(NamedTuple):
    """The texts before and after a number."""

    prefix: str
    suffix: str


class Fit:
    """The fit of one way of reading.

    Attributes:
        rows: number of rows that it reads.
        others: a few texts that it does not read, each with its number of rows.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.others: Counter[str] = Counter()

    def add(self, counts: pl.DataFrame, fits: pl.Series) -> None:
        """Take in different texts with their numbers of rows; ``fits`` says which of them are read."""
        self.rows += int(counts["rows"].filter(fits).sum())
        if len(self.others) < EXAMPLES or len(counts) <= EXAMPLES:
            rest = counts.filter(~fits).sort(["rows", "text"], descending=[True, False]).head(EXAMPLES)
            self.others.update(dict(rest.iter_rows()))


class Tally:
    """The tally of a column's texts. A marker is a text that means "no value".

    Args:
        missing_values: further markers, beside the usual ones.
        dates: further forms of dates to try. Defaults to none.

    Attributes:
        rows: number of rows with a text that is no marker.
        markers: number of rows by marker, for markers that are not among the usual ones.
        numbers: fit of each format of numbers.
        dates: fit of each format of dates.
        yes_no, true_false: fit of such words.
        beside: number of rows by the texts before and after their numbers.
        marks: number of rows by the mark that their number has: ``.``, ``,``, ``'``, `` ``, ``(``, ``e`` or ``-``.
        example: for each mark, one of the texts that have it.
        first_is_day, second_is_day: number of rows whose date has a year of two digits and a first number, or a second
            number, above 12, which must be the day.
        beside_example: a number with a text beside it.
        short_year_example: a date with a year of two digits.
        date_like, date_like_example: number of rows that look like a date with a year of four digits, whether it can be
            read or not, and one of these texts.
        date_example: for each form of dates, one of the texts that it reads.
        yes_no_words: words for yes and no, as they are written.
    """

    def __init__(self, missing_values: Sequence[str] = (), dates: Sequence[TextFormat] = ()) -> None:
        self._missing_values = tuple(missing_values)
        self.rows = self.date_markers = self.leading_zeros = self.times = self.short_years = self.usual_dates = 0
        self.longest = self.first_is_day = self.second_is_day = 0
        self.date_like = 0
        self.beside_example = self.short_year_example = self.date_like_example = ""
        self.markers: Counter[str] = Counter()
        self.numbers: defaultdict[TextFormat, Fit] = defaultdict(Fit)
        self.dates: defaultdict[TextFormat, Fit] = defaultdict(Fit)
        self.yes_no, self.true_false = Fit(), Fit()
        self.beside: Counter[Beside] = Counter()
        self.marks: Counter[str] = Counter()
        self.example: dict[str, str] = {}
        self.date_example: dict[TextFormat, str] = {}
        self.yes_no_words: set[str] = set()
        self._dates = tuple(dict.fromkeys((*dates, *_DATES)))

    @property
    def is_of_words(self) -> bool:
        """Whether most texts so far are words that no other way reads."""
        fits = [*self.numbers.values(), *self.dates.values(), self.yes_no, self.true_false]
        nearest = max([fit.rows for fit in fits] + [self.times, self.short_years, self.date_like])
        return 2 * nearest < self.rows

    def add(self, column: pl.Series) -> None:
        """Take in a part of the column, texts as the table has them."""
        counts = column.drop_nulls().value_counts(name="rows").rename({column.name: "raw"})
        counts = counts.with_columns(plain_texts(counts["raw"]).alias("text"))
        missing = are_markers(counts["text"], self._missing_values)
        usual = counts["text"].str.to_lowercase().is_in(USUAL_MARKERS)
        unusual = counts.filter(missing & ~usual)
        self.markers.update(dict(zip(unusual["text"].to_list(), unusual["rows"].to_list(), strict=True)))
        typographic = counts.filter(~missing & counts["raw"].str.contains(_TYPOGRAPHIC_MINUS))
        if typographic.height:
            self.marks["\u2212"] += int(typographic["rows"].sum())
            self.example.setdefault("\u2212", typographic["text"][0])
        counts = counts.filter(~missing).group_by("text", maintain_order=True).agg(pl.col("rows").sum())
        if not counts.height:
            return
        self.rows += int(counts["rows"].sum())
        # Sort the texts, so that the examples in messages do not depend on the order in which they were counted.
        counts = counts.sort("text")
        first = counts.gather_every(max(1, counts.height // _FIRST_LOOK))
        self._add_words(counts)
        self._add_numbers(counts, first)
        self._add_dates(counts, first)

    def _add_words(self, counts: pl.DataFrame) -> None:
        lower = counts["text"].str.to_lowercase()
        self.true_false.add(counts, lower.is_in(["true", "false"]))
        yes_no = lower.is_in(_YES_NO)
        self.yes_no.add(counts, yes_no)
        self.yes_no_words.update(counts["text"].filter(yes_no).to_list())

    def _add_numbers(self, counts: pl.DataFrame, first: pl.DataFrame) -> None:
        if not first["text"].str.contains(_BESIDE).any():
            for text_format in dict.fromkeys([*formats(Beside("", "")), *self.numbers]):
                self.numbers[text_format].add(counts, pl.repeat(False, counts.height, eager=True))
            return
        texts = counts["text"]
        parts = texts.str.extract_groups(_BESIDE).struct.unnest()
        before, digits, after = (parts[name].fill_null("") for name in parts.columns)
        numeric = parts[parts.columns[1]].is_not_null()
        rows = counts["rows"]
        beside = pl.DataFrame({"before": before, "after": after, "rows": rows}).filter(numeric)
        grouped = beside.group_by("before", "after").agg(pl.col("rows").sum()).sort("rows", "before", "after")
        for prefix, suffix, count in grouped.tail(_MOST_BESIDE).iter_rows():
            if not prefix or is_currency(prefix):
                self.beside[Beside(prefix, suffix)] += count
        with_beside = texts.filter(numeric & ((before != "") | (after != "")))
        self.beside_example = self.beside_example or (with_beside[0] if len(with_beside) else "")
        marked = {mark: digits.str.contains(mark, literal=True) for mark in (".", ",", "'", " ")}
        marked["("] = texts.str.contains("(", literal=True)
        marked["-"] = texts.str.contains("-", literal=True)
        marked["e"] = texts.str.contains(r"[0-9][eE][-+]?[0-9]")
        for mark, has in marked.items():
            matches = counts.filter(has & numeric)
            if matches.height:
                self.marks[mark] += int(matches["rows"].sum())
                self.example.setdefault(mark, matches["text"][0])
        self.leading_zeros += int(rows.filter(texts.str.contains(_LEADING_ZERO)).sum())
        self.longest = max(self.longest, int(digits.filter(numeric).str.len_bytes().max() or 0))  # type: ignore[arg-type]
        for key in dict.fromkeys([Beside("", ""), *self.beside]):
            fitting: dict[str, pl.Series] = {}
            for text_format in formats(key):
                mark = text_format.thousands
                if mark and not marked[mark].any():
                    # No text has the mark: the format reads the same texts as without it.
                    fits = fitting[text_format.decimal]
                else:
                    fits = _matches(counts, first, number_patterns(text_format).whole)
                fitting.setdefault(text_format.decimal, fits)
                self.numbers[text_format].add(counts, fits)

    def _add_dates(self, counts: pl.DataFrame, first: pl.DataFrame) -> None:
        texts, rows = counts["text"], counts["rows"]
        self.times += int(rows.filter(texts.str.contains(TIME_OF_DAY)).sum())
        date_like = counts.filter(texts.str.contains(_DATE_LIKE))
        self.date_like += int(date_like["rows"].sum())
        if date_like.height:
            self.date_like_example = max(self.date_like_example, str(date_like["text"].max()))
        short = counts.filter(texts.str.contains(SHORT_YEAR))
        self.short_years += int(short["rows"].sum())
        self.short_year_example = self.short_year_example or (short["text"][0] if short.height else "")
        self.first_is_day += int(short["rows"].filter(short["text"].str.contains(_FIRST_IS_DAY)).sum())
        self.second_is_day += int(short["rows"].filter(short["text"].str.contains(_SECOND_IS_DAY)).sum())
        self.usual_dates += int(rows.filter(texts.str.contains(_USUAL_DATE)).sum())
        markers = texts.str.to_lowercase().is_in(DATE_MARKERS)
        self.date_markers += int(rows.filter(markers).sum())
        readings: dict[TextFormat, pl.Series] = {}
        for text_format in self._dates:
            fits = pl.repeat(False, counts.height, eager=True)
            if moments(first["text"], text_format).is_not_null().any():
                readings[text_format] = moments(texts, text_format)
                fits = readings[text_format].is_not_null()
            self.dates[text_format].add(counts.filter(~markers), fits.filter(~markers))
        for text_format, values in readings.items():
            others = [readings[f] for f in _DATES[1:] if f in readings and text_format.order and f != text_format]
            example, is_telling = _example(texts, values, others)
            if example is not None and (is_telling or text_format not in self.date_example):
                self.date_example[text_format] = example


def _matches(counts: pl.DataFrame, first: pl.DataFrame, pattern: str) -> pl.Series:
    """Which texts a pattern fits; none if it fits less than a tenth of ``first``, since it cannot fit all then."""
    if first.height < counts.height and 10 * int(first["text"].str.contains(pattern).sum()) < first.height:
        return pl.repeat(False, counts.height, eager=True)
    return counts["text"].str.contains(pattern)


def _example(texts: pl.Series, values: pl.Series, others: Sequence[pl.Series]) -> tuple[str | None, bool]:
    """A text that is a date, and whether it shows why this form was chosen.

    It shows this if another form reads it as another date, or cannot read it.
    """
    for other in others:
        for telling in (values.is_not_null() & other.is_null(), values.ne_missing(other) & values.is_not_null()):
            if telling.any():
                return texts.filter(telling)[0], True
    fitting = texts.filter(values.is_not_null())
    return (fitting[0] if len(fitting) else None), False


def formats(beside: Beside) -> list[TextFormat]:
    """Every format of numbers with this currency or unit, the plainest first."""
    return [
        TextFormat(decimal=decimal, thousands=mark, prefix=beside.prefix, suffix=beside.suffix, brackets=True)
        for decimal in get_args(Decimal)
        for mark in get_args(Thousands)
        if mark != decimal
    ]
