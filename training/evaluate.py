"""Honest evaluation: baselines on the same rows, a verdict from paired errors, measured coverage."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from artifact.manifest import Coverage, Verdict
from artifact.predictor import Prediction
from training.baselines import BOOSTING, MEAN, RIDGE

Float64 = npt.NDArray[np.float64]

_RESAMPLES = 2000
_CHUNK = 2_000_000
_PLAIN_NAMES = {MEAN: "predicting the mean", RIDGE: "ridge regression", BOOSTING: "gradient boosting"}


def verdict(
    y: Float64, network: Float64, baselines: dict[str, Float64], seed: int, *, rows_are: str = "test rows"
) -> Verdict:
    """Compare the network with the baselines, row by row.

    Args:
        y: float64 (n_samples, n_targets), the test rows' targets.
        network: the network's answers to them.
        baselines: each baseline's answers by name; ``mean`` among them.
        seed: of the bootstrap.
        rows_are: how the sentence calls the rows. Defaults to ``test rows``.
    """
    scale = np.square(y - baselines[MEAN]).mean(axis=0)
    errors = {name: _errors(y, value, scale) for name, value in baselines.items()}
    best = min(errors, key=lambda name: float(errors[name].mean()))
    ours = _errors(y, network, scale)
    ratio, low, high = _ratio(ours, errors[best], seed)
    _, _, against_mean = _ratio(ours, errors[MEAN], seed, upper=95)
    beats_mean = against_mean < 1
    worth_it: Literal["yes", "no", "tie"] = (
        "yes" if high < 1 and beats_mean else "no" if low > 1 or not beats_mean else "tie"
    )
    plain = _PLAIN_NAMES.get(best, best)
    change = f"{abs(1 - ratio):.1%} {'lower' if ratio < 1 else 'higher'}"
    interval = f"95% interval {low - 1:+.1%} to {high - 1:+.1%}, {len(y):,} {rows_are}"
    if not beats_mean:
        sentence = f"No: the network does not beat predicting the mean beyond chance ({len(y):,} {rows_are})."
    elif worth_it == "yes":
        sentence = f"Yes: the network's RMSE is {change} than that of {plain}, the best baseline ({interval})."
    elif worth_it == "no":
        sentence = f"No: {plain} does better; the network's RMSE is {change} ({interval})."
    else:
        sentence = f"Undecided: the network's RMSE is {change} than that of {plain}, within chance ({interval})."
    return Verdict(
        worth_it=worth_it,
        beats_mean=beats_mean,
        best_baseline=best,
        rmse_ratio=ratio,
        low=low,
        high=high,
        sentence=sentence,
    )


def paired_ratios(
    y: Float64, network: Float64, baselines: dict[str, Float64], seed: int
) -> dict[str, tuple[float, float, float]]:
    """The network's RMSE over each baseline's, as the verdict computes it: ratio and 95% bootstrap interval by name.

    Args:
        y: float64 (n_samples, n_targets), what came true.
        network: the network's answers.
        baselines: each baseline's answers by name; ``mean`` among them.
        seed: of the bootstrap.
    """
    scale = np.square(y - baselines[MEAN]).mean(axis=0)
    ours = _errors(y, network, scale)
    return {name: _ratio(ours, _errors(y, value, scale), seed) for name, value in baselines.items()}


def coverage(names: tuple[str, ...], y: Float64, answer: Prediction, level: float) -> Coverage:
    """Share of rows inside their intervals, and the intervals' mean width, by target."""
    inside = (answer.lower <= y) & (y <= answer.upper)
    width = (answer.upper - answer.lower).astype(np.float64)
    return Coverage(
        level=level,
        covered={name: float(inside[:, j].mean()) for j, name in enumerate(names)},
        mean_width={name: float(width[:, j].mean()) for j, name in enumerate(names)},
    )


def _errors(y: Float64, value: Float64, scale: Float64) -> Float64:
    """Squared error of each row, over the mean's, averaged over the targets: (n_samples,)."""
    return np.asarray((np.square(y - value) / np.maximum(scale, np.finfo(float).tiny)).mean(axis=1))


def _ratio(ours: Float64, theirs: Float64, seed: int, upper: float = 97.5) -> tuple[float, float, float]:
    """RMSE ratio with its bootstrap percentiles, rows drawn in pairs."""
    rng = np.random.default_rng(seed)
    n = len(ours)
    pairs = np.stack([ours, theirs], axis=1)
    chunk = max(1, _CHUNK // n)
    sums = np.concatenate(
        [
            rng.multinomial(n, np.full(n, 1 / n), size=min(chunk, _RESAMPLES - at)) @ pairs
            for at in range(0, _RESAMPLES, chunk)
        ]
    )
    floor = np.finfo(float).tiny
    ratios = np.sqrt(sums[:, 0] / np.maximum(sums[:, 1], floor))
    low, high = np.percentile(ratios, [2.5, upper])
    return float(np.sqrt(ours.mean() / max(theirs.mean(), floor))), float(low), float(high)
