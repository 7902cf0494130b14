"""Reads single values and columns of them: numbers, strings, moments, dictionaries of strings."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.errors import FAULT_LIMIT, Fault
from artifact.rows.moments import unwritable
from artifact.rows.schema import DatetimePart, Feature, Kind
from artifact.rows.texts.hint import what_to_send

DAY = 86_400.0
YEAR = 365.2425 * DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# 1970-01-01 was a Thursday; three days later the week (Monday first) begins.
_WEEK_SHIFT = 3 * DAY

FloatArray = npt.NDArray[np.float64]

_NUMBER_TYPES = frozenset({float, int, type(None)})
_BOOLEAN_TYPES = frozenset({bool, type(None)})
_STRING_TYPES = frozenset({str, type(None)})

# The rule for a value of each kind, in the words of a fault.
RULES: dict[Kind, str] = {
    "number": "Expected a number.",
    "integer": "Expected an integer.",
    "boolean": "Expected true or false.",
    "category": "Expected a string.",
    "datetime": "Expected an ISO 8601 date or time, for example 2024-05-01T12:30:00Z.",
}


@dataclass(frozen=True, slots=True)
class DictionaryColumn:
    """A column of categories as Arrow and Parquet hold it: each distinct string once.

    Attributes:
        indices: integers (n_samples,), the place of each row's string in ``values``; -1 is missing.
        values: the distinct strings.
    """

    indices: npt.NDArray[np.integer]
    values: Sequence[str]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, row: int) -> str | None:
        index = int(self.indices[row])
        return None if index < 0 else self.values[index]

    def __iter__(self) -> Iterator[str | None]:
        return (self[row] for row in range(len(self)))

    def take(self, rows: npt.NDArray[np.intp]) -> DictionaryColumn:
        """The same column of some rows."""
        return DictionaryColumn(self.indices[rows], self.values)


def datetime_part(part: DatetimePart, seconds: FloatArray, offset: float) -> FloatArray:
    """One numeric column of a datetime.

    Args:
        part: ``days`` since ``offset``, or the sine or cosine of the position in the year, week or day.
        seconds: float64 (n_samples,), seconds since 1970 UTC.
        offset: the feature's offset, seconds.

    Returns:
        float64 (n_samples,), NaN where missing.
    """
    if part == "days":
        return np.asarray((seconds - offset) / DAY)
    cycle, _, wave = part.rpartition("_")
    period, shift = {"season": (YEAR, 0.0), "weekday": (7 * DAY, _WEEK_SHIFT), "hour": (DAY, 0.0)}[cycle]
    angle = 2 * np.pi * (np.mod(seconds + shift, period) / period)
    return np.asarray(np.sin(angle) if wave == "sin" else np.cos(angle))


def parse_datetime(value: Any) -> float:
    """Seconds since 1970 UTC of an ISO 8601 string, ``datetime``, ``date`` or ``datetime64``; without a zone it is UTC.

    Raises:
        ValueError: not a datetime.
    """
    if isinstance(value, np.datetime64):
        return float(_datetime64_seconds(np.array([value]))[0])
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        # Not timestamp(): far from 1970 its last bit differs from that of the same moment as datetime64.
        return (moment - _EPOCH) / _MICROSECOND / 1e6
    if isinstance(value, date):
        return (date.toordinal(value) - _EPOCH.toordinal()) * DAY
    raise ValueError("not a datetime")


def is_column(values: Any) -> bool:
    if isinstance(values, np.ndarray):
        return values.ndim == 1
    return isinstance(values, Iterable) and hasattr(values, "__len__") and not isinstance(values, (str, bytes, Mapping))


def holds_numbers(feature: Feature, values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in ("fiub" if feature.kind == "boolean" else "fiu")


def category_column(values: Any) -> list[Any] | DictionaryColumn:
    if isinstance(values, DictionaryColumn):
        return values
    column: list[Any] = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return column


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, (float, np.floating)) and math.isnan(value))


def _datetime64_seconds(values: npt.NDArray[np.datetime64]) -> FloatArray:
    micros = values.astype("datetime64[us]")
    # A year that no text can hold counts as missing, as in training: some databases mean "infinity" by it.
    is_missing_value = np.isnat(micros) | unwritable(values)
    return np.where(is_missing_value, np.nan, micros.astype(np.int64).astype(np.float64) / 1e6)


def read_seconds(feature: Feature, values: Any, faults: list[Fault]) -> FloatArray:
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return _datetime64_seconds(values)
    out, n_before = np.full(len(values), np.nan), len(faults)
    for i, value in enumerate(values):
        if is_missing(value):
            continue
        try:
            out[i] = parse_datetime(value)
        except (ValueError, OverflowError):
            _refuse(feature, i, value, faults, n_before)
    return out


def read_numbers(feature: Feature, values: Iterable[Any], faults: list[Fault]) -> FloatArray:
    boolean = feature.kind == "boolean"
    # Looking at the types alone is ten times faster than looking at each value, and is most often enough.
    if isinstance(values, (list, tuple)) and set(map(type, values)) <= (_BOOLEAN_TYPES if boolean else _NUMBER_TYPES):
        with contextlib.suppress(OverflowError):
            return np.array(values, dtype=np.float64)
    out: list[float] = []
    n_before = len(faults)
    for i, value in enumerate(values):
        good = isinstance(value, (bool, np.bool_)) if boolean else _is_number(value)
        if good or is_missing(value):
            out.append(read_float(value))
        else:
            out.append(math.nan)
            _refuse(feature, i, value, faults, n_before)
    return np.array(out, dtype=np.float64)


def _refuse(feature: Feature, row: int, value: Any, faults: list[Fault], n_before: int) -> None:
    # Only faults that may be reported get a hint: a hostile body has many more of them.
    hint = what_to_send(feature, value) if len(faults) - n_before < FAULT_LIMIT else ""
    faults.append(Fault(row, feature.name, RULES[feature.kind] + hint, value, "type"))


def read_float(value: Any) -> float:
    if value is None:
        return math.nan
    try:
        return float(value)
    except OverflowError:  # an int beyond float64
        return math.inf


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, (bool, np.bool_))


def read_strings(feature: Feature, values: list[Any], faults: list[Fault]) -> list[str | None]:
    if set(map(type, values)) <= _STRING_TYPES:
        return values
    out: list[str | None] = []
    for i, value in enumerate(values):
        if isinstance(value, str):
            out.append(str(value))
            continue
        out.append(None)
        if not is_missing(value):
            faults.append(Fault(i, feature.name, RULES["category"], value, "type"))
    return out
