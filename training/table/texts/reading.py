"""Decides the type and format of a column of texts from all its values, or says why they are not sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from artifact.rows.schema import Kind
from artifact.rows.texts.format import PLAIN, TextFormat
from artifact.rows.texts.units import is_scale, is_unit
from training.table.corrections import TextRules
from training.table.texts import notes as say
from training.table.texts.tally import Beside, Fit, Tally, formats
from training.table.texts.user_rules import UserRules

# Digits of an integer that float64 always holds exactly.
_EXACT_DIGITS = 15
# If more than this share of a column can be read, a note says why the rest cannot.
_NEARLY = 0.5
_NEARLY_YES_NO = 0.9
MOMENT = pl.Datetime("us")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a column of texts is read.

    Attributes:
        dtype: Int64, Float64, Boolean, Datetime or String; Null where each text means "no value".
        text: how the texts are written; None where they are written as in JSON.
        notes: sentences on what was decided, or could not be decided.
        error: why the column cannot be read, or None.
        doubt: an error that counts only if another column shows that this table writes a decimal comma, or None.
    """

    dtype: Any
    text: TextFormat | None = None
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    doubt: str | None = None

    @property
    def shows_comma(self) -> bool:
        """Whether the numbers are written with a decimal comma, or a point between thousands."""
        text = self.text or PLAIN
        return bool(self.dtype.is_numeric() and (text.decimal == "," or text.thousands == "."))


def tally_for(rules: UserRules) -> Tally:
    """An empty tally that follows the user's rules."""
    return Tally(rules.missing_values, [f for f in (rules.own_dates, rules.shared_dates) if f is not None])


def decide(name: str, tally: Tally, rules: UserRules) -> Reading:
    """Decide how a column is read.

    Args:
        name: the column's name.
        tally: the tally of all its texts.
        rules: the user's rules for it.
    """
    column = say.Column(name, tally.rows, rules.table)
    required = rules.required_kind
    if not tally.rows:
        return Reading(pl.Null())
    reading = None
    if required in (None, "boolean") or rules.table == "targets":
        reading = _booleans(column, tally, rules)
    if reading is None and required in (None, "number", "integer"):
        reading = _numbers(column, tally, rules)
    if reading is None and required in (None, "datetime"):
        reading = _dates(column, tally, rules)
    if reading is None:
        return _words(column, tally, rules)
    text = _text_format(reading.text, rules.missing_values)
    markers = [say.markers(column, tally.markers)] if tally.markers and reading.error is None else []
    return Reading(reading.dtype, text, [*reading.notes, *markers], reading.error, reading.doubt)


def errors_of(readings: Sequence[Reading]) -> list[str]:
    """Why a table cannot be read: each column's error, and each doubt if some column has a decimal comma."""
    are_commas = any(reading.shows_comma for reading in readings)
    return [error for reading in readings if (error := reading.error or (reading.doubt if are_commas else None))]


def _text_format(text_format: TextFormat | None, missing_values: tuple[str, ...]) -> TextFormat | None:
    text = (text_format or PLAIN).model_copy(update={"missing_values": missing_values})
    return None if text == PLAIN else text


def _booleans(column: say.Column, tally: Tally, rules: UserRules) -> Reading | None:
    if tally.true_false.rows == tally.rows:
        return Reading(pl.Boolean())
    if rules.table == "targets":
        return None
    if rules.kind == "boolean":
        return Reading(pl.Boolean()) if _fits_boolean(tally) else None
    # Words that are all written in the same way stay categories.
    if tally.yes_no.rows == tally.rows and len({w.lower() for w in tally.yes_no_words}) < len(tally.yes_no_words):
        return Reading(pl.Boolean(), notes=[say.yes_or_no(column, sorted(tally.yes_no_words))])
    return None


def _fits_boolean(tally: Tally) -> bool:
    digits = tally.numbers[PLAIN.model_copy(update={"brackets": True})].rows
    return tally.yes_no.rows == tally.rows or tally.yes_no.rows + digits == tally.rows


def _numbers(column: say.Column, tally: Tally, rules: UserRules) -> Reading | None:
    is_required = rules.required_kind in ("number", "integer")
    if tally.leading_zeros and not is_required:
        return None
    fitting = _fitting(tally, rules)
    if not fitting:
        return None
    beside = Beside(fitting[0].prefix, fitting[0].suffix)
    if any(beside) and not is_required and not (_is_known(beside) and tally.beside[beside] == tally.rows):
        return None
    if is_scale(beside.suffix) and len(tally.beside) > 1:
        return Reading(pl.String(), error=say.units_differ(column, tally))
    readings = {_roles(text_format, tally): text_format for text_format in reversed(fitting)}
    simplest = _simplest(fitting, tally)
    if len(readings) > 1:
        # Where every value has a point before three digits, as computers may write them, it is read as a decimal point.
        # Where some values have no point, it is rather a mark between thousands: 950 and 1.250.
        plainly = (
            "," not in tally.marks and not any(beside) and simplest.decimal == "." and tally.marks["."] == tally.rows
        )
        error = say.ambiguous_numbers(column, tally, list(readings.values()))
        if not plainly:
            return Reading(pl.String(), error=error)
        return _number(simplest, tally, [say.three_digits(column, tally.example["."])], error)
    return _number(simplest, tally, say.numbers(column, simplest, tally))


