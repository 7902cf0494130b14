"""From a typed frame to the columns and records that the encoder and a request take."""

from __future__ import annotations

from typing import Any

import polars as pl

from artifact.encoding import Encoded, Encoder
from artifact.errors import DataError
from artifact.schema import Feature, FeatureSchema
from training.typed import NULL_TOKENS


def schema_columns(frame: pl.DataFrame, schema: FeatureSchema) -> dict[str, Any]:
    """The schema's columns of a frame, as :meth:`artifact.encoding.Encoder.encode_columns` takes them.

    Other columns are passed over, the target's among them. A column that the table lacks is missing in every row.

    Raises:
        DataError: a column that training never saw missing is not there.
    """
    lacking = [f.name for f in schema.features if f.missing == "refuse" and f.name not in frame.columns]
    if lacking:
        raise DataError(
            f"Expected the model's features as columns. Received: a table without {', '.join(map(repr, lacking))}. "
            f"Its columns are {', '.join(map(repr, frame.columns))}."
        )
    return {f.name: _values(frame[f.name], f) for f in schema.features if f.name in frame.columns}


def encode_frame(frame: pl.DataFrame, schema: FeatureSchema) -> Encoded:
    """Encode a frame.

    Raises:
        SchemaMismatchError: values that the schema refuses.
    """
    columns = schema_columns(frame, schema)
    if not columns:
        columns = {schema.names[0]: [None] * frame.height}
    return Encoder(schema).encode_columns(columns)


def records(frame: pl.DataFrame, schema: FeatureSchema) -> list[dict[str, Any]]:
    """Rows as a request would hold them: JSON values, datetimes in ISO 8601, None where missing."""
    columns = {}
    for feature in schema.features:
        values = _typed(frame[feature.name], feature).to_list()
        if feature.kind == "datetime":
            values = [None if v is None else f"{v.isoformat()}Z" for v in values]
        columns[feature.name] = values
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(column: pl.Series, feature: Feature) -> Any:
    if column.dtype == pl.String and feature.kind in ("number", "integer", "boolean"):
        return _parsed(column, feature)
    typed = _typed(column, feature)
    if typed.dtype != pl.String and feature.kind not in ("category", "datetime") and typed.dtype.is_numeric():
        return typed.cast(pl.Float64).to_numpy()
    if feature.kind == "datetime" and typed.dtype.is_temporal():
        return typed.to_numpy()
    return typed.to_list()


def _typed(column: pl.Series, feature: Feature) -> pl.Series:
    """The column in its feature's type, or as it came where it does not fit."""
    if feature.kind == "category":
        return column if column.dtype == pl.String else column.cast(pl.String)
    if feature.kind == "boolean" and column.dtype.is_numeric():
        return column.cast(pl.Boolean) if column.drop_nulls().is_in([0, 1]).all() else column
    return column


def _parsed(column: pl.Series, feature: Feature) -> list[Any]:
    """Text where the schema has numbers: parsed value by value; what does not parse stays, for the encoder to name."""
    cleaned = column.str.strip_chars().str.to_lowercase()
    if feature.kind == "boolean":
        parsed = cleaned.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    else:
        parsed = cleaned.cast(pl.Float64, strict=False)
    missing = cleaned.is_null() | cleaned.is_in(NULL_TOKENS).fill_null(value=False)
    return [
        None if absent else value if value is not None else text
        for value, absent, text in zip(parsed, missing, column, strict=True)
    ]
