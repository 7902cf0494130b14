"""Sentences on how texts were read, or why they were not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from artifact.rows.schema import Kind
from artifact.rows.texts.dates import read_moment
from artifact.rows.texts.format import PLAIN, TextFormat
from artifact.rows.texts.numbers import read_number
from training.table.texts.tally import Fit, Tally
from training.table.texts.user_rules import UserRules

_SHOWN = 5
_CUT = 40
_MARKS = {",": "a comma", ".": "a point", "'": "an apostrophe", " ": "a space"}
_PLURALS: dict[Kind, str] = {
    "number": "numbers",
    "integer": "integers",
    "datetime": "dates",
    "boolean": "yes or no",
    "category": "words",
}


class Column(NamedTuple):
    """What sentences say of a column.

    Attributes:
        name: of it.
        rows: that have a value.
        table: of ``schema.toml``, ``features`` or ``targets``.
    """

    name: str
    rows: int
    table: str

    def line(self, key: str, value: object) -> str:
        """A line of ``schema.toml`` about the column."""
        name = self.name if re.fullmatch(r"[A-Za-z0-9_-]+", self.name) else json.dumps(self.name, ensure_ascii=False)
        return f"{self.table}.{name}.{key} = {json.dumps(value, ensure_ascii=False)}"


def shown(counts: Mapping[str, int]) -> str:
    """Texts with their rows, the most frequent first: ``'#N/A' (2 times), 'none at all'``."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    return ", ".join(f"{_cut(text)!r}" + (f" ({rows} times)" if rows > 1 else "") for text, rows in ordered)


def _cut(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[: _CUT - 3]}..."


def markers(column: Column, found: Mapping[str, int]) -> str:
    """On texts that mean "no value" and are none of the usual ones."""
    rows = sum(found.values())
    return f"Column '{column.name}': {_rows(rows, 'counts', 'count')} as missing: {shown(found)}."


def _rows(rows: int, one: str, many: str) -> str:
    return f"{rows:,} value {one}" if rows == 1 else f"{rows:,} values {many}"


def date_markers(column: Column, rows: int) -> str:
    """On dates of zeros."""
    return f"Column '{column.name}': {_rows(rows, 'counts', 'count')} as missing: a date of zeros, such as 0000-00-00."


def yes_or_no(column: Column, written: Sequence[str]) -> str:
    """On yes-or-no that is written in several ways."""
    texts = ", ".join(map(repr, written[:8]))
    return (
        f"Column '{column.name}' is read as yes or no: it holds {texts}. Send true or false in JSON. "
        f"Where these are categories of their own: {column.line('kind', 'category')}."
    )


def numbers(column: Column, chosen: TextFormat, tally: Tally) -> list[str]:
    """On marks, units and brackets in numbers; none where they are written as computers write them."""
    parts = []
    if chosen.decimal == "," and tally.seen[","]:
        parts.append("a decimal comma")
    if chosen.thousands and tally.seen[chosen.thousands]:
        parts.append(f"{_MARKS[chosen.thousands]} between thousands")
    if chosen.prefix or chosen.suffix:
        parts.append(f"the unit '{(chosen.prefix + ' ' + chosen.suffix).strip()}'")
    if chosen.brackets:
        parts.append("brackets for values below 0")
    if tally.seen["\u2212"]:
        parts.append("a typographic minus sign")
    if not parts:
        return []
    example = _example(chosen, tally)
    return [f"Column '{column.name}' is read as numbers with {_listed(parts)}{_as(example, chosen)}."]


def _example(chosen: TextFormat, tally: Tally) -> str:
    marks = [m for m in ("(", chosen.thousands, chosen.decimal, ".", ",", "\u2212") if m and m in tally.example]
    return tally.example[marks[0]] if marks else tally.beside_example


def _as(example: str, chosen: TextFormat) -> str:
    value = read_number(example, chosen) if example else None
    return "" if value is None else f": '{example}' is {number(value)}"


