"""Sentences on how texts were read, or why they could not be read."""

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
    """A column in sentences.

    Attributes:
        name: the column's name.
        rows: number of rows that have a value.
        table: the column's table in ``schema.toml``, ``features`` or ``targets``.
    """

    name: str
    rows: int
    table: str

    def line(self, key: str, value: object) -> str:
        """A line of ``schema.toml`` about the column."""
        name = self.name if re.fullmatch(r"[A-Za-z0-9_-]+", self.name) else json.dumps(self.name, ensure_ascii=False)
        return f"{self.table}.{name}.{key} = {json.dumps(value, ensure_ascii=False)}"


def examples(counts: Mapping[str, int]) -> str:
    """Texts with their numbers of rows, the most frequent first: ``'#N/A' (2 times), 'none at all'``."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    return ", ".join(f"{_shortened(text)!r}" + (f" ({rows} times)" if rows > 1 else "") for text, rows in ordered)


def _shortened(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[: _CUT - 3]}..."


def markers(column: Column, counts: Mapping[str, int]) -> str:
    """A note on unusual texts that mean "no value"."""
    rows = sum(counts.values())
    return f"Column '{column.name}': {_rows(rows, 'counts', 'count')} as missing: {examples(counts)}."


def _rows(rows: int, one: str, many: str) -> str:
    return f"{rows:,} value {one}" if rows == 1 else f"{rows:,} values {many}"


def date_markers(column: Column, rows: int) -> str:
    """A note on dates of zeros."""
    return f"Column '{column.name}': {_rows(rows, 'counts', 'count')} as missing: a date of zeros, such as 0000-00-00."


def yes_or_no(column: Column, words: Sequence[str]) -> str:
    """A note on yes-or-no that is written in several ways."""
    texts = ", ".join(map(repr, words[:8]))
    return (
        f"Column '{column.name}' is read as yes or no: it holds {texts}. Send true or false in JSON. "
        f"Where these are categories of their own: {column.line('kind', 'category')}."
    )


def numbers(column: Column, text_format: TextFormat, tally: Tally) -> list[str]:
    """A note on marks, units and brackets in numbers; none if there are none."""
    parts = []
    if text_format.decimal == "," and tally.marks[","]:
        parts.append("a decimal comma")
    if text_format.thousands and tally.marks[text_format.thousands]:
        parts.append(f"{_MARKS[text_format.thousands]} between thousands")
    if text_format.prefix or text_format.suffix:
        parts.append(f"the unit '{(text_format.prefix + ' ' + text_format.suffix).strip()}'")
    if text_format.brackets:
        parts.append("brackets for values below 0")
    if tally.marks["\u2212"]:
        parts.append("a typographic minus sign")
    if not parts:
        return []
    example = _example(text_format, tally)
    return [f"Column '{column.name}' is read as numbers with {_listed(parts)}{_as(example, text_format)}."]


def _example(text_format: TextFormat, tally: Tally) -> str:
    marks = [
        m for m in ("(", text_format.thousands, text_format.decimal, ".", ",", "\u2212") if m and m in tally.example
    ]
    return tally.example[marks[0]] if marks else tally.beside_example


def _as(example: str, text_format: TextFormat) -> str:
    value = read_number(example, text_format) if example else None
    return "" if value is None else f": '{example}' is {number(value)}"


def number(value: float) -> str:
    """A number as in JSON: 1234 and 1234.5."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def three_digits(column: Column, example: str) -> str:
    """A note on points that might mark thousands."""
    other = read_number(example, TextFormat(decimal=",", thousands="."))
    return (
        f"Column '{column.name}': each point stands before three digits, and '{example}' is read as "
        f"{number(read_number(example, PLAIN) or 0.0)}. Where it means {number(other or 0.0)}, say so in schema.toml: "
        f"{column.line('thousands', '.')}."
    )


def ambiguous_numbers(column: Column, tally: Tally, formats: Sequence[TextFormat]) -> str:
    """The error about numbers that have two readings."""
    mark = "," if tally.marks[","] else "."
    example = tally.example[mark]
    values = sorted({number(v) for f in formats if (v := read_number(example, f)) is not None}, key=len)
    option = f"--thousands '{mark}' or --decimal '{mark}'"
    return (
        f"Expected numbers that have one reading. Received: '{column.name}' with '{example}', which is "
        f"{' or '.join(values)}; both fit all its {column.rows:,} values. Say which in schema.toml, "
        f"{column.line('thousands', mark)} or {column.line('decimal', mark)}, or for all columns by {option}."
    )


def ambiguous_dates(column: Column, example: str) -> str:
    """The error about dates that have two readings."""
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
    """The date in a text, in ISO 8601, with its time if it has one; empty if the text is no date."""
    micros = read_moment(text, text_format)
    return "" if micros is None else iso(micros)


