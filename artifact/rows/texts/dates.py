"""Dates and times as text: ISO 8601 and its usual variants, day and month in either order, epochs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from artifact.rows.texts.format import Epoch, TextFormat
from artifact.rows.texts.numbers import read_number
from artifact.rows.texts.plain import clean_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECONDS: dict[Epoch, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "excel": 86_400.0}
# Day 25569 of Excel is 1970-01-01; its days 1 to 60 are off by one, because it counts a 29 February 1900.
_EXCEL_EPOCH = 25_569
_FIRST, _LAST = -62_135_596_800, 253_402_300_800

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH_NUMBERS = {**{name: i for i, name in enumerate(_MONTHS, 1)}, **{n: i for i, n in enumerate(_LONG_MONTHS, 1)}}
_MONTH_NUMBERS["sept"] = 9
_DAY_NAME = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?"
_TIME = (
    r"(?:(?:T|,? +)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?(?: ?(?P<half>[ap])\.?m\.?)?)?"
    r"(?: ?(?P<zone>Z|UTC|GMT|(?:(?:UTC|GMT) ?)?[-+][0-9]{2}(?::?[0-9]{2})?))?"
)
_FORMS = tuple(
    re.compile(rf"{date}{_TIME}", re.IGNORECASE | re.ASCII)
    for date in (
        r"(?P<year>[0-9]{4})(?P<mark>[-/.])(?P<month>[0-9]{1,2})(?P=mark)(?P<day>[0-9]{1,2})",
        r"(?P<one>[0-9]{1,2})(?P<mark>[-/.])(?P<other>[0-9]{1,2})(?P=mark)(?P<year>[0-9]{4})",
        _DAY_NAME + r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?[-. /]{0,2}(?P<name>[a-z]{3,9})[-., /]{0,2}(?P<year>[0-9]{4})",
        _DAY_NAME + r"(?P<name>[a-z]{3,9})\.? (?P<day>[0-9]{1,2})(?:st|nd|rd|th)?,? (?P<year>[0-9]{4})",
        r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})",
    )
)


def read_moment(text: str, text_format: TextFormat) -> int | None:
    """The moment that a text gives, in microseconds since 1970 UTC, or None. A text without a zone is in UTC.

    Args:
        text: any text.
        text_format: how the column's dates are written; ISO 8601 is always read.

    Example:
        >>> read_moment("03/04/2024", TextFormat(order="dmy"))
        1712102400000000
    """
    text = clean_text(text)
    try:
        moment = _moment(text, text_format)
    except (ValueError, OverflowError):
        return None
    return moment if moment is None or isinstance(moment, int) else (moment - _EPOCH) // _MICROSECOND


def _moment(text: str, text_format: TextFormat) -> datetime | int | None:
    if text_format.strptime is not None:
        try:
            return _with_zone(datetime.strptime(text, text_format.strptime))
        except ValueError:
            # ISO 8601 begins with the year too. If the text were read by both formats, day and month could be swapped.
            if text_format.strptime.startswith("%Y"):
                return None
    if text_format.epoch is not None and (number := read_number(text, text_format)) is not None:
        return epoch_micros(number, text_format.epoch)
    if text[4:5] == "-" or text[8:9] == "T":
        try:
            return _with_zone(datetime.fromisoformat(text))
        except ValueError:
            pass
    return _by_form(text, text_format)


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _by_form(text: str, text_format: TextFormat) -> datetime | None:
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is None:
            continue
        parts = match.groupdict()
        if "name" in parts:
            month, day = _MONTH_NUMBERS.get(parts["name"].lower(), 0), int(parts["day"])
        elif "one" in parts:
            if text_format.order is None:
                return None
            first, second = int(parts["one"]), int(parts["other"])
            day, month = (first, second) if text_format.order == "dmy" else (second, first)
        else:
            month, day = int(parts["month"]), int(parts["day"])
        return datetime(int(parts["year"]), month, day, *_time(parts), tzinfo=_zone(parts["zone"]))
    return None


def _time(parts: dict[str, str | None]) -> tuple[int, int, int, int]:
    hour, minute = int(parts["hour"] or 0), int(parts["minute"] or 0)
    second, fraction = int(parts["second"] or 0), int(f"{parts['fraction'] or '0':0<6}"[:6])
    if parts["half"] is not None:
        if not 1 <= hour <= 12:
            raise ValueError("an hour of a half day")
        hour = hour % 12 + (12 if parts["half"].lower() == "p" else 0)
    return hour, minute, second, fraction


@lru_cache(maxsize=256)
def _zone(text: str | None) -> timezone:
    digits = "" if text is None else re.sub(r"[^-+0-9]", "", text)
    if not digits:
        return UTC
    away = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5] or 0))
    return timezone(-away if digits[0] == "-" else away)


def epoch_micros(number: float, epoch: Epoch) -> int | None:
    """Microseconds since 1970 UTC for a number that counts from an epoch; None beyond the years 1 to 9999.

    Args:
        number: seconds, milli-, micro- or nanoseconds, or days of Excel.
        epoch: the number's unit.
    """
    seconds = (number - _EXCEL_EPOCH if epoch == "excel" else number) * _SECONDS[epoch]
    if not _FIRST <= seconds < _LAST:
        return None
    # Exact for whole units; a product with 1e-9 may not be.
    exact: dict[Epoch, Callable[[float], float]] = {
        "s": lambda n: n * 1e6,
        "ms": lambda n: n * 1e3,
        "us": lambda n: n,
        "ns": lambda n: n / 1e3,
        # Excel's fractions of a day are exact to a few microseconds only; it shows milliseconds.
        "excel": lambda n: round((n - _EXCEL_EPOCH) * 86_400_000) * 1e3,
    }
    return round(exact[epoch](number))


_SKELETON = re.compile(r"([dmy]+)([-/. ])([dmy]+)\2([dmy]+)", re.IGNORECASE)


def format_of_dates(text: str) -> TextFormat:
    """The format of dates as a user names it: ``dd/mm/yyyy`` and the like, or directives of ``strptime``.

    Raises:
        ValueError: the text is neither.

    Example:
        >>> format_of_dates("dd.mm.yyyy").order
        'dmy'
    """
    if "%" in text:
        return TextFormat(strptime=text)
    match = _SKELETON.fullmatch(text.strip())
    order = "".join(part[0].lower() for part in match.group(1, 3, 4)) if match else text.strip().lower()
    if match and order in ("dmy", "mdy") and len(match[4]) == 2:
        forms = {"d": "%d", "m": "%m", "y": "%y"}
        return TextFormat(strptime=match[2].join(forms[letter] for letter in order))
    if order == "dmy":
        return TextFormat(order="dmy")
    if order == "mdy":
        return TextFormat(order="mdy")
    if order == "ymd":
        return TextFormat()
    raise ValueError(
        f"Expected a format of dates such as dd/mm/yyyy, mm/dd/yyyy, yyyy-mm-dd or %d.%m.%Y %H:%M. Received: {text!r}."
    )
