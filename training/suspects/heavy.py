"""Suspects a single value that holds most of a target's variance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.facts import HeavyValue

Float64 = npt.NDArray[np.float64]

# A value is heavy if it holds more than this share of the variance. The farthest of 30 normal values holds about 15%,
# and the farthest of 300 lognormal ones (sigma 1) about 25%.
LIMIT = 0.5


class Heaviest(NamedTuple):
    """The value that is farthest from the mean of its target.

    Attributes:
        row: number of its row in the table, from 0.
        value: the target's value there.
        share: share of the target's variance that it holds.
    """

    row: int
    value: float
    share: float

    @classmethod
    def of(cls, y: Float64, weight: Float64 | None = None) -> Heaviest:
        """The farthest of all values.

        Args:
            y: float64 (n_samples,).
            weight: float64 (n_samples,), each row's weight, or None. Defaults to None.
        """
        weights = np.ones_like(y) if weight is None else weight
        parts = weights * np.square(y - np.average(y, weights=weights))
        row, total = int(parts.argmax()), float(parts.sum())
        return cls(row, float(y[row]), float(parts[row]) / total if total else 0.0)


def heavy_values(heaviest: Mapping[str, Heaviest]) -> list[HeavyValue]:
    """A fact of each value that holds most of the variance of its target.

    Args:
        heaviest: each target's farthest value, by the target's name.
    """
    return [
        HeavyValue(target=name, row=row + 1, value=value, share=share)
        for name, (row, value, share) in heaviest.items()
        if share > LIMIT
    ]
