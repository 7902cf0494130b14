"""Encodes records or columns as arrays, in schema order: the one place where a value becomes a number."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.errors import FAULT_LIMIT, Fault, SchemaMismatchError, unknown_name
from artifact.rows.absent import WARNING, MissingColumns, absence, absent_features, nearest_column
from artifact.rows.packing import RowPacker
from artifact.rows.schema import FIRST_CATEGORY_CODE, MISSING_CODE, OTHER_CODE, FeatureSchema
from artifact.rows.unusual import FLOAT32_MAX, NumericChecks, RowWarning, check_codes
from artifact.rows.values import (
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

__all__ = ["Encoded", "Encoder", "RowWarning"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as the network takes them.

    Attributes:
        numeric: float32 (n_samples, n_numeric), columns as ``schema.numeric_columns``, NaN where missing.
        categorical: int32 (n_samples, n_categorical), 0 missing, 1 other, columns as ``schema.categorical``.
        warnings: warnings of values that are outside the training range, rare or unseen, in column order; then those of
            absent columns.
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
        self._feature_names = frozenset(schema.names)
        self._codes: list[dict[str | None, int]] = [
            {None: MISSING_CODE, **{c: i for i, c in enumerate(f.categories, start=FIRST_CATEGORY_CODE)}}
            for f in categorical
        ]
        self._rare = [frozenset(f.rare) for f in categorical]
        self._checks = NumericChecks(numeric)
        self._pack_rows = RowPacker(self._numeric_names)
        self._offsets = np.array([f.offset for f in numeric], dtype=np.float64)
        self._has_offsets = bool(self._offsets.any())
        self._datetimes = [j for j, f in enumerate(numeric) if f.kind == "datetime"]
        self._sources = [self._numeric_names.index(c.feature) for c in schema.numeric_columns]

    def encode_rows(self, rows: Sequence[Mapping[str, Any]], *, checked: bool = False) -> Encoded:
        """Encode records.

        Args:
            rows: a mapping for each row, feature name to value; a feature that is left out is missing.
            checked: True when every value's type and every name was validated before (the service does, by pydantic).
                Defaults to False.

        Raises:
            SchemaMismatchError: names, types or values that the schema refuses, with at most 1,000 faults.
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

    def encode_columns(
        self, columns: Mapping[str, Any], *, checked: bool = False, missing_columns: MissingColumns = "refuse"
    ) -> Encoded:
        """Encode columns of equal length.

        Args:
            columns: feature name to a list or array; numbers as numbers, datetimes as ISO 8601 strings, ``datetime``
                or ``datetime64``, categories as strings or a :class:`DictionaryColumn`; None, NaN or NaT for missing.
                A boolean may also be an array of 0 and 1.
            checked: as in :meth:`encode_rows`; a missing category is then None.
            missing_columns: ``impute`` takes a feature without a column as missing in each row, with a warning for each
                row. Defaults to ``refuse``.

        Raises:
            SchemaMismatchError: as in :meth:`encode_rows`, and where columns have unequal lengths or are absent.
        """
        unknown = [name for name in columns if name not in self._feature_names]
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
        if columns and missing_columns == "refuse" and len(columns) < len(self._feature_names):
            raise SchemaMismatchError(self._absent(columns))
        absent = [None] * n
        faults: list[Fault] = []
        matrix = self._numeric_matrix({name: columns.get(name, absent) for name in self._numeric_names}, n, faults)
        raw = [category_column(columns.get(name, absent)) for name in self._categorical_names]
        encoded = self._finish(matrix, raw, faults, checked=checked)
        if len(columns) < len(self._feature_names):
            for name in (name for name in self.schema.names if name not in columns):
                message = f"'{name}' has no column; answered as missing."
                encoded.warnings.extend(RowWarning(i, name, WARNING, message) for i in range(n))
        return encoded

    def _absent(self, columns: Mapping[str, Any]) -> list[Fault]:
        way_out = "set missing_columns='impute'"
        return [
            Fault(None, f.name, absence(f, nearest_column(self.schema, f.name, columns), way_out), None, "missing")
            for f in absent_features(self.schema, columns.keys(), "refuse")
        ]

    def _check_names(self, rows: Sequence[Any]) -> None:
        for i, row in enumerate(rows):
            if not isinstance(row, Mapping):
                message = "Expected a mapping of feature names to values."
                raise SchemaMismatchError([Fault(i, None, message, row, "type")])
        unknown = (
            (i, name)
            for i, row in enumerate(rows)
            if not row.keys() <= self._feature_names
            for name in row
            if name not in self._feature_names
        )
        faults = [self._unknown(i, name) for i, name in islice(unknown, FAULT_LIMIT)]
        if faults:
            raise SchemaMismatchError(faults)

    def _unknown(self, row: int | None, name: str) -> Fault:
        return Fault(row, str(name), unknown_name("feature", str(name), self.schema.names), name, "unknown")

    def _checked_matrix(self, rows: Sequence[Mapping[str, Any]], faults: list[Fault]) -> FloatArray:
        names = self._numeric_names
        if not self._datetimes:
            try:
                return self._pack_rows(rows)
            except struct.error:
                pass  # Read one by one below.
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
        all_usual = self._checks.all_usual(matrix)
        if not all_usual:
            self._checks.check(matrix, faults, warnings)
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
                row_codes = [codes.get(v, OTHER_CODE) for v in values]
                categorical[:, j] = row_codes
                unusual = bool(row_codes) and min(row_codes) < FIRST_CATEGORY_CODE
            if unusual:
                check_codes(feature, categorical[:, j], values, self._rare[j], faults, warnings)
        if faults:
            # A value of a wrong type is NaN in the matrix, and must not be reported as missing too.
            wrong_types = {(f.row, f.field) for f in faults if f.reason == "type"}
            reported = [f for f in faults if f.reason != "missing" or (f.row, f.field) not in wrong_types]
            reported.sort(key=lambda f: -1 if f.row is None else f.row)
            raise SchemaMismatchError(reported[:FAULT_LIMIT], warnings)
        return Encoded(self._float32(matrix, all_usual=all_usual), categorical, warnings)

    def _float32(self, matrix: FloatArray, *, all_usual: bool) -> npt.NDArray[np.float32]:
        columns = matrix
        if self._has_offsets:
            with np.errstate(over="ignore"):
                columns = matrix - self._offsets
        if self._datetimes:
            columns = columns[:, self._sources]
            for i, (column, j) in enumerate(zip(self.schema.numeric_columns, self._sources, strict=True)):
                if column.part is not None:
                    columns[:, i] = datetime_part(column.part, matrix[:, j], float(self._offsets[j]))
        if not all_usual:
            # 1e300 is a legal number; as float32 it would be infinite and the graph would answer NaN.
            columns = np.clip(columns, -FLOAT32_MAX, FLOAT32_MAX)
        return columns.astype(np.float32)
