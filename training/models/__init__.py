"""Model families by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training.config import TrainConfig
from training.models import linear, mlp
from training.models.inputs import Inputs

# Each takes the adapted inputs and the configuration, and returns (n_samples, 2 * n_targets):
# standardised values, then log spreads.
FAMILIES: dict[str, Callable[[Inputs, TrainConfig], Any]] = {"mlp": mlp.build, "linear": linear.build}