def number(value: float) -> str:
    """A number as JSON would have it: 1234 and 1234.5."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def three_digits(column: Column, example: str) -> str:
    """On points that might mark thousands."""
    other = read_number(example, TextFormat(decimal=",", thousands="."))
    return (
        f"Column '{column.name}': each point stands before three digits, and '{example}' is read as "
        f"{number(read_number(example, PLAIN) or 0.0)}. Where it means {number(other or 0.0)}, say so in schema.toml: "
        f"{column.line('thousands', '.')}."
    )


def ambiguous_numbers(column: Column, tally: Tally, found: Sequence[TextFormat]) -> str:
    """On numbers that have two readings."""
    mark = "," if tally.seen[","] else "."
    example = tally.example[mark]
    values = sorted({number(v) for f in found if (v := read_number(example, f)) is not None}, key=len)
    option = f"--thousands '{mark}' or --decimal '{mark}'"
    return (
        f"Expected numbers that have one reading. Received: '{column.name}' with '{example}', which is "
        f"{' or '.join(values)}; both fit all its {column.rows:,} values. Say which in schema.toml, "
        f"{column.line('thousands', mark)} or {column.line('decimal', mark)}, or for all columns by {option}."
    )


def ambiguous_dates(column: Column, example: str) -> str:
    """On dates that have two readings."""
    readings = [day(example, TextFormat(order=order)) for order in ("dmy", "mdy")]
    if readings[0] == readings[1]:
        readings = ["day first", "month first"]
    return (
        f"Expected dates that have one reading. Received: '{column.name}' with '{example}', which is {readings[0]} "
        f"(dd/mm/yyyy) or {readings[1]} (mm/dd/yyyy); both fit all its {column.rows:,} values. Say which in "
        f"schema.toml, {column.line('format', 'dd/mm/yyyy')} or {column.line('format', 'mm/dd/yyyy')}, or for all "
        "columns by --date-format dd/mm/yyyy."
    )


def day(text: str, text_format: TextFormat) -> str:
    """The date that a text says, in ISO 8601, with its time where it has one; empty where it says none."""
    micros = read_moment(text, text_format)
    return "" if micros is None else iso(micros)


def iso(micros: int) -> str:
    """A moment in ISO 8601, the day alone at midnight."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    return moment.date().isoformat() if not micros % 86_400_000_000 else moment.isoformat().replace("+00:00", "Z")


def dates(column: Column, chosen: TextFormat, tally: Tally) -> str:
    """On dates that are not written as JSON would have them."""
    how = {"dmy": " (dd/mm/yyyy)", "mdy": " (mm/dd/yyyy)", None: ""}[chosen.order]
    example = tally.date_example[chosen]
    return f"Column '{column.name}' is read as dates{how}: '{example}' is {day(example, chosen)}."


def times(column: Column, tally: Tally) -> str:
    """On times of day."""
    return (
        f"Column '{column.name}' stays text: {tally.times:,} of its {column.rows:,} values are times of day, which "
        "have no date. Give the hour as a number, such as 8.5 for 08:30, or a date with its time."
    )


def short_years(column: Column, tally: Tally) -> str:
    """On dates whose year has two digits."""
    orders = {(True, False): ["dd mm yy"], (False, True): ["mm dd yy"]}
    found = orders.get((tally.first_is_day > 0, tally.second_is_day > 0), ["dd mm yy", "mm dd yy"])
    mark = next(char for char in tally.short_year_example if not char.isdecimal())
    return (
        f"Column '{column.name}' stays text: {tally.short_years:,} of its {column.rows:,} values look like dates with "
        f"a year of two digits. Say how they are written in schema.toml: "
        f"{' or '.join(column.line('format', order.replace(' ', mark)) for order in found)}."
    )


def like_dates(column: Column, tally: Tally) -> str:
    """On what looks like dates, in a form that is not known."""
    return (
        f"Column '{column.name}' stays text: {tally.date_like:,} of its {column.rows:,} values look like dates, such "
        f"as '{_cut(tally.date_like_example)}', in a form that is not known. Say it as strptime has it in schema.toml, "
        f"such as {column.line('format', _strptime(tally.date_like_example))}; a zone as its offset, such as +01:00."
    )


