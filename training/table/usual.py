"""Chooses the golden rows: usual ones, and ones with missing, unseen and extreme values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from artifact.rows.moments import moment
from artifact.rows.schema import Feature, FeatureSchema
from training.table.encode import records

N_ROWS = 256
_UNUSUAL_SHARE = 4


def golden_rows(frame: pl.DataFrame, schema: FeatureSchema, seed: int) -> list[dict[str, Any]]:
    """256 records. In every fourth, a missing, unseen or extreme value that the schema admits replaces another value.

    Args:
        frame: usable rows; where they are fewer than 256, some are taken more than once.
        schema: decides which values may be replaced.
        seed: seed of the choice.
    """
    rng = np.random.default_rng(seed)
    places = rng.choice(frame.height, N_ROWS, replace=frame.height < N_ROWS)
    rows = records(frame[places], schema)
    edits = [(f, value) for f in schema.features for value in _unusual(f)]
    if edits:
        for i, row in enumerate(rows[::_UNUSUAL_SHARE]):
            feature, value = edits[i % len(edits)]
            row[feature.name] = value
    return rows


def usual_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The golden rows without a replaced value."""
    return [row for i, row in enumerate(rows) if i % _UNUSUAL_SHARE]


def _unusual(feature: Feature) -> list[Any]:
    values: list[Any] = [None] if feature.missing == "impute" else []
    if feature.kind == "category":
        return [*values, "\N{BLACK QUESTION MARK ORNAMENT} unseen"] if feature.unseen == "other" else values
    if feature.out_of_range == "refuse" or feature.kind == "boolean":
        return values
    if feature.minimum is None or feature.maximum is None:
        return values
    span = feature.maximum - feature.minimum or 1.0
    for extreme in (feature.minimum - span, feature.maximum + 2 * span):
        if feature.kind == "integer":
            values.append(math.floor(extreme))
        elif feature.kind == "datetime":
            values.append(moment(round(extreme)).isoformat())
        else:
            values.append(extreme)
    return values
