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
    """Gathers the weights of rows, batch by batch, and checks them.

    Args:
        name: the column of weights, or None: then all rows count the same.
    """

    def __init__(self, name: str | None) -> None:
        self.name = name
        self._rows, self._sum, self._bad, self._first = 0, 0.0, 0, 0.0

    def add(self, frame: pl.DataFrame) -> None:
        """Take in the weights of a batch."""
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
        """Check the weights once all rows are added.

        Raises:
            DataError: a weight is missing, negative or not finite, or no weight is above 0.
        """
        if self.name is None:
            return
        if self._bad:
            received = "no value" if np.isnan(self._first) else f"{self._first:g}"
            raise DataError(
                f"Expected weights in '{self.name}' that are finite and at least 0. Received: {received}, in "
                f"{self._bad} of {self._rows} rows. Leave these rows out, or fill them in."
            )
        if not self._sum:
            raise DataError(f"Expected some weight above 0. Received: only 0, in '{self.name}'.")

    @property
    def mean(self) -> float:
        """Mean weight of the rows; 1 where there is no column of weights."""
        return 1.0 if self.name is None else self._sum / self._rows


def weights_in(frame: pl.DataFrame, name: str) -> npt.NDArray[np.float64]:
    """A column as weights, float64 (n_samples,), NaN where a weight is missing."""
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)


def weights_of(frame: pl.DataFrame, name: str, plan: Plan) -> npt.NDArray[np.float64]:
    """The weights of a table's rows, divided by their mean, float64 (n_samples,).

    Args:
        frame: usable rows.
        name: the column of weights.
        plan: the parts of the rows; each must have some weight above 0.

    Raises:
        DataError: the column holds no numbers, a weight is missing, negative or not finite, or all rows of a part have
            weight 0.
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
    """Check that a column can give weights.

    Raises:
        DataError: it holds no numbers.
    """
    if not is_number(dtype):
        raise DataError(f"Expected --weight to be a column of numbers. Received: '{name}' of type {dtype}.")


def check_parts(name: str, sums: Iterable[float]) -> None:
    """Check that each part of the rows has some weight above 0.

    Args:
        name: the column of weights.
        sums: sum of the weights of each part.

    Raises:
        DataError: a part has none.
    """
    if not all(sums):
        raise DataError(
            f"Expected some weight above 0 in each part of the rows. Received: only 0 in one of them, in '{name}'. "
            "Leave rows of weight 0 out."
        )
