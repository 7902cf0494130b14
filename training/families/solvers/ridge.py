"""Ridge regression for a path of penalties, from one eigendecomposition of each system."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.families.solvers.systems import Systems

Float64 = npt.NDArray[np.float64]


def ridge_path(systems: Systems, alphas: Float64, *, standardised: bool = False) -> Float64:
    """Minimise ``|y - Xw|^2 + alpha |w|^2`` for each system and alpha.

    Args:
        systems: side by side.
        alphas: float64 (n_alphas,), at least 0.
        standardised: penalise the weights of columns that are divided by their deviations. Defaults to False.

    Returns:
        Weights, float64 (n_systems, n_alphas, n_columns, n_targets).
    """
    scale = systems.deviation if standardised else np.ones_like(systems.deviation)
    gram = systems.gram / (scale[:, :, None] * scale[:, None, :])
    moment = systems.moment / scale[:, :, None]
    values, vectors = np.linalg.eigh(gram)
    # (n_systems, n_alphas, n_columns): a direction in which nothing varies gets no weight.
    shifted = np.maximum(values, 0.0)[:, None, :] + alphas[None, :, None]
    least = 1e-13 * values[:, -1:, None]
    inverse = np.where(shifted > least, 1.0 / np.where(shifted > least, shifted, 1.0), 0.0)
    turned = np.matmul(vectors.transpose(0, 2, 1), moment)
    weights = np.matmul(vectors[:, None], inverse[..., None] * turned[:, None])
    return np.asarray(weights / scale[:, None, :, None])
