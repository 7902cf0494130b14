"""Sample weights: a column that says how much each row counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from training.folds import Plan


def weights_of(frame: pl.DataFrame, name: str, targets: Sequence[str], plan: Plan) -> npt.NDArray[np.float64]:
    """The weights of the rows, their mean 1, float64 (n_samples,).

    Args:
        frame: usable rows.
        name: of the column.
        targets: columns to predict.
        plan: each part of the rows must weigh something.

    Raises:
        DataError: the column is no column of numbers, a weight is missing, negative or not finite, or all rows of a
            part weigh 0.
    """
    if name in targets:
        raise DataError(f"Expected --weight to be another column than the target. Received: '{name}'.")
    column = frame[name]
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise DataError(f"Expected --weight to be a column of numbers. Received: '{name}' of type {column.dtype}.")
    weight = column.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        first = weight[bad][0]
        shown = "no value" if np.isnan(first) else f"{first:g}"
        raise DataError(
            f"Expected weights in '{name}' that are finite and at least 0. Received: {shown}, in {int(bad.sum())} of "
            f"{len(weight)} rows. Leave these rows out, or fill them in."
        )
    parts = [fold.train for fold in plan.folds] + [fold.validation for fold in plan.folds if len(fold.validation)]
    if plan.parts is not None:
        parts += [plan.parts.calibration, plan.parts.test]
    if any(not weight[rows].any() for rows in parts):
        raise DataError(
            f"Expected some weight above 0 in each part of the rows. Received: only 0 in one of them, in '{name}'. "
            "Leave rows of weight 0 out."
        )
    return np.asarray(weight / weight.mean())
