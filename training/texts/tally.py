"""How many of a column's texts fit each way of writing numbers, dates or yes-or-no, gathered part by part."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple, get_args

import polars as pl

from artifact.texts.booleans import BOOLEANS
from artifact.texts.dates import read_moment
from artifact.texts.format import Decimal, TextFormat, Thousands
from artifact.texts.numbers import number_patterns
from artifact.texts.plain import DATE_MARKERS, USUAL_MARKERS
from artifact.texts.units import is_currency
from training.texts.columns import are_markers, plain_texts

# A number with a currency or unit beside it: what stands before, the digits and marks, what stands after.
_BESIDE = (
    r"^[-+(]* ?([^-+()0-9.,' ]{0,4}) ?[-+(]*([.,]?[0-9](?:[0-9.,' ]*[0-9.,])?)(?:[eE][-+]?[0-9]+)? ?"
    r"([^-+()0-9.,:/' ][^()]{0,11})? ?\)?$"
)
_TYPOGRAPHIC_MINUS = r"[\x{2212}\x{2010}\x{2011}\x{2013}\x{FE63}\x{FF0D}][0-9.,]"
_LEADING_ZERO = r"^[-+(]*0[0-9]"
TIME_OF_DAY = r"^[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[aApP]\.?[mM]\.?)?$"
SHORT_YEAR = r"^[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2}(?: .*)?$"
_USUAL_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
# So many texts are looked at before all are: a column of words is known by fewer.
_FIRST_LOOK = 2_000
_MOST_BESIDE = 20
EXAMPLES = 5
_DATES = (TextFormat(), TextFormat(order="dmy"), TextFormat(order="mdy"))
_YES_NO = {*BOOLEANS} - {"1", "0", "1.0", "0.0"}


class Beside(NamedTuple):
    """What stands before and after a number."""

    prefix: str
    suffix: str


class Fit:
    """Of one way of reading: rows that it fits, and some that it does not.

    Attributes:
        rows: that it fits.
        others: rows by text, of a few texts that it does not fit.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.others: Counter[str] = Counter()

    def add(self, counted: pl.DataFrame, fits: pl.Series) -> None:
        """Take in texts with their rows, and which of them are read."""
        self.rows += int(counted["rows"].filter(fits).sum())
        if len(self.others) < EXAMPLES or len(counted) <= EXAMPLES:
            rest = counted.filter(~fits).sort(["rows", "text"], descending=[True, False]).head(EXAMPLES)
            self.others.update(dict(rest.iter_rows()))


