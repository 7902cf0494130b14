"""The verdict: the network against baselines by paired errors on the same rows, and the coverage of intervals."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from artifact.manifest import Coverage, Verdict
from artifact.predictor import Prediction
from training.evaluation.baselines import BOOSTING, ELASTIC_NET, GLM, LASSO, MEAN, MEDIAN, POLYNOMIAL, RIDGE
from training.families import FAMILIES
from training.objectives import Kind
from training.objectives.kinds import KINDS
from training.settings.config import TrainConfig

Float64 = npt.NDArray[np.float64]

_RESAMPLES = 2000
_PLAIN_NAMES = {
    RIDGE: "ridge regression",
    LASSO: "lasso",
    ELASTIC_NET: "elastic net",
    POLYNOMIAL: "polynomial regression",
    GLM: "a generalised linear model",
    BOOSTING: "gradient boosting",
}


def verdict(
    y: Float64,
    network: Float64,
    baselines: dict[str, Float64],
    config: TrainConfig,
    *,
    rows_are: str = "test rows",
    weight: Float64 | None = None,
) -> Verdict:
    """Compare the network with the baselines, row by row, by the objective's error.

    Args:
        y: float64 (n_samples, n_targets), the test rows' targets.
        network: the network's answers to them.
        baselines: each baseline's answers by name; one is the objective's best constant, or ``mean``.
        config: settings, with the objective and the seed of the bootstrap.
        rows_are: what the sentence calls the rows. Defaults to ``test rows``.
        weight: float64 (n_samples,), each row's weight, or None. Defaults to None.
    """
    kind, root = KINDS[config.objective], _is_root(config)
    constant = _constant(kind, baselines)
    errors = _by_row(y, baselines, config, weight)
    best = min(errors, key=lambda name: float(errors[name].mean()))
    ours = _by_row(y, {"": network, constant: baselines[constant]}, config, weight)[""]
    against_best, against_constant = _ratios(ours, [errors[best], errors[constant]], config.seed, root=root)
    ratio, low, high = _ends(against_best)
    _, _, against_mean = _ends(against_constant, upper=95)
    beats_mean = against_mean < 1
    worth_it: Literal["yes", "no", "tie"] = (
        "yes" if high < 1 and beats_mean else "no" if low > 1 or not beats_mean else "tie"
    )
    baseline_name = f"predicting the {best}" if best == constant else _PLAIN_NAMES.get(best, best)
    subject = _subject(config)
    if baseline_name in subject:
        baseline_name = f"scikit-learn's {baseline_name}"
    change = f"{abs(1 - ratio):.1%} {'lower' if ratio < 1 else 'higher'}"
    interval = f"95% interval {low - 1:+.1%} to {high - 1:+.1%}, {len(y):,} {rows_are}"
    if not beats_mean:
        sentence = f"No: {subject} does not beat predicting the {constant} beyond chance ({len(y):,} {rows_are})."
    elif worth_it == "yes":
        sentence = (
            f"Yes: {subject}'s {kind.plain} is {change} than that of {baseline_name}, the best baseline ({interval})."
        )
    elif worth_it == "no":
        sentence = f"No: {baseline_name} does better; {subject}'s {kind.plain} is {change} ({interval})."
    else:
        sentence = (
            f"Undecided: {subject}'s {kind.plain} is {change} than that of {baseline_name}, within chance ({interval})."
        )
    if beats_mean:
        sentence += _drift_sentence(y, network, config, rows_are, weight)
    return Verdict(
        worth_it=worth_it,
        beats_mean=beats_mean,
        best_baseline=best,
        metric=kind.metric,
        ratio=ratio,
        low=low,
        high=high,
        sentence=sentence,
    )


def paired_ratios(
    y: Float64,
    network: Float64,
    baselines: dict[str, Float64],
    config: TrainConfig,
    *,
    weight: Float64 | None = None,
) -> dict[str, tuple[float, float, float]]:
    """Ratios of the network's error to each baseline's, as in the verdict: ratio and 95% bootstrap interval by name.

    Args:
        y: float64 (n_samples, n_targets), true values.
        network: the network's answers.
        baselines: each baseline's answers by name; one is the objective's best constant, or ``mean``.
        config: settings, with the objective and the seed of the bootstrap.
        weight: float64 (n_samples,), each row's weight, or None. Defaults to None.
    """
    errors = _by_row(y, {**baselines, "": network}, config, weight)
    ours = errors.pop("")
    ratios_of = _ratios(ours, list(errors.values()), config.seed, root=_is_root(config))
    return {name: _ends(ratios) for name, ratios in zip(errors, ratios_of, strict=True)}


def coverage(
    names: tuple[str, ...], y: Float64, answer: Prediction, level: float, weight: Float64 | None = None
) -> Coverage:
    """Share of rows inside their intervals, and the intervals' mean width, by target; both weighted."""
    inside = (answer.lower <= y) & (y <= answer.upper)
    width = (answer.upper - answer.lower).astype(np.float64)
    return Coverage(
        level=level,
        covered={name: float(np.average(inside[:, j], weights=weight)) for j, name in enumerate(names)},
        mean_width={name: float(np.average(width[:, j], weights=weight)) for j, name in enumerate(names)},
    )


