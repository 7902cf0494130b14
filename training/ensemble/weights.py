"""The weights of a mix's parts, chosen on rows that the parts have not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from artifact.runtimes import Outputs
from training.objectives.kinds import KINDS
from training.settings.config import TrainConfig

Float64 = npt.NDArray[np.float64]
# Weights are multiples of 1 / _STEPS.
_STEPS = 40
# A part is left out if the mix without it is worse by at most this share, since a part costs time in every request.
_WORTH = 0.001


def mean_of(answers: Sequence[Outputs], weights: Float64, *, normal: bool) -> Outputs:
    """The answers of a mix, as :class:`artifact.layers.Mixture` gives them, in NumPy.

    Args:
        answers: the answers of each part, (n_samples, n_targets); a part with values alone adds nothing to spreads or
            quantiles.
        weights: weight of each part, 0 or more, with a sum of 1.
        normal: whether spreads are standard deviations.
    """
    used = [(a, w) for a, w in zip(answers, weights, strict=True) if w > 0]
    value = np.asarray(sum(a.value * w for a, w in used))

    def mean(name: str, change: Callable[[Float64], Float64] = np.asarray) -> Float64 | None:
        having = [(np.asarray(getattr(a, name), np.float64), w) for a, w in used if getattr(a, name) is not None]
        if not having:
            return None
        return np.asarray(sum(change(values) * w for values, w in having) / sum(w for _, w in having))

    spread = mean("spread", np.square if normal else np.asarray)
    if spread is not None and normal:
        spread = np.sqrt(spread + sum(np.square(a.value - value) * w for a, w in used))
    return Outputs(*(None if part is None else part.astype(np.float32) for part in (value, spread, mean("quantiles"))))  # type: ignore[arg-type]


def choose_weights(
    answers: Sequence[Outputs], y: Float64, config: TrainConfig, weight: Float64 | None = None
) -> Float64:
    """The weights that are best on rows that no part has seen, float64 (n_parts,), with a sum of 1.

    Parts are added one at a time, each as often as it helps (ensemble selection, Caruana et al. 2004). Then parts that
    hardly help are left out. A part without spreads or quantiles is never the only one.

    Args:
        answers: the answers of each part to the rows; the first part has all outputs of the objective.
        y: float64 (n_samples, n_targets), the true values.
        config: settings, whose objective gives the error.
        weight: float64 (n_samples,), each row's weight, or None. Defaults to None.
    """

    def error(counts: npt.NDArray[np.int64]) -> float:
        normal = KINDS[config.objective].link == "normal"
        mix = mean_of(answers, counts / counts.sum(), normal=normal)
        if mix.spread is None and answers[0].spread is not None:
            return np.inf
        return float(np.average(errors_of(mix, y, config), weights=weight))

    counts = _greedy(error, np.zeros(len(answers), np.int64), range(len(answers)))
    for part in np.argsort(counts):
        others = [i for i in range(len(answers)) if counts[i] and i != part]
        if counts[part] and others:
            fewer = _greedy(error, np.zeros(len(answers), np.int64), others)
            if fewer.any() and error(fewer) <= error(counts) + _WORTH * abs(error(counts)):
                counts = fewer
    return np.asarray(counts / counts.sum(), np.float64)


def _greedy(
    error: Callable[[npt.NDArray[np.int64]], float], counts: npt.NDArray[np.int64], parts: Sequence[int]
) -> npt.NDArray[np.int64]:
    """Add parts one at a time, each time the one that helps most; returns the best counts on the way."""
    best, least_error = counts, np.inf
    for _ in range(_STEPS):
        candidates = []
        for part in parts:
            candidate = counts.copy()
            candidate[part] += 1
            candidates.append((error(candidate), candidate))
        value, counts = min(candidates, key=lambda pair: pair[0])
        if value < least_error:
            best, least_error = counts, value
    return best


def errors_of(outputs: Outputs, y: Float64, config: TrainConfig) -> Float64:
    """Error of each row by the objective's own measure, (n_samples,): likelihood, pinball loss, or its metric."""
    kind = KINDS[config.objective]
    judged = None if kind.judged is None else kind.judged(outputs, y, config)
    if judged is not None:
        return judged
    scale = np.maximum(y.std(axis=0), np.finfo(float).tiny)
    errors = kind.errors(y, outputs.value.astype(np.float64), config)
    # Targets of different units count alike.
    unit = scale**2 if kind.metric == "rmse" else scale if kind.metric == "mae" else 1.0
    return np.asarray((errors / unit).mean(axis=1))