class Tally:
    """What the texts of a column are.

    Args:
        missing_values: texts that mean "no value", beside the usual ones.
        dates: further forms of dates to try. Defaults to none.

    Attributes:
        rows: with a text that is no marker.
        markers: rows by marker that is none of the usual, as it is written.
        numbers: fit of each format of numbers.
        dates: fit of each format of dates.
        yes_no, true_false: fit of such words.
        beside: rows by what stands beside their numbers.
        seen: rows by the mark, ``.``, ``,``, ``'``, `` ``, ``(``, ``e`` or ``-``, that their number has.
        example: by mark, a text that has it.
        beside_example: a number with something beside it.
        date_example: by form of dates, a text that has it.
        written: words for yes and no, as they are written.
    """

    def __init__(self, missing_values: Sequence[str] = (), dates: Sequence[TextFormat] = ()) -> None:
        self._missing_values = tuple(missing_values)
        self.rows = self.date_markers = self.leading_zeros = self.times = self.short_years = self.usual_dates = 0
        self.longest = 0
        self.beside_example = ""
        self.markers: Counter[str] = Counter()
        self.numbers: defaultdict[TextFormat, Fit] = defaultdict(Fit)
        self.dates: defaultdict[TextFormat, Fit] = defaultdict(Fit)
        self.yes_no, self.true_false = Fit(), Fit()
        self.beside: Counter[Beside] = Counter()
        self.seen: Counter[str] = Counter()
        self.example: dict[str, str] = {}
        self.date_example: dict[TextFormat, str] = {}
        self.written: set[str] = set()
        self._dates = tuple(dict.fromkeys((*dates, *_DATES)))

    def add(self, column: pl.Series) -> None:
        """Take in a part of the column, text as it came."""
        counted = column.drop_nulls().value_counts(name="rows").rename({column.name: "raw"})
        counted = counted.with_columns(plain_texts(counted["raw"]).alias("text"))
        missing = are_markers(counted["text"], self._missing_values)
        usual = counted["text"].str.to_lowercase().is_in(USUAL_MARKERS)
        told = counted.filter(missing & ~usual)
        self.markers.update(dict(zip(told["text"].to_list(), told["rows"].to_list(), strict=True)))
        typographic = counted.filter(~missing & counted["raw"].str.contains(_TYPOGRAPHIC_MINUS))
        if typographic.height:
            self.seen["\u2212"] += int(typographic["rows"].sum())
            self.example.setdefault("\u2212", typographic["text"][0])
        counted = counted.filter(~missing).group_by("text", maintain_order=True).agg(pl.col("rows").sum())
        if not counted.height:
            return
        self.rows += int(counted["rows"].sum())
        # In the order of the texts, so that what is said of them does not depend on how they were counted.
        counted = counted.sort("text")
        first = counted.gather_every(max(1, counted.height // _FIRST_LOOK))
        self._add_words(counted)
        self._add_numbers(counted, first)
        self._add_dates(counted, first)

    def _add_words(self, counted: pl.DataFrame) -> None:
        lower = counted["text"].str.to_lowercase()
        self.true_false.add(counted, lower.is_in(["true", "false"]))
        yes_no = lower.is_in(_YES_NO)
        self.yes_no.add(counted, yes_no)
        self.written.update(counted["text"].filter(yes_no).to_list())

    def _add_numbers(self, counted: pl.DataFrame, first: pl.DataFrame) -> None:
        if not first["text"].str.contains(_BESIDE).any():
            for fit in self.numbers.values():
                fit.add(counted, pl.repeat(False, counted.height, eager=True))
            return
        texts = counted["text"]
        parts = texts.str.extract_groups(_BESIDE).struct.unnest()
        before, digits, after = (parts[name].fill_null("") for name in parts.columns)
        numeric = parts[parts.columns[1]].is_not_null()
        rows = counted["rows"]
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
            found = counted.filter(has & numeric)
            if found.height:
                self.seen[mark] += int(found["rows"].sum())
                self.example.setdefault(mark, found["text"][0])
        self.leading_zeros += int(rows.filter(texts.str.contains(_LEADING_ZERO)).sum())
        self.longest = max(self.longest, int(digits.filter(numeric).str.len_bytes().max() or 0))  # type: ignore[arg-type]
        for key in dict.fromkeys([Beside("", ""), *self.beside]):
            for text_format in formats(key):
                self.numbers[text_format].add(counted, texts.str.contains(number_patterns(text_format).whole))

    def _add_dates(self, counted: pl.DataFrame, first: pl.DataFrame) -> None:
        texts, rows = counted["text"], counted["rows"]
        self.times += int(rows.filter(texts.str.contains(TIME_OF_DAY)).sum())
        self.short_years += int(rows.filter(texts.str.contains(SHORT_YEAR)).sum())
        self.usual_dates += int(rows.filter(texts.str.contains(_USUAL_DATE)).sum())
        markers = texts.str.to_lowercase().is_in(DATE_MARKERS)
        self.date_markers += int(rows.filter(markers).sum())
        read: dict[TextFormat, list[int | None]] = {}
        for text_format in self._dates:
            if first.height < counted.height and not any(
                read_moment(t, text_format) is not None for t in first["text"]
            ):
                fits = pl.repeat(False, counted.height, eager=True)
            else:
                read[text_format] = [read_moment(t, text_format) for t in texts]
                fits = pl.Series([micros is not None for micros in read[text_format]], dtype=pl.Boolean)
            self.dates[text_format].add(counted.filter(~markers), fits.filter(~markers))
        for text_format, moments in read.items():
            # A text that another form reads otherwise, or not at all, shows best what was decided.
            others = [read[form] for form in (_DATES[1:] if text_format in _DATES[1:] else ()) if form in read]
            clear = [t for i, t in enumerate(texts) if any(o[i] is None for o in others) and moments[i] is not None]
            telling = clear or [
                t for i, t in enumerate(texts) if any(o[i] != moments[i] for o in others) and moments[i] is not None
            ]
            fitting = telling or [t for t, micros in zip(texts, moments, strict=True) if micros is not None]
            if fitting and (telling or text_format not in self.date_example):
                self.date_example[text_format] = fitting[0]


def formats(beside: Beside) -> list[TextFormat]:
    """Every format of numbers with such a currency or unit, the plainest first."""
    return [
        TextFormat(decimal=decimal, thousands=mark, prefix=beside.prefix, suffix=beside.suffix, brackets=True)
        for decimal in get_args(Decimal)
        for mark in get_args(Thousands)
        if mark != decimal
    ]
