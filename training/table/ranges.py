"""Says which columns of new rows lie mostly outside of the range that a version saw at training, as in another unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.manifest import Manifest
from artifact.rows.schema import Feature, FeatureSchema
from artifact.rows.texts.format import PLAIN
from artifact.rows.unusual import NumericChecks
from artifact.words.display import extent, number
from training.table.encode import feature_values
from training.table.texts.columns import numbers, plain_texts

# Equal rows have few values outside; beyond this share something else than chance is at work.
_MOST = 0.5
# Further columns are only counted.
_LISTED = 3
# More rows would not change the share.
_ROWS = 20_000


def outside_sentences(frame: pl.DataFrame, schema: FeatureSchema, manifest: Manifest) -> list[str]:
    """A sentence for each column of numbers with more than half of its values outside of the training range.

    Dates and the column of ``--time`` are left out: in newer rows they lie beyond all earlier ones.

    Args:
        frame: the new rows, as they were read or typed; columns of the schema that it lacks are passed over.
        schema, manifest: those of the version.
    """
    reference, time = f"{manifest.model_name}:{manifest.model_version}", manifest.lineage.config.get("time")
    columns = [
        *(f for f in schema.features if f.kind in ("number", "integer") and f.minimum is not None),
        *_targets_as_features(schema),
    ]
    columns = [column for column in columns if column.name in frame.columns and column.name != time]
    if not columns or not frame.height:
        return []
    rows = frame.gather_every(max(1, frame.height // _ROWS))
    matrix = np.column_stack([_values(rows[column.name], column) for column in columns])
    # An infinite number counts as missing, as in training.
    matrix[~np.isfinite(matrix)] = np.nan
    outside = NumericChecks(columns).outside(matrix)
    sentences = []
    for j, column in enumerate(columns):
        values = matrix[np.isfinite(matrix[:, j]), j]
        share = outside[:, j].sum() / max(1, len(values))
        if share > _MOST:
            sentences.append(
                f"{share:.0%} of the values of '{column.name}' lie outside of the range that {reference} saw at "
                f"training: {number(float(values.min()))} to {number(float(values.max()))} here, {extent(column)} "
                "there. Check whether both are in the same unit."
            )
    more = len(sentences) - _LISTED
    if more > 0:
        return [*sentences[:_LISTED], f"The same holds for {more:,} more column{'' if more == 1 else 's'}."]
    return sentences


def _targets_as_features(schema: FeatureSchema) -> Sequence[Feature]:
    """The targets as features of numbers, so that one rule reads and compares both."""
    return [
        Feature(name=target.name, kind="number", minimum=target.minimum, maximum=target.maximum, text=target.text)
        for target in schema.targets
    ]


def _values(column: pl.Series, feature: Feature) -> npt.NDArray[np.float64]:
    """A column as numbers, float64 (n_rows,), NaN where a value is missing or no number."""
    read = feature_values(column, feature)
    if read.dtype == pl.String:
        read = numbers(plain_texts(read), feature.text or PLAIN)
    elif not (read.dtype.is_numeric() or read.dtype == pl.Boolean):
        return np.full(len(column), np.nan)
    return read.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