def _subject(config: TrainConfig) -> str:
    """What a sentence calls the model: the network, or the name of a line."""
    line = "" if config.mix or config.model is None else FAMILIES[config.model].line
    return f"this {line}" if line else "the network"


def _drift_sentence(y: Float64, network: Float64, config: TrainConfig, rows_are: str, weight: Float64 | None) -> str:
    """A sentence that the best constant of these rows beats the model; empty if it does not.

    The baseline is the constant of the training rows, since nobody knows that of these rows beforehand. Where a target
    drifts, a model can beat the baseline and still be far off.
    """
    kind = KINDS[config.objective]
    middle = kind.best_constant(y, weight, config)
    ours, constants = (
        np.average(kind.errors(y, value, config), axis=0, weights=weight)
        for value in (network, np.broadcast_to(middle, y.shape))
    )
    worst = float(np.max(ours / np.maximum(constants, np.finfo(float).tiny)))
    if worst <= 1:
        return ""
    figure = f"R2 {1 - worst:.2f}" if kind.metric == "rmse" else f"{kind.plain} {worst:.2f} times as high"
    why = ": they differ from the rows that trained" if rows_are == "test rows" else ""
    constant_name_of_rows = f"{kind.constant_name} of the {rows_are} themselves"
    return f" Even so it is worse than the {constant_name_of_rows} ({figure}){why}."


def _constant(kind: Kind, answers: dict[str, Float64]) -> str:
    """Name of the constant among the answers: the objective's own, or else the mean or the median."""
    return next(name for name in (kind.constant_name, MEAN, MEDIAN) if name in answers)


def _is_root(config: TrainConfig) -> bool:
    return KINDS[config.objective].metric == "rmse"


def _by_row(y: Float64, answers: dict[str, Float64], config: TrainConfig, weight: Float64 | None) -> dict[str, Float64]:
    """Each model's weighted error by row, (n_samples,). A target's errors are divided by the constant's mean error."""
    kind = KINDS[config.objective]
    constant = answers[_constant(kind, answers)]
    scale = np.average(kind.errors(y, constant, config), axis=0, weights=weight)
    scale = np.maximum(scale, np.finfo(float).tiny)
    by_name = {n: (kind.errors(y, a, config) / scale).mean(axis=1) for n, a in answers.items()}
    return by_name if weight is None else {name: errors * weight / weight.mean() for name, errors in by_name.items()}


def _ratios(ours: Float64, others: list[Float64], seed: int, *, root: bool) -> list[Float64]:
    """Ratios of our mean error, or of its root, to those of others: first of all rows, then of bootstrap samples.

    All models are compared on the same bootstrap samples.
    """
    rng = np.random.default_rng(seed)
    n = len(ours)
    errors = np.stack([ours, *others])
    means = [errors.mean(axis=1)]
    for _ in range(_RESAMPLES):
        # Drawing rows and counting them takes a tenth of the time of drawing the counts.
        sample = rng.integers(0, n, size=n, dtype=np.uint32)
        counts = np.bincount(sample, minlength=n).astype(np.float64)
        # Take one model at a time. The last bits of one product for all models would depend on their number, so report
        # and verdict would differ.
        means.append(np.array([row @ counts for row in errors]) / n)
    table = np.stack(means, axis=1)
    ratios = (table[0] / np.maximum(table[1:], np.finfo(float).tiny)) ** (0.5 if root else 1.0)
    return list(ratios)


def _ends(ratios: Float64, upper: float = 97.5) -> tuple[float, float, float]:
    """The ratio over the rows, and two percentiles of the bootstrap's ratios."""
    low, high = np.percentile(ratios[1:], [2.5, upper])
    return float(ratios[0]), float(low), float(high)
