"""Linear regression as a network without a hidden layer."""

from __future__ import annotations

from typing import Any

from artifact.layers import JoinFeatures
from training.config import TrainConfig
from training.models.inputs import Inputs


def build(inputs: Inputs, config: TrainConfig) -> Any:  # noqa: ARG001 - the families share a signature
    """The scaled numbers, flags and embedded categories straight into the heads."""
    return JoinFeatures(inputs.networks, name="each_network")([inputs.joined()])
