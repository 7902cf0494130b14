"""The expected size of an answer's error, as a function of the row: a generalised linear model of the residuals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
# The weights are pulled to 0 as strongly as by this many rows of deviation 1 that show no difference in spread.
_PRIOR_ROWS = 30.0
_STEPS = 50
# The bounds that TargetScaling has.
LOG_SPREAD = (-7.0, 4.0)


def log_spread(F: Float64, residuals: Float64) -> tuple[Float64, Float64]:
    """Minimise ``|r| exp(-s) + s``, Laplace's likelihood, over ``s = F v + c`` by Fisher scoring.

    The other families' spread heads minimise the same function; here it is convex.

    Args:
        F: float64 (n_samples, n_columns).
        residuals: float64 (n_samples, n_targets).

    Returns:
        Weights float64 (n_columns, n_targets) and intercepts float64 (n_targets,).
    """
    size = np.abs(residuals)
    # A row that is answered exactly must not pull the spread to 0.
    size = np.maximum(size, 1e-3 * size.mean(axis=0) + 1e-9)
    mean = F.mean(axis=0)
    design = np.hstack([np.ones((len(F), 1)), F - mean])
    prior = np.full(design.shape[1], _PRIOR_ROWS)
    prior[0] = 0.0
    information = np.linalg.inv(design.T @ design + np.diag(prior))
    solutions = np.stack([_scored(design, column, prior, information) for column in size.T], axis=1)
    return solutions[1:], solutions[0] - mean @ solutions[1:]


def _scored(design: Float64, size: Float64, prior: Float64, information: Float64) -> Float64:
    weights = np.zeros(design.shape[1])
    weights[0] = np.log(size.mean())
    before = _loss(design, size, prior, weights)
    for _ in range(_STEPS):
        gradient = design.T @ (size * np.exp(-np.clip(design @ weights, -30, 30)) - 1.0) - prior * weights
        step = information @ gradient
        while (after := _loss(design, size, prior, weights + step)) > before and np.abs(step).max() > 1e-9:
            step = step / 2
        if after >= before - 1e-10 * abs(before):
            break
        weights, before = weights + step, after
    return weights


def _loss(design: Float64, size: Float64, prior: Float64, weights: Float64) -> float:
    s = design @ weights
    return float((size * np.exp(-np.clip(s, -30, 30)) + s).sum() + 0.5 * (prior * weights**2).sum())
