"""Model families by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.config import TrainConfig
from training.models import linear, mlp, realmlp
from training.models.inputs import Inputs
from training.optimizers import Factor


@dataclass(frozen=True, slots=True)
class Family:
    """A model family.

    Attributes:
        build: from inputs and configuration to the last hidden layer,
            (n_networks, n_members * n_samples, width).
        squeeze: bound the scaled numbers softly, see :class:`artifact.layers.NumericPreprocessing`.
        bounded: keep answers within the seen targets; a line is asked to go on.
        ntk: the heads' parametrisation, see :class:`artifact.layers.StackedDense`.
        factor: of the learning rate, by a weight's name; None: 1.
    """

    build: Callable[[Inputs, TrainConfig], Any]
    squeeze: bool = True
    bounded: bool = True
    ntk: bool = False
    factor: Callable[[str], Factor] | None = None


FAMILIES: dict[str, Family] = {
    "tabm": Family(mlp.build),
    "mlp": Family(mlp.build),
    "realmlp": Family(realmlp.build, ntk=True, factor=realmlp.factor),
    "linear": Family(linear.build, squeeze=False, bounded=False),
}
