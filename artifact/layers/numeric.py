"""Median imputation with a missing flag, and robust scaling, inside the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

# Values are clipped to this many inter-quartile ranges: the square of 1e38 would overflow.
_LIMIT = 1e6


@keras.saving.register_keras_serializable(package="trueline")
class NumericPreprocessing(keras.layers.Layer):
    """Impute, flag, scale and softly clip numeric columns.

    A missing value becomes the column's median. The scaled value ``z = (x - median) / iqr`` is squeezed to
    ``z / sqrt(1 + (z / 3)^2)``, which leaves the bulk as it is and bounds outliers to (-3, 3)
    (Holzmueller et al. 2024, RealMLP). Columns that training saw missing get a flag of their own.

    **Shape**: float32 (n_samples, n_numeric), NaN where missing -> float32 (n_samples, n_numeric + n_flags),
    the scaled columns first.

    Args:
        center: median of each column, or its mean, (n_numeric,).
        scale: inter-quartile range of each column, or its deviation, (n_numeric,), above 0.
        flagged: indices of the columns that get a missing flag.
        squeeze: bound outliers softly; False scales only, so that a model without a hidden layer stays linear.
            Defaults to True.
    """

    def __init__(
        self,
        center: Sequence[float],
        scale: Sequence[float],
        flagged: Sequence[int] = (),
        squeeze: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if len(center) != len(scale):
            raise ValueError(f"Expected as many centers as scales. Received: {len(center)} and {len(scale)}.")
        self.center = [float(v) for v in center]
        self.scale = [float(v) for v in scale]
        self.flagged = [int(i) for i in flagged]
        self.squeeze = squeeze

    @classmethod
    def adapted(
        cls, X: npt.NDArray[np.float32], flagged: Sequence[int], *, standard: bool = False, **kwargs: Any
    ) -> Self:
        """The layer with its statistics taken from training rows, float32 (n_samples, n_numeric).

        Args:
            X: the rows.
            flagged: see the class.
            standard: take mean and standard deviation in place of median and inter-quartile range. Defaults to False.
            kwargs: other arguments of the class.
        """
        center, scale = standard_statistics(X) if standard else robust_statistics(X)
        return cls(center.tolist(), scale.tolist(), flagged, **kwargs)

    def call(self, inputs: Any) -> Any:
        center = np.asarray(self.center, np.float32)
        inverse = (1.0 / np.asarray(self.scale, np.float64)).astype(np.float32)
        missing = ops.isnan(inputs)
        filled = ops.where(missing, center, inputs)
        z = ops.clip((filled - center) * inverse, -_LIMIT, _LIMIT)
        if self.squeeze:
            z = z / ops.sqrt(1.0 + ops.square(z / 3.0))
        if not self.flagged:
            return z
        flags = ops.cast(ops.take(missing, np.asarray(self.flagged, np.int32), axis=1), "float32")
        return ops.concatenate([z, flags], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], len(self.center) + len(self.flagged))

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        config.update(center=self.center, scale=self.scale, flagged=self.flagged, squeeze=self.squeeze)
        return config


def robust_statistics(X: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Median and inter-quartile range of each column, float64 (n_numeric,), over the values that are present.

    A column whose middle half is one value is scaled by half its range instead, and a constant one by 1.
    """
    n_numeric = X.shape[1]
    center, scale = np.zeros(n_numeric), np.ones(n_numeric)
    for j in range(n_numeric):
        column = X[:, j].astype(np.float64)
        column = column[~np.isnan(column)]
        if not len(column):
            continue
        low, center[j], high = np.quantile(column, [0.25, 0.5, 0.75])
        spread = high - low if high > low else (column.max() - column.min()) / 2
        # A float32 cannot hold the inverse of a denormal.
        scale[j] = spread if spread > 1e-30 else 1.0
    return center, scale


def standard_statistics(X: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean of each column's present values, and its deviation with missing values at the mean; float64 (n_numeric,).

    scikit-learn's SimpleImputer and StandardScaler have the same statistics. A constant column is scaled by 1.
    """
    n_numeric = X.shape[1]
    center, scale = np.zeros(n_numeric), np.ones(n_numeric)
    for j in range(n_numeric):
        column = X[:, j].astype(np.float64)
        present = column[~np.isnan(column)]
        if not len(present):
            continue
        center[j] = present.mean()
        deviation = float(np.sqrt(np.square(present - center[j]).sum() / len(column)))
        # A sum of float32 numbers leaves a rounding error of a constant column, which is no deviation.
        scale[j] = deviation if deviation > 1e-30 and deviation > 1e-9 * abs(center[j]) else 1.0
    return center, scale