def _strptime(text: str) -> str:
    """A form that a text which looks like a date may have."""
    found = re.match(r"([0-9]{4})([-/.])([0-9]+)([-/.][0-9]+)?", text)
    if found is None:
        mark = next(char for char in text if not char.isdecimal())
        return f"%d{mark}%m{mark}%Y"
    return f"%Y{found[2]}" + (f"%d{found[2]}%m" if found[4] else "%j" if len(found[3]) == 3 else "%m")


def unknown_unit(column: Column, tally: Tally) -> str:
    """On numbers of which each has a text beside it, or some have."""
    if len(tally.beside) > 1:
        return (
            f"Column '{column.name}' stays text: its {column.rows:,} values are numbers, but not all have the same "
            f"beside them: {_kinds_of_beside(tally)}. Write all of them in one unit."
        )
    return (
        f"Column '{column.name}' stays text: each of its {column.rows:,} values is a number with a unit or the like, "
        f"such as '{tally.beside_example}'. Say in schema.toml that they are numbers: {column.line('kind', 'number')}."
    )


def units_differ(column: Column, tally: Tally) -> str:
    """The error about numbers of which some are counted in thousands, hundredths and so on, and others are not."""
    return (
        f"Expected numbers in one unit. Received: '{column.name}', whose values have not all the same beside them: "
        f"{_kinds_of_beside(tally)}. Write all of them in one unit, without a text."
    )


def _kinds_of_beside(tally: Tally) -> str:
    told = [
        f"{_rows(rows, 'has', 'have')} {repr(f'{key.prefix} {key.suffix}'.strip()) if any(key) else 'nothing'}"
        for key, rows in tally.beside.most_common(_SHOWN)
    ]
    return f"{_listed(told)}, such as '{tally.beside_example}'"


def nearly(column: Column, kind: Kind, fit: Fit) -> str:
    """On a column that would be numbers, dates or yes-or-no but for some values."""
    others = column.rows - fit.rows
    return (
        f"Column '{column.name}' stays text, though {fit.rows:,} of its {column.rows:,} values are {_PLURALS[kind]}: "
        f"{others:,} {'is' if others == 1 else 'are'} not, such as {shown(fit.others)}. {_way_out(column, fit)}"
    )


def _way_out(column: Column, fit: Fit) -> str:
    """What to do about values that do not fit: words may mean "no value", what has digits is rather written otherwise.

    Where the values are all different, those that are shown are a few of many, and a list of them would not help.
    """
    found = list(dict(fit.others.most_common(_SHOWN)))
    if any(char.isdecimal() for text in found for char in text):
        return (
            "Write them as the others are written; those that mean no value are named by "
            f"{column.line('missing_values', ['...'])} in schema.toml."
        )
    return f"Correct them; or, where they mean no value, say in schema.toml: {column.line('missing_values', found)}."


def does_not_fit(column: Column, said: UserRules, fit: Fit) -> str:
    """The error about a column that is not what the user says."""
    others = column.rows - fit.rows
    kind = said.asked or "number"
    plural = _PLURALS[kind]
    if not others:
        hint = "They have a reading, but not as schema.toml says: leave decimal, thousands or format out."
        return f"Expected {plural} in '{column.name}', as schema.toml says. Received: other forms of them. {hint}"
    if said.table == "targets":
        way_out = (
            _way_out(column, fit)
            if fit.rows
            else "Choose a column of numbers. Yes and no can be given as 1 and 0, with --objective logistic."
        )
        return (
            f"Expected a target of numbers. Received: '{column.name}' with {others:,} of {column.rows:,} values that "
            f"are not numbers, such as {shown(fit.others)}. {way_out}"
        )
    more = f" Where they are dates: {column.line('format', 'dd/mm/yyyy')} or the like." if kind == "datetime" else ""
    return (
        f"Expected kind = \"{kind}\" of schema.toml to fit column '{column.name}'. Received: {others:,} of "
        f"{column.rows:,} values that are not {plural}, such as {shown(fit.others)}. {_way_out(column, fit)}{more}"
    )


def marker_is_word(column: Column, found: Mapping[str, int]) -> str:
    """On error values of a spreadsheet and the like among words."""
    return (
        f"Column '{column.name}' has the texts {shown(found)} as categories of their own. Where they mean no value, "
        f"say in schema.toml: {column.line('missing_values', list(found))}."
    )
