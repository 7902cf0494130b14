"""Sample weights: a column that says how much each row counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from training.table.folds import Plan


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
    check_weight(name, frame[name].dtype, targets)
    column = frame[name]
    weight = column.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        raise refused_weight(name, float(weight[bad][0]), int(bad.sum()), len(weight))
    parts = [fold.train for fold in plan.folds] + [fold.validation for fold in plan.folds if len(fold.validation)]
    if plan.parts is not None:
        parts += [plan.parts.calibration, plan.parts.test]
    if any(not weight[rows].any() for rows in parts):
        raise weightless_part(name)
    return np.asarray(weight / weight.mean())


def check_weight(name: str, dtype: Any, targets: Sequence[str]) -> None:
    """Check that a column can weigh.

    Raises:
        DataError: it is a target, or no column of numbers.
    """
    if name in targets:
        raise DataError(f"Expected --weight to be another column than the target. Received: '{name}'.")
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        raise DataError(f"Expected --weight to be a column of numbers. Received: '{name}' of type {dtype}.")


def refused_weight(name: str, first: float, count: int, n_rows: int) -> DataError:
    """The error about weights that are none, of which ``first`` is one of ``count``."""
    shown = "no value" if np.isnan(first) else f"{first:g}"
    return DataError(
        f"Expected weights in '{name}' that are finite and at least 0. Received: {shown}, in {count} of {n_rows} rows. "
        "Leave these rows out, or fill them in."
    )


def weightless_part(name: str) -> DataError:
    """The error about a part of the rows that weigh nothing."""
    return DataError(
        f"Expected some weight above 0 in each part of the rows. Received: only 0 in one of them, in '{name}'. "
        "Leave rows of weight 0 out."
    )