def _number(text_format: TextFormat, tally: Tally, notes: list[str], doubt: str | None = None) -> Reading:
    whole = not tally.marks[text_format.decimal] and not tally.marks["e"] and tally.longest <= _EXACT_DIGITS
    return Reading(pl.Int64() if whole else pl.Float64(), text_format, notes, doubt=doubt)


def _fitting(tally: Tally, rules: UserRules) -> list[TextFormat]:
    """Formats that read all texts: those that obey the user's rules, else those with the most frequent unit."""
    every = [text_format for text_format, fit in tally.numbers.items() if fit.rows == tally.rows]
    # Formats without a unit come first, then the most frequent units.
    for beside in [Beside("", ""), *(key for key, _ in tally.beside.most_common())]:
        fitting = [f for f in formats(beside) if f in every]
        for text_rules in (rules.own, rules.shared):
            if text_rules.of_numbers and (obeying := [f for f in fitting if _obeys(f, text_rules)]):
                return obeying
        if fitting:
            return [] if rules.own.of_numbers else fitting
    return []


def _obeys(text_format: TextFormat, rules: TextRules) -> bool:
    decimal = rules.decimal or ("." if rules.thousands != "." else ",")
    return text_format.decimal == decimal and rules.thousands in (None, text_format.thousands)


def _is_known(beside: Beside) -> bool:
    return all(not part or is_unit(part) for part in beside)


def _roles(text_format: TextFormat, tally: Tally) -> tuple[str, ...]:
    """The meaning of each mark in the texts: ``d`` for decimal, ``t`` for thousands."""
    return tuple(
        mark + ("d" if mark == text_format.decimal else "t") for mark in (".", ",", "'", " ") if tally.marks[mark]
    )


def _simplest(candidates: list[TextFormat], tally: Tally) -> TextFormat:
    """The format with the fewest marks; with brackets only if some text has one."""
    simplest = min(candidates, key=lambda f: (f.decimal == "," and not tally.marks[","], bool(f.thousands)))
    return simplest.model_copy(update={"brackets": bool(tally.marks["("])})


def _dates(column: say.Column, tally: Tally, rules: UserRules) -> Reading | None:
    total = tally.rows - tally.date_markers
    if not total:
        return None
    markers = [say.date_markers(column, tally.date_markers)] if tally.date_markers else []
    if rules.own_dates is not None:
        return Reading(MOMENT, rules.own_dates, markers) if tally.dates[rules.own_dates].rows == total else None
    preferred = rules.shared_dates
    if preferred is not None and tally.dates[preferred].rows == total:
        return Reading(MOMENT, preferred, markers)
    if tally.dates[PLAIN].rows == total:
        unusual = tally.usual_dates < total
        return Reading(MOMENT, None, [*([say.dates(column, PLAIN, tally)] if unusual else []), *markers])
    orders = [f for f in (TextFormat(order="dmy"), TextFormat(order="mdy")) if tally.dates[f].rows == total]
    if len(orders) > 1:
        return Reading(pl.String(), error=say.ambiguous_dates(column, tally.date_example[orders[0]]))
    return Reading(MOMENT, orders[0], [say.dates(column, orders[0], tally), *markers]) if orders else None


def _words(column: say.Column, tally: Tally, rules: UserRules) -> Reading:
    """The column stays text. If most of its texts are of another kind, a note says so.

    If the user says another kind, the result has an error.
    """
    text = _text_format(None, rules.missing_values)
    kind, fit = _nearest(tally)
    if rules.required_kind is not None:
        best = _best(tally, rules.required_kind)
        return Reading(pl.String(), text, error=say.does_not_fit(column, rules, best))
    if tally.times > _NEARLY * tally.rows:
        return Reading(pl.String(), text, [say.times(column, tally)])
    if tally.short_years > _NEARLY * tally.rows:
        return Reading(pl.String(), text, [say.short_years(column, tally)])
    needed = _NEARLY_YES_NO if kind == "boolean" else _NEARLY
    if fit.rows > needed * tally.rows and not (kind == "number" and tally.leading_zeros):
        if fit.rows == tally.rows and kind == "number":
            return Reading(pl.String(), text, [say.unknown_unit(column, tally)])
        if fit.rows < tally.rows:
            return Reading(pl.String(), text, [say.nearly(column, kind, fit)])
    if len(tally.beside) > 1 and sum(tally.beside.values()) == tally.rows and all(map(_is_known, tally.beside)):
        return Reading(pl.String(), text, [say.unknown_unit(column, tally)])
    if tally.date_like > _NEARLY * tally.rows:
        return Reading(pl.String(), text, [say.like_dates(column, tally)])
    hard = {m: n for m, n in tally.markers.items() if m[0] in "#<\\" or m.lower() == "nat"}
    return Reading(pl.String(), text, [say.marker_is_word(column, hard)] if hard else [])


def _nearest(tally: Tally) -> tuple[Kind, Fit]:
    kinds: tuple[Kind, ...] = ("number", "datetime", "boolean")
    best = max(kinds, key=lambda kind: _best(tally, kind).rows)
    return best, _best(tally, best)


def _best(tally: Tally, kind: Kind) -> Fit:
    if kind == "boolean":
        return tally.yes_no
    fits = (tally.dates if kind == "datetime" else tally.numbers).values()
    return max(fits, key=lambda fit: fit.rows, default=Fit())