def iso(micros: int) -> str:
    """A moment in ISO 8601, the day alone at midnight."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    return moment.date().isoformat() if not micros % 86_400_000_000 else moment.isoformat().replace("+00:00", "Z")


def dates(column: Column, text_format: TextFormat, tally: Tally) -> str:
    """A note on dates that are not written as in JSON."""
    how = {"dmy": " (dd/mm/yyyy)", "mdy": " (mm/dd/yyyy)", None: ""}[text_format.order]
    example = tally.date_example[text_format]
    return f"Column '{column.name}' is read as dates{how}: '{example}' is {day(example, text_format)}."


def times(column: Column, tally: Tally) -> str:
    """A note on times of day."""
    return (
        f"Column '{column.name}' stays text: {tally.times:,} of its {column.rows:,} values are times of day, which "
        "have no date. Give the hour as a number, such as 8.5 for 08:30, or a date with its time."
    )


def short_years(column: Column, tally: Tally) -> str:
    """A note on dates whose year has two digits."""
    orders = {(True, False): ["dd mm yy"], (False, True): ["mm dd yy"]}
    likely = orders.get((tally.first_is_day > 0, tally.second_is_day > 0), ["dd mm yy", "mm dd yy"])
    mark = next(char for char in tally.short_year_example if not char.isdecimal())
    return (
        f"Column '{column.name}' stays text: {tally.short_years:,} of its {column.rows:,} values look like dates with "
        f"a year of two digits. Say how they are written in schema.toml: "
        f"{' or '.join(column.line('format', order.replace(' ', mark)) for order in likely)}."
    )


def like_dates(column: Column, tally: Tally) -> str:
    """A note on texts that look like dates in an unknown form."""
    return (
        f"Column '{column.name}' stays text: {tally.date_like:,} of its {column.rows:,} values look like dates, such "
        f"as '{_shortened(tally.date_like_example)}', in a form that is not known. Say it in schema.toml by the codes "
        f"of strptime, such as {column.line('format', _strptime(tally.date_like_example))}; write a zone as its "
        "offset, such as +01:00."
    )


def _strptime(text: str) -> str:
    """A likely form, in the codes of strptime, of a text that looks like a date."""
    match = re.match(r"([0-9]{4})([-/.])([0-9]+)([-/.][0-9]+)?", text)
    if match is None:
        mark = next(char for char in text if not char.isdecimal())
        return f"%d{mark}%m{mark}%Y"
    return f"%Y{match[2]}" + (f"%d{match[2]}%m" if match[4] else "%j" if len(match[3]) == 3 else "%m")


def unknown_unit(column: Column, tally: Tally) -> str:
    """A note on numbers with texts beside them that are no known unit, or not the same for all."""
    if len(tally.beside) > 1:
        return (
            f"Column '{column.name}' stays text: its {column.rows:,} values are numbers, but not all have the same "
            f"text beside them: {_kinds_of_beside(tally)}. Write all of them in one unit."
        )
    return (
        f"Column '{column.name}' stays text: each of its {column.rows:,} values is a number with a unit or the like, "
        f"such as '{tally.beside_example}'. Say in schema.toml that they are numbers: {column.line('kind', 'number')}."
    )


def units_differ(column: Column, tally: Tally) -> str:
    """The error about numbers of which only some are counted in thousands, hundredths or the like."""
    return (
        f"Expected numbers in one unit. Received: '{column.name}', whose values do not all have the same text beside "
        f"them: {_kinds_of_beside(tally)}. Write all of them in one unit, without a text."
    )


def _kinds_of_beside(tally: Tally) -> str:
    kinds = [
        f"{_rows(rows, 'has', 'have')} {repr(f'{key.prefix} {key.suffix}'.strip()) if any(key) else 'nothing'}"
        for key, rows in tally.beside.most_common(_SHOWN)
    ]
    return f"{_listed(kinds)}, such as '{tally.beside_example}'"


def nearly(column: Column, kind: Kind, fit: Fit) -> str:
    """A note on a column of which most values, but not all, are numbers, dates or yes-or-no."""
    others = column.rows - fit.rows
    return (
        f"Column '{column.name}' stays text, though {fit.rows:,} of its {column.rows:,} values are {_PLURALS[kind]}: "
        f"{others:,} {'is' if others == 1 else 'are'} not, such as {examples(fit.others)}. {_way_out(column, fit)}"
    )


def _way_out(column: Column, fit: Fit) -> str:
    """What to do about values that do not fit.

    Words may mean "no value"; texts with digits are likely values in another form. The message lists
    words for ``schema.toml``, but no texts with digits: these may be a few of many.
    """
    texts = list(dict(fit.others.most_common(_SHOWN)))
    if any(char.isdecimal() for text in texts for char in text):
        return (
            "Write them as the others are written; those that mean no value are named by "
            f"{column.line('missing_values', ['...'])} in schema.toml."
        )
    return f"Correct them; or, where they mean no value, say in schema.toml: {column.line('missing_values', texts)}."


def does_not_fit(column: Column, rules: UserRules, fit: Fit) -> str:
    """The error about a column that does not fit what the user says."""
    others = column.rows - fit.rows
    kind = rules.required_kind or "number"
    plural = _PLURALS[kind]
    if not others:
        hint = "They can be read, but not as schema.toml says: leave out its decimal, thousands or format."
        return f"Expected {plural} in '{column.name}', as schema.toml says. Received: {plural} in other forms. {hint}"
    if rules.table == "targets":
        way_out = (
            _way_out(column, fit)
            if fit.rows
            else "Choose a column of numbers. Yes and no can be given as 1 and 0, with --objective logistic."
        )
        return (
            f"Expected a target of numbers. Received: '{column.name}' with {others:,} of {column.rows:,} values that "
            f"are not numbers, such as {examples(fit.others)}. {way_out}"
        )
    more = f" Where they are dates: {column.line('format', 'dd/mm/yyyy')} or the like." if kind == "datetime" else ""
    return (
        f"Expected kind = \"{kind}\" of schema.toml to fit column '{column.name}'. Received: {others:,} of "
        f"{column.rows:,} values that are not {plural}, such as {examples(fit.others)}. {_way_out(column, fit)}{more}"
    )


def marker_is_word(column: Column, counts: Mapping[str, int]) -> str:
    """A note on texts that may mean "no value", such as a spreadsheet's error values, in a column of words."""
    return (
        f"Column '{column.name}' has the texts {examples(counts)} as categories of their own. Where they mean no "
        f"value, say in schema.toml: {column.line('missing_values', list(counts))}."
    )
