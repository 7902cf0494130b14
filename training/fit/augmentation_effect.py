"""Measures what augmentation changed, on rows that no network with or without it has seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from artifact.manifest import Augmentation
from artifact.runtimes import Outputs
from training.evaluation.baselines import MEAN
from training.evaluation.verdict import paired_ratios
from training.fit.population import Population
from training.objectives.kinds import KINDS
from training.settings.augmentation import amounts_in_words
from training.table.folds import Fold, left_out

Float64 = npt.NDArray[np.float64]


def effect_of(
    population: Population,
    unseen: Sequence[Outputs],
    y: Float64,
    served: Sequence[int],
    weight: Float64 | None = None,
) -> Augmentation | None:
    """Compare repeats with augmentation to as many without it; the answers of each kind are averaged.

    All repeats count, not only those that are served: the measuring rows chose these, so their error alone is too low.

    Args:
        population: the networks, whose folds are rows of the table.
        unseen: each network's answers to its validation rows.
        y: float64 (n_samples, n_targets), in the unit of the answers.
        served: numbers of the repeats that were chosen.
        weight: float64 (n_samples,) of each row, or None. Defaults to None.

    Returns:
        The result of the comparison, or None where all repeats are of one kind.
    """
    config, folds, repeats = population.config, population.folds, population.repeats
    has = [population.networks[population.positions([repeat])[0]].augmented for repeat in range(repeats)]
    kinds = [[r for r in range(repeats) if has[r] == augmented] for augmented in (True, False)]
    count = min(map(len, kinds))
    if not count:
        return None
    rows = left_out(folds, repeats)
    with_it, without = (_joined(folds, repeats, unseen, numbers[:count], y.shape)[rows] for numbers in kinds)
    weight = None if weight is None else weight[rows]
    constant = np.broadcast_to(np.average(y[rows], axis=0, weights=weight), y[rows].shape)
    ratios = paired_ratios(y[rows], with_it, {MEAN: constant, "without": without}, config, weight=weight)
    ratio, low, high = ratios["without"]
    served_kinds = {has[r] for r in served}
    amounts = amounts_in_words(config.augment, dict(config))
    rows_are = "validation rows" if folds[0].validation is folds[-1].validation else "rows out of fold"
    result = Augmentation(
        amounts=amounts,
        metric=KINDS[config.objective].metric,
        ratio=ratio,
        low=low,
        high=high,
        rows=len(rows),
        served="both" if len(served_kinds) == 2 else "with" if True in served_kinds else "without",
        sentence="",
    )
    return result.model_copy(update={"sentence": _sentence(result, KINDS[config.objective].plain, rows_are)})


def _joined(
    folds: Sequence[Fold], repeats: int, unseen: Sequence[Outputs], numbers: Sequence[int], shape: tuple[int, ...]
) -> Float64:
    """The mean of some repeats' answers to each row that their folds leave out, float64 of ``shape``."""
    answers, per_cut = np.zeros(shape), len(folds) // repeats
    for repeat in numbers:
        for i in range(repeat * per_cut, (repeat + 1) * per_cut):
            answers[folds[i].validation] += unseen[i].value / len(numbers)
    return answers


def _sentence(effect: Augmentation, plain: str, rows_are: str) -> str:
    change = f"{abs(1 - effect.ratio):.1%} {'lower' if effect.ratio < 1 else 'higher'} than without"
    chance = "" if effect.low > 1 or effect.high < 1 else ", within chance"
    who = {"with": "the networks with it", "without": "the networks without it", "both": "networks of both kinds"}
    return (
        f"Augmentation ({effect.amounts}): {plain} {change}{chance} (95% interval {effect.low - 1:+.1%} to "
        f"{effect.high - 1:+.1%}, {effect.rows:,} {rows_are}); {who[effect.served]} are served."
    )
