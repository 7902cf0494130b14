"""The hint for a text that does not fit its feature's kind: the JSON value to send, where there is no doubt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from artifact.rows.schema import Feature
from artifact.rows.texts.booleans import read_boolean
from artifact.rows.texts.dates import read_moment
from artifact.rows.texts.format import PLAIN, Decimal, TextFormat, Thousands
from artifact.rows.texts.numbers import read_number
from artifact.rows.texts.plain import clean_text, is_marker

_LONGEST = 60
_FORMATS = tuple(
    TextFormat(decimal=decimal, thousands=mark, brackets=True)
    for decimal in get_args(Decimal)
    for mark in get_args(Thousands)
    if mark != decimal
)


def what_to_send(feature: Feature, value: Any) -> str:
    """A space and the sentence that says what to send, or an empty text where there is doubt.

    Args:
        feature: the feature that refused the value.
        value: the value as it was received.

    Example:
        >>> what_to_send(Feature(name="area", kind="number"), "50,5")
        ' Send 50.5.'
        >>> what_to_send(Feature(name="area", kind="number", text=TextFormat(decimal=",")), "50.5")
        " Send 50.5 in JSON; in a CSV write '50,5', as training read it."
    """
    if not isinstance(value, str) or len(value) > _LONGEST:
        return ""
    text_format, text = feature.text or PLAIN, clean_text(value)
    if is_marker(text, text_format.missing_values, dates=feature.kind == "datetime"):
        return " Send null for a missing value." if feature.missing == "impute" else ""
    if feature.kind == "boolean":
        boolean = read_boolean(text)
        return "" if boolean is None else f" Send {'true' if boolean else 'false'}."
    if feature.kind == "datetime":
        return _date(text, text_format)
    if feature.kind == "category":
        return ""
    return _number(text, text_format)


def _number(text: str, text_format: TextFormat) -> str:
    own_reading = read_number(text, text_format)
    readings = (
        {own_reading} if own_reading is not None else {v for f in _FORMATS if (v := read_number(text, f)) is not None}
    )
    if len(readings) == 1 and abs(value := readings.pop()) < 1e15:
        number = str(int(value) if value == int(value) else value)
        if own_reading is None and text_format.decimal == ",":
            # A CSV must have a comma, because training read commas.
            return f" Send {number} in JSON; in a CSV write '{number.replace('.', ',')}', as training read it."
        return f" Send {number}."
    return " Send it with a decimal point and without marks between thousands." if readings else ""


def _date(text: str, text_format: TextFormat) -> str:
    own_reading = read_moment(text, text_format)
    other_readings = [read_moment(text, TextFormat(order=order)) for order in ("dmy", "mdy")]
    readings = {own_reading} if own_reading is not None else {m for m in other_readings if m is not None}
    if len(readings) != 1:
        return ""
    micros = readings.pop()
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    except OverflowError:
        return ""
    return f" Send {moment.date() if not micros % 86_400_000_000 else moment.isoformat().replace('+00:00', 'Z')}."
