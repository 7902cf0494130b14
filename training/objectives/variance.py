"""The variances of normal distributions, corrected on rows that no network has seen.

Networks that have learnt their rows by heart give variances that are far too small: their means may still be good,
while an error is as large as twenty of their deviations. Two numbers for each target correct that, as a temperature
does for classes (Guo et al. 2017): ``scale * (variance + floor)``, with the numbers of the highest likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
# The floors that are tried, as shares of the mean squared error.
_FLOORS = (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5)

# Bounds of the scale: a target that is known exactly keeps a spread.
_SCALES = (1e-6, 1e6)


@dataclass(frozen=True, slots=True)
class Noise:
    """The correction of variances.

    Attributes:
        scale: factor of each target, float64 (n_targets,).
        floor: number that is added, likewise, in the square of the target's unit.
    """

    scale: Float64
    floor: Float64

    @classmethod
    def fit(cls, error: Float64, variance: Float64, weight: Float64 | None = None) -> Noise:
        """The correction of the highest likelihood.

        Args:
            error: errors of the means, (n_samples, n_targets).
            variance: as the networks give it, likewise, above 0.
            weight: weight of each row, (n_samples,), or None; if all are 0, they count as equal. Defaults to None.
        """
        if weight is not None and not weight.any():
            weight = None
        squared = np.square(error)
        floors = np.multiply.outer(np.array(_FLOORS), np.average(squared, axis=0, weights=weight))
        wide = variance + floors[:, None]
        exact = np.average(squared / wide, axis=1, weights=weight)
        scales = np.clip(exact, *_SCALES)
        likelihood = exact / scales + np.log(scales) + np.average(np.log(wide), axis=1, weights=weight)
        best, targets = likelihood.argmin(axis=0), np.arange(variance.shape[1])
        return cls(scales[best, targets], floors[best, targets])

    def variance(self, variance: Float64) -> Float64:
        """Corrected variances, (n_samples, n_targets)."""
        return np.asarray(self.scale * (variance + self.floor))

    def into(self, scaling: Any) -> None:
        """Put this correction into a :class:`artifact.layers.TargetScaling`."""
        scaling.spread_scale = self.scale.tolist()
        scaling.spread_floor = (self.floor / np.square(scaling.std)).tolist()
