"""Reading: what a column of text is, decided from all its values; or the sentence on why that cannot be known."""

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

# A float64 holds every integer of so many digits.
_EXACT_DIGITS = 15
# A column of which this share can be read is told where the rest cannot.
_NEARLY = 0.5
_NEARLY_YES_NO = 0.9
MOMENT = pl.Datetime("us")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a column's texts are.

    Attributes:
        dtype: Int64, Float64, Boolean, Datetime or String; Null where each text means "no value".
        text: how they are written, or None: as JSON would write them.
        notes: sentences on what was decided, or could not be.
        error: why the table cannot be read, or None.
        doubt: the error that holds where another column shows that this table writes a decimal comma, or None.
    """

    dtype: Any
    text: TextFormat | None = None
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    doubt: str | None = None

    @property
    def shows_comma(self) -> bool:
        """Whether its numbers are written with a decimal comma, or a point between thousands."""
        text = self.text or PLAIN
        return bool(self.dtype.is_numeric() and (text.decimal == "," or text.thousands == "."))


def tally_for(said: UserRules) -> Tally:
    """An empty tally that knows what the user says."""
    return Tally(said.missing_values, [f for f in (said.own_dates, said.shared_dates) if f is not None])


def decide(name: str, tally: Tally, said: UserRules) -> Reading:
    """What a column is.

    Args:
        name: of the column.
        tally: of all its texts.
        said: by the user.
    """
    column = say.Column(name, tally.rows, said.table)
    asked = said.asked
    if not tally.rows:
        return Reading(pl.Null())
    found = None
    if asked in (None, "boolean") or said.table == "targets":
        found = _booleans(column, tally, said)
    if found is None and asked in (None, "number", "integer"):
        found = _numbers(column, tally, said)
    if found is None and asked in (None, "datetime"):
        found = _dates(column, tally, said)
    if found is None:
        return _words(column, tally, said)
    text = _text_format(found.text, said.missing_values)
    markers = [say.markers(column, tally.markers)] if tally.markers and found.error is None else []
    return Reading(found.dtype, text, [*found.notes, *markers], found.error, found.doubt)


def errors_of(readings: Sequence[Reading]) -> list[str]:
    """Why a table cannot be read: what each column says, and the doubts that other columns raise."""
    are_commas = any(reading.shows_comma for reading in readings)
    return [error for reading in readings if (error := reading.error or (reading.doubt if are_commas else None))]


def _text_format(found: TextFormat | None, missing_values: tuple[str, ...]) -> TextFormat | None:
    text = (found or PLAIN).model_copy(update={"missing_values": missing_values})
    return None if text == PLAIN else text


def _booleans(column: say.Column, tally: Tally, said: UserRules) -> Reading | None:
    if tally.true_false.rows == tally.rows:
        return Reading(pl.Boolean())
    if said.table == "targets":
        return None
    if said.kind == "boolean":
        return Reading(pl.Boolean()) if _fits_boolean(tally) else None
    # Words that are written one way are categories, as they always were.
    if tally.yes_no.rows == tally.rows and len({w.lower() for w in tally.written}) < len(tally.written):
        return Reading(pl.Boolean(), notes=[say.yes_or_no(column, sorted(tally.written))])
    return None


def _fits_boolean(tally: Tally) -> bool:
    digits = tally.numbers[PLAIN.model_copy(update={"brackets": True})].rows
    return tally.yes_no.rows == tally.rows or tally.yes_no.rows + digits == tally.rows


def _numbers(column: say.Column, tally: Tally, said: UserRules) -> Reading | None:
    is_asked = said.asked in ("number", "integer")
    if tally.leading_zeros and not is_asked:
        return None
    found = _fitting(tally, said)
    if not found:
        return None
    beside = Beside(found[0].prefix, found[0].suffix)
    if any(beside) and not is_asked and not (_is_known(beside) and tally.beside[beside] == tally.rows):
        return None
    if is_scale(beside.suffix) and len(tally.beside) > 1:
        return Reading(pl.String(), error=say.units_differ(column, tally))
    readings = {_roles(text_format, tally): text_format for text_format in reversed(found)}
    chosen = _simplest(found, tally)
    if len(readings) > 1:
        # A point that stands before three digits in every value is what computers write all the same. Beside numbers
        # without one it is rather a mark between thousands: 950 and 1.250.
        plainly = "," not in tally.seen and not any(beside) and chosen.decimal == "." and tally.seen["."] == tally.rows
        error = say.ambiguous_numbers(column, tally, list(readings.values()))
        if not plainly:
            return Reading(pl.String(), error=error)
        return _number(chosen, tally, [say.three_digits(column, tally.example["."])], error)
    return _number(chosen, tally, say.numbers(column, chosen, tally))


def _number(chosen: TextFormat, tally: Tally, notes: list[str], doubt: str | None = None) -> Reading:
    whole = not tally.seen[chosen.decimal] and not tally.seen["e"] and tally.longest <= _EXACT_DIGITS
    return Reading(pl.Int64() if whole else pl.Float64(), chosen, notes, doubt=doubt)


def _fitting(tally: Tally, said: UserRules) -> list[TextFormat]:
    """Formats that all numbers have, those with what stands beside most of them; first as the user says."""
    every = [text_format for text_format, fit in tally.numbers.items() if fit.rows == tally.rows]
    # The plain ones first, then by what stands beside most numbers.
    for beside in [Beside("", ""), *(key for key, _ in tally.beside.most_common())]:
        fitting = [f for f in formats(beside) if f in every]
        for rules in (said.own, said.shared):
            if rules.of_numbers and (told := [f for f in fitting if _obeys(f, rules)]):
                return told
        if fitting:
            return [] if said.own.of_numbers else fitting
    return []


def _obeys(text_format: TextFormat, rules: TextRules) -> bool:
    decimal = rules.decimal or ("." if rules.thousands != "." else ",")
    return text_format.decimal == decimal and rules.thousands in (None, text_format.thousands)


def _is_known(beside: Beside) -> bool:
    return all(not part or is_unit(part) for part in beside)


def _roles(text_format: TextFormat, tally: Tally) -> tuple[str, ...]:
    """What each mark that is seen means."""
    return tuple(
        mark + ("d" if mark == text_format.decimal else "t") for mark in (".", ",", "'", " ") if tally.seen[mark]
    )


def _simplest(found: list[TextFormat], tally: Tally) -> TextFormat:
    """The format with the fewest marks among those of one reading; brackets only where there are some."""
    chosen = min(found, key=lambda f: (f.decimal == "," and not tally.seen[","], bool(f.thousands)))
    return chosen.model_copy(update={"brackets": bool(tally.seen["("])})


def _dates(column: say.Column, tally: Tally, said: UserRules) -> Reading | None:
    total = tally.rows - tally.date_markers
    if not total:
        return None
    markers = [say.date_markers(column, tally.date_markers)] if tally.date_markers else []
    if said.own_dates is not None:
        return Reading(MOMENT, said.own_dates, markers) if tally.dates[said.own_dates].rows == total else None
    preferred = said.shared_dates
    if preferred is not None and tally.dates[preferred].rows == total:
        return Reading(MOMENT, preferred, markers)
    if tally.dates[PLAIN].rows == total:
        unusual = tally.usual_dates < total
        return Reading(MOMENT, None, [*([say.dates(column, PLAIN, tally)] if unusual else []), *markers])
    found = [f for f in (TextFormat(order="dmy"), TextFormat(order="mdy")) if tally.dates[f].rows == total]
    if len(found) > 1:
        return Reading(pl.String(), error=say.ambiguous_dates(column, tally.date_example[found[0]]))
    return Reading(MOMENT, found[0], [say.dates(column, found[0], tally), *markers]) if found else None


def _words(column: say.Column, tally: Tally, said: UserRules) -> Reading:
    """The column stays text: said where it nearly is something else, an error where the user says that it is."""
    text = _text_format(None, said.missing_values)
    kind, fit = _nearest(tally)
    if said.asked is not None:
        asked_fit = _best(tally, said.asked)
        return Reading(pl.String(), text, error=say.does_not_fit(column, said, asked_fit))
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
