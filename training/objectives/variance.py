"""The variances of normal distributions, corrected on rows that no network has seen.

Networks that have learnt their rows by heart are sure of themselves: their means may still be good where their
likelihood is that of a model which is wrong by twenty deviations. As temperature does for classes (Guo et al. 2017),
two numbers a target put that right: ``scale * (variance + floor)``, those of the highest likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
# Floors that are tried, in mean squared errors.
_FLOORS = (0.0, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5)

# A target that is known exactly has a spread all the same.
_SCALES = (1e-6, 1e6)


@dataclass(frozen=True, slots=True)
class Noise:
    """What variances are corrected by.

    Attributes:
        scale: of each target, (n_targets,).
        floor: likewise, in the square of its unit.
    """

    scale: Float64
    floor: Float64

    @classmethod
    def fit(cls, error: Float64, variance: Float64, weight: Float64 | None = None) -> Noise:
        """The correction of the highest likelihood.

        Args:
            error: of the means, (n_samples, n_targets).
            variance: as the networks give it, likewise, above 0.
            weight: of each row, (n_samples,), or None; weights of 0 throughout count as equal. Defaults to None.
        """
        if weight is not None and not weight.any():
            weight = None
        squared = np.square(error)
        tried = np.multiply.outer(np.array(_FLOORS), np.average(squared, axis=0, weights=weight))
        wide = variance + tried[:, None]
        found = np.average(squared / wide, axis=1, weights=weight)
        scales = np.clip(found, *_SCALES)
        likelihood = found / scales + np.log(scales) + np.average(np.log(wide), axis=1, weights=weight)
        best, targets = likelihood.argmin(axis=0), np.arange(variance.shape[1])
        return cls(scales[best, targets], tried[best, targets])

    def variance(self, variance: Float64) -> Float64:
        """Corrected variances, (n_samples, n_targets)."""
        return np.asarray(self.scale * (variance + self.floor))

    def into(self, scaling: Any) -> None:
        """Have a :class:`artifact.layers.TargetScaling` correct its variances so."""
        scaling.spread_scale = self.scale.tolist()
        scaling.spread_floor = (self.floor / np.square(scaling.std)).tolist()
