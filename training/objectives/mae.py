"""The absolute error: the answer is the median, which outliers do not move."""

from __future__ import annotations

import numpy as np

from training.objectives.base import Objective
from training.objectives.kind import Kind, ObjectiveSettings
from training.objectives.point import point


def build(config: ObjectiveSettings) -> Objective:  # noqa: ARG001 - the objectives share a signature
    """Absolute error."""
    from keras import ops

    return point(KIND, ops.abs, np.abs)


KIND = Kind("mae", "the median", build, "identity", metric="mae", plain="MAE", shown="MAE", rank=20, in_unit=True)
