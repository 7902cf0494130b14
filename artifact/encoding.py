"""Records or columns to arrays, in schema order: the one place where a value becomes a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.errors import Fault, SchemaMismatchError, unknown_name
from artifact.schema import FIRST_CATEGORY_CODE, MISSING_CODE, OTHER_CODE, Feature, FeatureSchema
from artifact.values import (
    RULES,
    DictionaryColumn,
    FloatArray,
    category_column,
    datetime_part,
    holds_numbers,
    is_column,
    read_float,
    read_numbers,
    read_seconds,
    read_strings,
)

FAULT_LIMIT = 1000
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_FLOAT64_MAX = float(np.finfo(np.float64).max)
# What Python's datetime can show: the years 1 to 9999.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799


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
        self._codes: list[dict[str | None, int]] = [
            {None: MISSING_CODE, **{c: i for i, c in enumerate(f.categories, start=FIRST_CATEGORY_CODE)}}
            for f in categorical
        ]
        ends = np.array([_ends(f) for f in numeric], dtype=np.float64).reshape(-1, 2)
        self._low, self._high = ends[:, 0], ends[:, 1]
        self._offsets = np.array([f.offset for f in numeric], dtype=np.float64)
        self._centred = bool(self._offsets.any())
        self._usual_low = np.maximum(self._low, self._offsets - _FLOAT32_MAX)
        self._usual_high = np.minimum(self._high, self._offsets + _FLOAT32_MAX)
        self._boolean = np.array([f.kind == "boolean" for f in numeric], dtype=bool)
        self._integral = np.array([f.kind in ("integer", "boolean") for f in numeric], dtype=bool)
        self._any_integral = bool(self._integral.any())
        self._refuse_missing = np.array([f.missing == "refuse" for f in numeric], dtype=bool)
        self._datetimes = [j for j, f in enumerate(numeric) if f.kind == "datetime"]
        self._sources = [self._numeric_names.index(c.feature) for c in schema.numeric_columns]

    def encode_rows(self, rows: Sequence[Mapping[str, Any]], *, checked: bool = False) -> Encoded:
        """Encode records.

        Args:
            rows: one mapping a row, feature name to value; a feature left out is missing.
            checked: True when every value's type and every name was validated before (the service does, by pydantic).
                Defaults to False.

        Raises:
            SchemaMismatchError: names, types or values that the schema refuses, with every fault up to 1,000.
        """
        faults: list[Fault] = []
        if checked:
            matrix = self._checked_matrix(rows, faults)
        else:
            self._check_names(rows)
            columns = {n: [row.get(n) for row in rows] for n in self._numeric_names}
            matrix = self._numeric_matrix(columns, len(rows), faults)
        raw = [[row.get(n) for row in rows] for n in self._categorical_names]
        return self._finish(matrix, raw, faults, checked=checked)

    def encode_columns(self, columns: Mapping[str, Any], *, checked: bool = False) -> Encoded:
        """Encode columns of equal length.

        Args:
            columns: feature name to a list or array; numbers as numbers, datetimes as ISO 8601 strings, ``datetime``
                or ``datetime64``, categories as strings or a :class:`DictionaryColumn`; None, NaN or NaT for missing.
                For a boolean an array of 0 and 1 will do.
            checked: as in :meth:`encode_rows`; a missing category is then None.

        Raises:
            SchemaMismatchError: as in :meth:`encode_rows`, and for columns of unequal length.
        """
        unknown = [name for name in columns if name not in self._known]
        if unknown:
            raise SchemaMismatchError([self._unknown(None, name) for name in unknown])
        for name, values in columns.items():
            if not is_column(values):
                message = "Expected a list or a one-dimensional array."
                raise SchemaMismatchError([Fault(None, name, message, values, "type")])
        lengths = {name: len(values) for name, values in columns.items()}
        n = next(iter(lengths.values()), 0)
        if any(length != n for length in lengths.values()):
            name, length = next((k, v) for k, v in lengths.items() if v != n)
            message = f"Expected columns of equal length, {n} as '{next(iter(lengths))}' has."
            raise SchemaMismatchError([Fault(None, name, message, f"{length} values", "length")])
        absent = [None] * n
        faults: list[Fault] = []
        matrix = self._numeric_matrix({name: columns.get(name, absent) for name in self._numeric_names}, n, faults)
        raw = [category_column(columns.get(name, absent)) for name in self._categorical_names]
        return self._finish(matrix, raw, faults, checked=checked)

    def _check_names(self, rows: Sequence[Any]) -> None:
        for i, row in enumerate(rows):
            if not isinstance(row, Mapping):
                message = "Expected a mapping of feature names to values."
                raise SchemaMismatchError([Fault(i, None, message, row, "type")])
        unknown = (
            (i, name)
            for i, row in enumerate(rows)
            if not row.keys() <= self._known
            for name in row
            if name not in self._known
        )
        faults = [self._unknown(i, name) for i, name in islice(unknown, FAULT_LIMIT)]
        if faults:
            raise SchemaMismatchError(faults)

    def _unknown(self, row: int | None, name: str) -> Fault:
        return Fault(row, str(name), unknown_name("feature", str(name), self.schema.names), name, "unknown")

    def _checked_matrix(self, rows: Sequence[Mapping[str, Any]], faults: list[Fault]) -> FloatArray:
        names = self._numeric_names
        values = [[row.get(n) for n in names] for row in rows]
        for j in self._datetimes:
            seconds = read_seconds(self.schema.numeric[j], [row[j] for row in values], faults)
            for row, second in zip(values, seconds, strict=True):
                row[j] = second
        try:
            matrix = np.array(values, dtype=np.float64)
        except OverflowError:
            matrix = np.array([[read_float(v) for v in row] for row in values], dtype=np.float64)
        return matrix.reshape(len(rows), len(names))

    def _numeric_matrix(self, columns: Mapping[str, Any], n: int, faults: list[Fault]) -> FloatArray:
        matrix = np.empty((n, len(self._numeric_names)), dtype=np.float64)
        for j, feature in enumerate(self.schema.numeric):
            values = columns[feature.name]
            if feature.kind == "datetime":
                matrix[:, j] = read_seconds(feature, values, faults)
            elif holds_numbers(feature, values):
                matrix[:, j] = values
            else:
                matrix[:, j] = read_numbers(feature, values, faults)
        return matrix

    def _finish(
        self, matrix: FloatArray, raw: Sequence[list[Any] | DictionaryColumn], faults: list[Fault], *, checked: bool
    ) -> Encoded:
        warnings: list[RowWarning] = []
        usual = self._is_usual(matrix)
        if not usual:
            self._check_numeric(matrix, faults, warnings)
        categorical = np.empty((len(matrix), len(raw)), dtype=np.int32)
        for j, values in enumerate(raw):
            feature = self.schema.categorical[j]
            codes = self._codes[j]
            if isinstance(values, DictionaryColumn):
                table = [*(codes.get(v, OTHER_CODE) for v in values.values), MISSING_CODE]
                categorical[:, j] = np.array(table, dtype=np.int32)[values.indices]
                unusual = bool((categorical[:, j] < FIRST_CATEGORY_CODE).any())
            else:
                if not checked:
                    values = read_strings(feature, values, faults)
                found = [codes.get(v, OTHER_CODE) for v in values]
                categorical[:, j] = found
                unusual = bool(found) and min(found) < FIRST_CATEGORY_CODE
            if unusual:
                self._check_codes(feature, categorical[:, j], values, faults, warnings)
        if faults:
            # A type fault leaves a hole where the value stood; it is not missing as well.
            typed = {(f.row, f.field) for f in faults if f.reason == "type"}
            kept = [f for f in faults if f.reason != "missing" or (f.row, f.field) not in typed]
            raise SchemaMismatchError(sorted(kept, key=lambda f: -1 if f.row is None else f.row)[:FAULT_LIMIT])
        return Encoded(self._float32(matrix, usual=usual), categorical, warnings)

    def _is_usual(self, matrix: FloatArray) -> bool:
        """Whether all is present, finite and in range: nearly every request is, and needs no closer look."""
        inside = (matrix >= self._usual_low) & (matrix <= self._usual_high)
        if self._any_integral:
            inside &= (np.floor(matrix) == matrix) | ~self._integral
        return bool(inside.all())

    def _check_numeric(self, matrix: FloatArray, faults: list[Fault], warnings: list[RowWarning]) -> None:
        features = self.schema.numeric
        missing = np.isnan(matrix)
        faults.extend(_missing(i, features[j]) for i, j in _where(missing & self._refuse_missing))
        infinite = np.isinf(matrix)
        outside = (matrix < self._low) | (matrix > self._high)
        broken = self._integral & ~missing & ~infinite & ((np.floor(matrix) != matrix) | (outside & self._boolean))
        for i, j in _where(infinite | broken):
            rule = "Expected a finite number." if infinite[i, j] else RULES[features[j].kind]
            faults.append(Fault(i, features[j].name, rule, float(matrix[i, j]), "type"))
        for i, j in _where(outside & ~infinite & ~broken, limit=None):
            self._outside(i, features[j], float(matrix[i, j]), faults, warnings)

    def _outside(
        self, row: int, feature: Feature, value: float, faults: list[Fault], warnings: list[RowWarning]
    ) -> None:
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
        values: list[Any] | DictionaryColumn,
        faults: list[Fault],
        warnings: list[RowWarning],
    ) -> None:
        if feature.missing == "refuse" and not codes.all():
            faults.extend(_missing(int(i), feature) for i in np.flatnonzero(codes == MISSING_CODE)[:FAULT_LIMIT])
        unseen = np.flatnonzero(codes == OTHER_CODE)
        if feature.unseen == "refuse":
            for i in map(int, unseen[:FAULT_LIMIT]):
                message = unknown_name(f"category of '{feature.name}'", str(values[i]), feature.categories)
                faults.append(Fault(i, feature.name, message, values[i], "unseen"))
            return
        for i in map(int, unseen):
            message = f"'{feature.name}' = {values[i]!r} was not seen in training; answered as 'other'."
            warnings.append(RowWarning(i, feature.name, "unseen", message))

    def _float32(self, matrix: FloatArray, *, usual: bool) -> npt.NDArray[np.float32]:
        columns = matrix
        if self._centred:
            with np.errstate(over="ignore"):
                columns = matrix - self._offsets
        if self._datetimes:
            columns = columns[:, self._sources]
            for at, (column, j) in enumerate(zip(self.schema.numeric_columns, self._sources, strict=True)):
                if column.part is not None:
                    columns[:, at] = datetime_part(column.part, matrix[:, j], float(self._offsets[j]))
        if not usual:
            # 1e300 is a legal number; as float32 it would be infinite and the graph would answer NaN.
            columns = np.clip(columns, -_FLOAT32_MAX, _FLOAT32_MAX)
        return columns.astype(np.float32)


def _ends(feature: Feature) -> tuple[float, float]:
    """The range, finite: what lies beyond float64 is infinite, and is refused for that."""
    if feature.kind == "boolean":
        return 0.0, 1.0
    low, high = feature.minimum, feature.maximum
    return -_FLOAT64_MAX if low is None else low, _FLOAT64_MAX if high is None else high


def _missing(row: int, feature: Feature) -> Fault:
    message = "Expected a value: training never saw this feature missing."
    return Fault(row, feature.name, message, None, "missing")


def _where(mask: npt.NDArray[np.bool_], limit: int | None = FAULT_LIMIT) -> list[tuple[int, int]]:
    return [(int(i), int(j)) for i, j in np.argwhere(mask)[:limit]]


def _shown(feature: Feature, value: float | None) -> Any:
    if value is None:
        return "unbounded"
    if feature.kind == "datetime":
        return datetime.fromtimestamp(value, UTC).isoformat() if _FIRST_SECOND <= value <= _LAST_SECOND else value
    return int(value) if value == int(value) and abs(value) < 2**53 else value
