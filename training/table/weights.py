"""Sample weights: a column that says how much each row counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from training.table.folds import Plan
from training.table.targets import is_number


class Weights:
    """The weights of rows, batch after batch.

    Args:
        name: of the column, or None: each row counts as much.
    """

    def __init__(self, name: str | None) -> None:
        self.name = name
        self._rows, self._sum, self._bad, self._first = 0, 0.0, 0, 0.0

    def add(self, frame: pl.DataFrame) -> None:
        """Take in rows."""
        if self.name is None:
            return
        weight = weights_in(frame, self.name)
        good = np.isfinite(weight) & (weight >= 0)
        if not good.all() and not self._bad:
            self._first = float(weight[~good][0])
        self._rows += len(weight)
        self._bad += int((~good).sum())
        self._sum += float(weight[good].sum())

    def check(self) -> None:
        """After all rows.

        Raises:
            DataError: a weight that is missing, negative or not finite, or none above 0.
        """
        if self.name is None:
            return
        if self._bad:
            shown = "no value" if np.isnan(self._first) else f"{self._first:g}"
            raise DataError(
                f"Expected weights in '{self.name}' that are finite and at least 0. Received: {shown}, in {self._bad} "
                f"of {self._rows} rows. Leave these rows out, or fill them in."
            )
        if not self._sum:
            raise DataError(f"Expected some weight above 0. Received: only 0, in '{self.name}'.")

    @property
    def mean(self) -> float:
        """Of the rows; 1 where none weigh."""
        return 1.0 if self.name is None else self._sum / self._rows


def weights_in(frame: pl.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """A column as weights, NaN where one is missing: float64 (n_samples,)."""
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)


def weights_of(frame: pl.DataFrame, name: str, plan: Plan) -> npt.NDArray[np.float64]:
    """The weights of all rows of a table, their mean 1, float64 (n_samples,).

    Args:
        frame: usable rows.
        name: of the column.
        plan: each part of the rows must weigh something.

    Raises:
        DataError: the column is no column of numbers, a weight is missing, negative or not finite, or all rows of a
            part weigh 0.
    """
    check_weight(name, frame[name].dtype)
    weights, weight = Weights(name), weights_in(frame, name)
    weights.add(frame)
    weights.check()
    parts = [fold.train for fold in plan.folds] + [fold.validation for fold in plan.folds if len(fold.validation)]
    if plan.parts is not None:
        parts += [plan.parts.calibration, plan.parts.test]
    check_parts(name, (float(weight[rows].sum()) for rows in parts))
    return np.asarray(weight / weight.mean())


def check_weight(name: str, dtype: Any) -> None:
    """Check that a column can weigh.

    Raises:
        DataError: it is no column of numbers.
    """
    if not is_number(dtype):
        raise DataError(f"Expected --weight to be a column of numbers. Received: '{name}' of type {dtype}.")


def check_parts(name: str, sums: Iterable[float]) -> None:
    """Check that each part of the rows weighs something.

    Args:
        name: of the column.
        sums: of the weights of each part.

    Raises:
        DataError: one does not.
    """
    if not all(sums):
        raise DataError(
            f"Expected some weight above 0 in each part of the rows. Received: only 0 in one of them, in '{name}'. "
            "Leave rows of weight 0 out."
        )
