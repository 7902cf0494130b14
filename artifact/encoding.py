"""Records or columns to arrays, in schema order: the one place where a value becomes a number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.errors import Fault, SchemaMismatchError, unknown_name
from artifact.schema import MISSING_CODE, OTHER_CODE, DatetimePart, Feature, FeatureSchema

FAULT_LIMIT = 1000
DAY = 86_400.0
YEAR = 365.2425 * DAY
_FLOAT32_MAX = float(np.finfo(np.float32).max)
# 1970-01-01 was a Thursday; three days later the week (Monday first) begins.
_WEEK_SHIFT = 3 * DAY

FloatArray = npt.NDArray[np.float64]


class RowWarning(NamedTuple):
    """A value that was answered but that the caller should know of. ``kind``: ``out_of_range`` or ``unseen``."""

    row: int
    field: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as the network takes them.

    Attributes:
        numeric: float32 (n_samples, n_numeric), columns as ``schema.numeric_columns``, NaN where missing.
        categorical: int32 (n_samples, n_categorical), 0 missing, 1 other, columns as ``schema.categorical``.
        warnings: values outside the training range or unseen, in column order.
    """

    numeric: npt.NDArray[np.float32]
    categorical: npt.NDArray[np.int32]
    warnings: list[RowWarning] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numeric)


