"""The common part of objectives whose answer is one number: an error, and a spread beside the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from training.objectives.base import Array, Objective, laplace, split
from training.objectives.kind import Kind


def point(
    kind: Kind,
    of_tensor: Callable[[Any], Any],
    of_array: Callable[[Array], Array],
    weight: Callable[[Any], Any] | None = None,
) -> Objective:
    """An objective of the error alone, with a spread beside the value; in training the spread may weigh the error.

    Args:
        kind: the objective's record.
        of_tensor: function from errors, targets less values, to the loss of each; Keras tensors.
        of_array: the same for NumPy arrays.
        weight: function from log spreads (..., n_samples, n_targets) to the weight of each error. Defaults to None.
    """
    from keras import ops

    def loss(y: Any, outputs: Any) -> Any:
        value, log_spread = split(y, outputs)
        error = of_tensor(y - value)
        weighted = error if weight is None else error * weight(log_spread)
        return ops.mean(weighted + laplace(y - value, log_spread), axis=-1)

    def error(y: Any, outputs: Any) -> Any:
        return ops.mean(of_tensor(y - split(y, outputs)[0]), axis=-1)

    def errors(y: Array, outputs: Array) -> Array:
        value, _ = split(y, outputs)
        return np.asarray(of_array(y - value.mean(axis=0)).mean(axis=-1))

    return Objective(kind, loss, error, errors)
