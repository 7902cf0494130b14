"""Mean, standard deviation and ends of columns of numbers, batch by batch, exact to rounding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.table.targets import TargetFacts

Float64 = npt.NDArray[np.float64]


class Moments:
    """Moments of float64 (n_samples, n_columns), batch by batch (Chan, Golub and LeVeque 1983); rows may have weights.

    Args:
        n_columns: number of columns.

    Attributes:
        weight: sum of the rows' weights.
        mean: float64 (n_columns,), weighted means.
        minimum, maximum: float64 (n_columns,), ends over all rows, also those of weight 0.
    """

    def __init__(self, n_columns: int) -> None:
        self.weight = 0.0
        self.mean: Float64 = np.zeros(n_columns)
        self._squares: Float64 = np.zeros(n_columns)
        self.minimum: Float64 = np.full(n_columns, np.inf)
        self.maximum: Float64 = np.full(n_columns, -np.inf)

    def add(self, values: Float64, weight: Float64 | None = None) -> None:
        """Take in rows.

        Args:
            values: float64 (n_samples, n_columns), finite.
            weight: float64 (n_samples,), or None for 1 each. Defaults to None.
        """
        if not len(values):
            return
        self.minimum = np.minimum(self.minimum, values.min(axis=0))
        self.maximum = np.maximum(self.maximum, values.max(axis=0))
        total = float(len(values)) if weight is None else float(weight.sum())
        if not total:
            return
        # Squares of 1e200 are infinite; such a target is refused.
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.average(values, axis=0, weights=weight)
            squares = np.average(np.square(values - mean), axis=0, weights=weight) * total
            both = self.weight + total
            apart = mean - self.mean
            self.mean = self.mean + apart * (total / both)
            self._squares = self._squares + squares + np.square(apart) * (self.weight * total / both)
            self.weight = both

    @property
    def facts(self) -> list[TargetFacts]:
        """The statistics of each column."""
        columns = zip(self.mean, self.std, self.minimum, self.maximum, strict=True)
        return [TargetFacts(*map(float, column)) for column in columns]

    @property
    def std(self) -> Float64:
        """Standard deviations, float64 (n_columns,), as :func:`numpy.std` defines them."""
        return np.sqrt(self._squares / self.weight) if self.weight else np.zeros_like(self.mean)