class Encoder:
    """Encodes rows by a schema.

    Example:
        >>> encoder = Encoder(schema)
        >>> encoder.encode_rows([{"rooms": 5, "town": "Leeds"}]).numeric
        array([[5.]], dtype=float32)
    """

    def __init__(self, schema: FeatureSchema) -> None:
        self.schema = schema
        numeric, categorical = schema.numeric, schema.categorical
        self._numeric_names = tuple(f.name for f in numeric)
        self._categorical_names = tuple(f.name for f in categorical)
        self._known = frozenset(schema.names)
        self._has_datetime = any(f.kind == "datetime" for f in numeric)
        self._codes: list[dict[str | None, int]] = [
            {None: MISSING_CODE, **{c: i for i, c in enumerate(f.categories, start=OTHER_CODE + 1)}}
            for f in categorical
        ]
        self._low = np.array([-math.inf if f.minimum is None else f.minimum for f in numeric])
        self._high = np.array([math.inf if f.maximum is None else f.maximum for f in numeric])
        offsets = np.array([f.offset for f in numeric])
        self._offsets = offsets if offsets.any() else None
        self._integral = np.array([f.kind == "integer" for f in numeric], dtype=bool)
        self._any_integral = bool(self._integral.any())
        self._refuse_missing = np.array([f.missing == "refuse" for f in numeric], dtype=bool)

    def encode_rows(self, rows: Sequence[Mapping[str, Any]], *, checked: bool = False) -> Encoded:
        """Encode records.

        Args:
            rows: one mapping a row, feature name to value; a feature left out is missing.
            checked: True when every value's type and every name was validated before (the service does, by pydantic).
                Defaults to False.

        Raises:
            SchemaMismatchError: names, types or values that the schema refuses, with every fault up to 1,000.
        """
        if not checked:
            self._check_names(rows)
        if checked and not self._has_datetime:
            names = self._numeric_names
            matrix = np.array([[row.get(n) for n in names] for row in rows], dtype=np.float64)
            matrix = matrix.reshape(len(rows), len(names))
            faults: list[Fault] = []
        else:
            columns = {f.name: [row.get(f.name) for row in rows] for f in self.schema.numeric}
            matrix, faults = self._numeric_matrix(columns, len(rows), checked=checked)
        raw = [[row.get(n) for row in rows] for n in self._categorical_names]
        return self._finish(matrix, raw, faults, checked=checked)

    def encode_columns(self, columns: Mapping[str, Any], *, checked: bool = False) -> Encoded:
        """Encode columns of equal length.

        Args:
            columns: feature name to a list or array; numbers as numbers with None or NaN for missing, datetimes as
                ISO 8601 strings, ``datetime`` or ``datetime64``, categories as strings with None for missing.
            checked: as in :meth:`encode_rows`.

        Raises:
            SchemaMismatchError: as in :meth:`encode_rows`, and for columns of unequal length.
        """
        unknown = [name for name in columns if name not in self._known]
        if unknown:
            raise SchemaMismatchError([self._unknown(None, name) for name in unknown])
        lengths = {name: len(values) for name, values in columns.items()}
        n = next(iter(lengths.values()), 0)
        if any(length != n for length in lengths.values()):
            name, length = next((k, v) for k, v in lengths.items() if v != n)
            message = f"Expected columns of equal length, {n} as '{next(iter(lengths))}' has."
            raise SchemaMismatchError([Fault(None, name, message, f"{length} values", "length")])
        absent = [None] * n
        matrix, faults = self._numeric_matrix(
            {f.name: columns.get(f.name, absent) for f in self.schema.numeric}, n, checked=checked
        )
        raw = [list(columns.get(name, absent)) for name in self._categorical_names]
        return self._finish(matrix, raw, faults, checked=checked)

    def _check_names(self, rows: Sequence[Mapping[str, Any]]) -> None:
        faults = [
            self._unknown(i, name)
            for i, row in enumerate(rows)
            if not row.keys() <= self._known
            for name in row
            if name not in self._known
        ]
        if faults:
            raise SchemaMismatchError(faults[:FAULT_LIMIT])

    def _unknown(self, row: int | None, name: str) -> Fault:
        return Fault(row, name, unknown_name("feature", name, self.schema.names), name, "unknown")

    def _numeric_matrix(self, columns: Mapping[str, Any], n: int, *, checked: bool) -> tuple[FloatArray, list[Fault]]:
        matrix = np.empty((n, len(self._numeric_names)), dtype=np.float64)
        faults: list[Fault] = []
        for j, feature in enumerate(self.schema.numeric):
            values = columns[feature.name]
            if feature.kind == "datetime":
                matrix[:, j] = _seconds(feature, values, faults)
            elif isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
                matrix[:, j] = values
            elif checked:
                matrix[:, j] = np.array(values, dtype=np.float64)
            else:
                matrix[:, j] = _numbers(feature, values, faults)
        return matrix, faults

    def _finish(self, matrix: FloatArray, raw: list[list[Any]], faults: list[Fault], *, checked: bool) -> Encoded:
        n = len(matrix)
        warnings: list[RowWarning] = []
        self._check_numeric(matrix, faults, warnings)
        categorical = np.empty((n, len(raw)), dtype=np.int32)
        for j, values in enumerate(raw):
            feature = self.schema.categorical[j]
            if not checked:
                values = _strings(feature, values, faults)
            codes = self._codes[j]
            categorical[:, j] = [codes.get(v, OTHER_CODE) for v in values]
            self._check_codes(feature, categorical[:, j], values, faults, warnings)
        if faults:
            # A type fault leaves a hole where the value stood; it is not missing as well.
            typed = {(f.row, f.field) for f in faults if f.reason == "type"}
            kept = [f for f in faults if f.reason != "missing" or (f.row, f.field) not in typed]
            raise SchemaMismatchError(sorted(kept, key=lambda f: -1 if f.row is None else f.row)[:FAULT_LIMIT])
        return Encoded(self._float32(matrix), categorical, warnings)

    def _check_numeric(self, matrix: FloatArray, faults: list[Fault], warnings: list[RowWarning]) -> None:
        missing = np.isnan(matrix)
        if missing.any():
            for i, j in _where(missing & self._refuse_missing):
                faults.append(_missing(i, self.schema.numeric[j]))
        infinite = np.isinf(matrix)
        if infinite.any():
            for i, j in _where(infinite):
                feature = self.schema.numeric[j]
                faults.append(Fault(i, feature.name, "Expected a finite number.", float(matrix[i, j]), "type"))
        if self._any_integral:
            fractional = (matrix != np.floor(matrix)) & self._integral & ~missing & ~infinite
            if fractional.any():
                for i, j in _where(fractional):
                    feature = self.schema.numeric[j]
                    faults.append(Fault(i, feature.name, "Expected an integer.", float(matrix[i, j]), "type"))
        outside = (matrix < self._low) | (matrix > self._high)
        if outside.any():
            for i, j in _where(outside & ~infinite, limit=None):
                self._outside(i, self.schema.numeric[j], float(matrix[i, j]), faults, warnings)

    def _outside(
        self, row: int, feature: Feature, value: float, faults: list[Fault], warnings: list[RowWarning]
    ) -> None:
        if feature.kind == "boolean":
            faults.append(Fault(row, feature.name, "Expected true or false.", value, "type"))
            return
        low, high = (_shown(feature, v) for v in (feature.minimum, feature.maximum))
        if feature.out_of_range == "refuse":
            message = f"Expected a value in the training range [{low}, {high}]."
            faults.append(Fault(row, feature.name, message, _shown(feature, value), "range"))
        else:
            message = f"'{feature.name}' = {_shown(feature, value)} is outside the training range [{low}, {high}]."
            warnings.append(RowWarning(row, feature.name, "out_of_range", message))

    def _check_codes(
        self,
        feature: Feature,
        codes: npt.NDArray[np.int32],
        values: Sequence[Any],
        faults: list[Fault],
        warnings: list[RowWarning],
    ) -> None:
        if feature.missing == "refuse" and not codes.all():
            faults.extend(_missing(int(i), feature) for i in np.flatnonzero(codes == MISSING_CODE)[:FAULT_LIMIT])
        unseen = codes == OTHER_CODE
        if not unseen.any():
            return
        for i in map(int, np.flatnonzero(unseen)):
            if feature.unseen == "refuse":
                message = unknown_name(f"category of '{feature.name}'", str(values[i]), feature.categories)
                faults.append(Fault(i, feature.name, message, values[i], "unseen"))
            else:
                message = f"'{feature.name}' = {values[i]!r} was not seen in training; answered as 'other'."
                warnings.append(RowWarning(i, feature.name, "unseen", message))

    def _float32(self, matrix: FloatArray) -> npt.NDArray[np.float32]:
        if self._has_datetime:
            matrix = self._expand(matrix)
        elif self._offsets is not None:
            matrix = matrix - self._offsets
        # 1e300 is a legal number; as float32 it would be infinite and the graph would answer NaN.
        return np.clip(matrix, -_FLOAT32_MAX, _FLOAT32_MAX).astype(np.float32)

    def _expand(self, matrix: FloatArray) -> FloatArray:
        columns: list[FloatArray] = []
        for j, feature in enumerate(self.schema.numeric):
            if feature.kind == "datetime":
                columns.extend(datetime_part(part, matrix[:, j], feature.offset) for part in feature.parts)
            else:
                columns.append(matrix[:, j] - feature.offset)
        return np.stack(columns, axis=1)


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
    """Seconds since 1970 UTC of an ISO 8601 string, a ``datetime`` or a ``date``; without a zone it is UTC.

    Raises:
        ValueError: not a datetime.
    """
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return moment.timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    raise ValueError("not a datetime")


