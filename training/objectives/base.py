"""Objective: what the networks' outputs mean, and what is minimised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.objectives.kind import Kind

Array = npt.NDArray[Any]
# Targets (n_networks, 1, n_samples, n_targets) and outputs (n_networks, n_members, n_samples, n_outputs), tensors ->
# (n_networks, n_members, n_samples).
Loss = Callable[[Any, Any], Any]
# The same in NumPy: targets (n_samples, n_targets) and outputs of one network (n_members, n_samples, n_outputs) ->
# the error of each row by the members' joint answer, (n_samples,).
Errors = Callable[[Array, Array], Array]
# The same where answers are corrected on all rows before they are served; it also takes the rows' weights, or None.
Corrected = Callable[[Array, Array, Array | None], Array]
LOG_SPREAD = (-7.0, 4.0)


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective's functions. Targets come shifted and divided, see :func:`training.objectives.kinds.scale_of`.

    Attributes:
        kind: its record.
        loss: the loss of each answer, which is minimised.
        error: the error of each answer that a person is shown in training, in the unit of ``score``.
        errors: the error of each row, which chooses the epoch.
        outputs_a_target: number of values of each target. Defaults to 1.
        has_spread: whether a log spread follows each value. Defaults to True.
        n_quantiles: number of quantiles of each target. Defaults to 0.
        averages: whether the joint answer of m networks has an error of about c + v / m, as squared errors have. A
            likelihood has not: it has no bound where a network is sure of a wrong answer. Defaults to True.
        corrected: used in place of ``errors`` where answers are corrected before they are served. Defaults to None.
    """

    kind: Kind
    loss: Loss
    error: Loss
    errors: Errors
    outputs_a_target: int = 1
    has_spread: bool = True
    n_quantiles: int = 0
    averages: bool = True
    corrected: Corrected | None = None

    def n_values(self, n_targets: int) -> int:
        """Number of outputs for the answers."""
        return n_targets * self.outputs_a_target

    def n_spreads(self, n_targets: int) -> int:
        """Number of outputs for the answers' spreads."""
        return n_targets if self.has_spread else 0

    def score(self, y: Array, outputs: Array, weight: Array | None = None) -> float:
        """Mean error of one network's rows, which chooses its epoch.

        Args:
            y: (n_samples, n_targets).
            outputs: (n_members, n_samples, n_outputs).
            weight: (n_samples,), or None; if all are 0, they count as equal.
        """
        if weight is not None and not weight.any():
            weight = None
        outputs = outputs.astype(np.float64)
        errors = self.errors(y, outputs) if self.corrected is None else self.corrected(y, outputs, weight)
        return float(np.average(errors, weights=weight))

    def shown(self, score: float) -> float:
        """A score as a person is shown it: the root of squared errors."""
        return float(np.sqrt(max(score, 0.0))) if self.kind.shown == "RMSE" else score


def laplace(residual: Any, log_spread: Any) -> Any:
    """Likelihood of a spread ``s``: ``|y - value| / s + log s``, where the value counts as a constant.

    It is smallest where ``s`` is the mean absolute error as a function of the row. Conformal scores are divided by that
    error (Lei et al. 2018).
    """
    from keras import ops

    log_spread = ops.clip(log_spread, *LOG_SPREAD)
    return ops.stop_gradient(ops.abs(residual)) * ops.exp(-log_spread) + log_spread


def split(y: Any, outputs: Any) -> tuple[Any, Any]:
    """Values and log spreads of the outputs, each (..., n_targets)."""
    n_targets = y.shape[-1]
    return outputs[..., :n_targets], outputs[..., n_targets:]
