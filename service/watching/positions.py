"""``trueline_prediction_position``: where predictions lie in the range of the training targets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import numpy as np
from prometheus_client import Histogram

from service.metrics.distribution import Distribution
from service.metrics.metrics import POSITION_BUCKETS
from service.watching.tap import Batch

_predictor = attrgetter("predictor")


class Positions:
    """Counts each predicted value by its place between the target's minimum, 0, and its maximum, 1.

    Args:
        histogram: histogram of the Prometheus client with the label ``target``.
    """

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram

    def __call__(self, batches: Sequence[Batch]) -> None:
        """Count the predicted values of some batches, by the targets of the version that answered."""
        for predictor, group in groupby(batches, _predictor):
            _, values, _ = np.concatenate([batch.ends for batch in group], axis=1)
            for target, column in zip(predictor.schema.targets, values.T.astype(np.float64), strict=True):
                scale = 1.0 / ((target.maximum - target.minimum) or 1.0)
                distribution = Distribution(self._histogram.labels(target.name), POSITION_BUCKETS)
                distribution.add_many((column - target.minimum) * scale)
                distribution.flush()