def _seconds(feature: Feature, values: Any, faults: list[Fault]) -> FloatArray:
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        micros = values.astype("datetime64[us]")
        seconds = micros.astype(np.int64).astype(np.float64) / 1e6
        return np.where(np.isnat(micros), np.nan, seconds)
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if value is None:
            continue
        try:
            out[i] = parse_datetime(value)
        except (ValueError, OverflowError):
            message = "Expected an ISO 8601 date or time, for example 2024-05-01T12:30:00Z."
            faults.append(Fault(i, feature.name, message, value, "type"))
    return out


def _numbers(feature: Feature, values: Iterable[Any], faults: list[Fault]) -> FloatArray:
    boolean = feature.kind == "boolean"
    rule = (
        "Expected true or false."
        if boolean
        else f"Expected {'an integer' if feature.kind == 'integer' else 'a number'}."
    )
    out: list[float] = []
    for i, value in enumerate(values):
        good = isinstance(value, (bool, np.bool_)) if boolean else _is_number(value)
        if value is None:
            out.append(math.nan)
        elif good:
            try:
                out.append(float(value))
            except OverflowError:  # an int beyond float64
                out.append(math.inf)
        else:
            out.append(math.nan)
            faults.append(Fault(i, feature.name, rule, value, "type"))
    return np.array(out, dtype=np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, (bool, np.bool_))


def _strings(feature: Feature, values: Sequence[Any], faults: list[Fault]) -> list[str | None]:
    out: list[str | None] = []
    for i, value in enumerate(values):
        if value is None or isinstance(value, str):
            out.append(value)
        else:
            out.append(None)
            faults.append(Fault(i, feature.name, "Expected a string.", value, "type"))
    return out


def _missing(row: int, feature: Feature) -> Fault:
    message = "Expected a value: training never saw this feature missing."
    return Fault(row, feature.name, message, None, "missing")


def _where(mask: npt.NDArray[np.bool_], limit: int | None = FAULT_LIMIT) -> list[tuple[int, int]]:
    return [(int(i), int(j)) for i, j in np.argwhere(mask)[:limit]]


def _shown(feature: Feature, value: float | None) -> Any:
    if value is None:
        return "unbounded"
    if feature.kind == "datetime":
        return datetime.fromtimestamp(value, UTC).isoformat() if abs(value) < 2e11 else value
    return int(value) if value == int(value) and abs(value) < 2**53 else value
