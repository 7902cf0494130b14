"""Turns a typed frame into the columns that the encoder takes, and into records as in a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from artifact.rows.absent import MissingColumns, absent_features, nearest_column
from artifact.rows.encoding import Encoded, Encoder, RowWarning
from artifact.rows.schema import Feature, FeatureSchema, Kind, Target
from artifact.rows.texts.format import PLAIN
from artifact.rows.texts.read import missing_numbers, read_texts
from training.table.texts.columns import are_markers, numbers, plain_texts, words
from training.table.texts.reading import MOMENT, Reading
from training.table.texts.table import as_read, moments_of_numbers

# Largest numbers of absent columns that a message describes, and of columns that it lists.
_SHOWN = 5
_LISTED = 20
# Most values that a message shows.
_SHOWN_VALUES = 3


def check_features(names: Sequence[str], schema: FeatureSchema, missing_columns: MissingColumns = "refuse") -> None:
    """Check that a table has the model's features as columns.

    Args:
        names: the table's columns.
        missing_columns: ``impute`` accepts that a feature has no column, if training saw missing values of it. Defaults
            to ``refuse``.

    Raises:
        DataError: a feature has no column, and the message names the nearest one; or no feature has one.
    """
    absent = absent_features(schema, names, missing_columns)
    if not absent and not set(schema.names) & set(names):
        raise DataError(
            f"Expected a column of the model's features, {_listed(schema.names)}. Received: a table without any; its "
            f"columns are {_listed(names)}."
        )
    if absent:
        lines = [_absence(feature, schema, names) for feature in absent[:_SHOWN]]
        if len(absent) > _SHOWN:
            lines.append(f"And {len(absent) - _SHOWN} more of the model's features have no column.")
        raise DataError("\n  ".join(lines))


def schema_columns(
    frame: pl.DataFrame, schema: FeatureSchema, missing_columns: MissingColumns = "refuse"
) -> dict[str, Any]:
    """The schema's columns of a frame, as :meth:`artifact.rows.encoding.Encoder.encode_columns` takes them.

    Other columns, such as the target's, are passed over.

    Raises:
        DataError: see :func:`check_features`.
    """
    check_features(frame.columns, schema, missing_columns)
    return {f.name: _values(frame[f.name], f) for f in schema.features if f.name in frame.columns}


def encode_frame(frame: pl.DataFrame, schema: FeatureSchema, *, missing_columns: MissingColumns = "refuse") -> Encoded:
    """Encode a frame.

    An infinite number counts as missing, with a warning, if training saw missing values of the feature: training reads
    infinite numbers in the same way.

    Args:
        missing_columns: ``impute`` takes a feature without a column as missing in each row, with a warning for each,
            if training saw missing values of it. Defaults to ``refuse``.

    Raises:
        DataError: see :func:`check_features`.
        SchemaMismatchError: values that the schema refuses.
    """
    columns = schema_columns(frame, schema, missing_columns)
    warnings = _without_infinities(columns, schema)
    encoded = Encoder(schema).encode_columns(columns, missing_columns=missing_columns)
    encoded.warnings.extend(warnings)
    return encoded


def _without_infinities(columns: dict[str, Any], schema: FeatureSchema) -> list[RowWarning]:
    """Replace infinities by NaN where a value may be missing, as training does. Returns a warning for each."""
    warnings: list[RowWarning] = []
    for feature in schema.numeric:
        values = columns.get(feature.name)
        if feature.missing != "impute" or not isinstance(values, np.ndarray) or values.dtype.kind != "f":
            continue
        infinite = np.isinf(values)
        if infinite.any():
            columns[feature.name] = np.where(infinite, np.nan, values)
            message = f"'{feature.name}' is infinite; answered as missing."
            warnings += [RowWarning(int(i), feature.name, "infinite", message) for i in np.flatnonzero(infinite)]
    return warnings


def with_targets(table: pl.DataFrame, schema: FeatureSchema) -> pl.DataFrame:
    """The table with its targets as Float64.

    Raises:
        DataError: a target has values that are no numbers.
    """
    columns = []
    for target in schema.targets:
        column = feature_values(table[target.name], target)
        if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            raise DataError(
                f"Expected numbers in '{target.name}', written as in training. Received: "
                f"{others_than_numbers(column, target) or f'values of type {column.dtype}'}."
            )
        columns.append(column.cast(pl.Float64))
    return table.with_columns(columns)


def others_than_numbers(column: pl.Series, target: Target) -> str:
    """Which values of a column a target does not take, with the first three and their rows, counted from 1.

    Args:
        column: the values; texts are read as the target's schema says.
        target: the target. It takes all values that are missing.

    Returns:
        Words such as "1 other value: 'dear' in row 17"; empty where there is no such value.
    """
    texts = feature_values(column, target).cast(pl.String)
    text_format = target.text or PLAIN
    plain = plain_texts(texts)
    are_missing = are_markers(plain, text_format.missing_values)
    rows = (numbers(plain, text_format).is_null() & ~are_missing).arg_true().to_list()
    shown = ", ".join(f"{texts[row]!r} in row {row + 1:,}" for row in rows[:_SHOWN_VALUES])
    more = " and so on" if len(rows) > _SHOWN_VALUES else ""
    return f"{len(rows):,} other value{'' if len(rows) == 1 else 's'}: {shown}{more}" if rows else ""


def records(frame: pl.DataFrame, schema: FeatureSchema) -> list[dict[str, Any]]:
    """Rows as in a request: JSON values, datetimes in ISO 8601, None where a value is missing."""
    columns = {}
    for feature in schema.features:
        values = _typed(frame[feature.name], feature).to_list()
        if feature.kind == "datetime":
            values = [None if v is None else f"{v.isoformat()}Z" for v in values]
        columns[feature.name] = values
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _absence(feature: Feature, schema: FeatureSchema, names: Sequence[str]) -> str:
    nearest = nearest_column(schema, feature.name, names)
    received = f"a table without it; its nearest column is '{nearest}'" if nearest else "a table without it"
    if nearest is None:
        received += f"; its columns are {_listed(names)}"
    step = "Rename it" if nearest else "Add it"
    if feature.missing == "impute":
        return f"Expected column '{feature.name}'. Received: {received}. {step}, or say --allow-missing-columns."
    return f"Expected column '{feature.name}'. Received: {received}. {step}: training never saw a row without a value."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(f"'{name}'" for name in names[:_LISTED]) + more


def _values(column: pl.Series, feature: Feature) -> Any:
    column = feature_values(column, feature)
    if column.dtype == pl.String and feature.kind != "category":
        # Texts that do not fit stay as they are: the encoder's message names them.
        return read_texts(feature, column)
    typed = _typed(column, feature)
    if typed.dtype != pl.String and feature.kind not in ("category", "datetime") and typed.dtype.is_numeric():
        return typed.cast(pl.Float64).to_numpy()
    if feature.kind == "datetime" and typed.dtype.is_temporal():
        return typed.to_numpy()
    return typed.to_list()


def feature_values(column: pl.Series, feature: Feature | Target) -> pl.Series:
    """A column of a table as its feature's or target's schema reads it; unchanged if some text does not fit."""
    text_format = feature.text or PLAIN
    kind = feature.kind if isinstance(feature, Feature) else "number"
    if column.dtype != pl.String:
        if not column.dtype.is_numeric():
            return column
        missing = missing_numbers(text_format.missing_values)
        if missing:
            column = column.set(column.cast(pl.Float64).is_in(missing).fill_null(value=False), None)
        are_moments = kind == "datetime" and (text_format.epoch or text_format.strptime)
        return moments_of_numbers(column, text_format) if are_moments else column
    if kind == "category":
        return words(column, text_format.missing_values)
    if feature.text is None and (quick := _quick_numbers(column, kind)) is not None:
        return quick
    values = as_read(column, Reading(_TYPES[kind], feature.text))
    texts = plain_texts(column)
    absent = are_markers(texts, text_format.missing_values, dates=kind == "datetime")
    if kind in ("number", "integer") and text_format.missing_values:
        plain_format = text_format.model_copy(update={"missing_values": ()})
        absent |= values.is_null() & numbers(texts, plain_format).is_not_null()
    return values if (values.is_not_null() | absent).all() else column


def _quick_numbers(column: pl.Series, kind: Kind) -> pl.Series | None:
    """The usual case: texts that a computer wrote as numbers. None where some text needs a closer look."""
    if kind not in ("number", "integer"):
        return None
    values = column.cast(pl.Float64, strict=False)
    # polars reads "nan" as a number; here it means "no value".
    return None if values.null_count() > column.null_count() or values.is_nan().any() else values


_TYPES: dict[Kind, Any] = {
    "number": pl.Float64(),
    "integer": pl.Float64(),
    "boolean": pl.Boolean(),
    "datetime": MOMENT,
}


def _typed(column: pl.Series, feature: Feature) -> pl.Series:
    """The column in its feature's type; unchanged if it does not fit."""
    if feature.kind == "category":
        return column if column.dtype == pl.String else column.cast(pl.String)
    if feature.kind in ("number", "integer") and column.dtype == pl.Boolean:
        # Training reads booleans as numbers where schema.toml says so.
        return column.cast(pl.Float64)
    if feature.kind == "boolean" and column.dtype.is_numeric():
        return column.cast(pl.Boolean) if column.drop_nulls().is_in([0, 1]).all() else column
    return column


def matrix(X: Encoded) -> npt.NDArray[np.float64]:
    """Numeric columns, NaN where missing, then the categorical codes: float64 (n_samples, n_columns)."""
    return np.hstack([X.numeric.astype(np.float64), X.categorical.astype(np.float64)])
