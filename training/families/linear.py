"""Linear regression as a network without a hidden layer, by least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from artifact.layers import JoinFeatures
from training.families.solvers.systems import Systems
from training.families.solvers.task import Float64, Sentence, Solved, Task, choose
from training.networks.inputs import Inputs
from training.settings.config import TrainConfig


def build(inputs: Inputs, config: TrainConfig) -> Any:  # noqa: ARG001 - the families share a signature
    """The scaled numbers, flags and categories straight into the heads."""
    return JoinFeatures(inputs.networks, name="each_network")([inputs.joined()])


def solve(task: Task) -> list[Solved]:
    """As scikit-learn's LinearRegression; of collinear columns' weights, those of least norm."""

    def path(systems: Systems) -> tuple[Float64, Sentence]:
        weights = np.stack([systems.least_squares(i) for i in range(len(systems))])
        return weights[:, None], lambda step: None  # noqa: ARG005 - there is one step

    return choose(task, path, n_steps=1)
