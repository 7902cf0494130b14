"""What augmentation was worth, by rows that no network of either kind has seen."""

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
    """Compare the repeats with augmentation with those without it, as many of each, joined as a model joins them.

    Both kinds are taken whole, not those that were chosen to serve: a choice by the rows that measure would flatter it.

    Args:
        population: the networks, whose folds are rows of the table.
        unseen: of each network, its answers to its validation rows.
        y: float64 (n_samples, n_targets), in the unit of the answers.
        served: numbers of the repeats that were chosen.
        weight: float64 (n_samples,) of each row, or None. Defaults to None.

    Returns:
        What the comparison showed, or None where all repeats are of one kind.
    """
    config, folds, repeats = population.config, population.folds, population.repeats
    has = [population.networks[population.positions([repeat])[0]].augmented for repeat in range(repeats)]
    kinds = [[r for r in range(repeats) if has[r] == wanted] for wanted in (True, False)]
    count = min(map(len, kinds))
    if not count:
        return None
    rows = left_out(folds, repeats)
    with_it, without = (_joined(folds, repeats, unseen, chosen[:count], y.shape)[rows] for chosen in kinds)
    weight = None if weight is None else weight[rows]
    constant = np.broadcast_to(np.average(y[rows], axis=0, weights=weight), y[rows].shape)
    found = paired_ratios(y[rows], with_it, {MEAN: constant, "without": without}, config, weight=weight)
    ratio, low, high = found["without"]
    chosen = {has[r] for r in served}
    amounts = amounts_in_words(config.augment, dict(config))
    rows_are = "validation rows" if folds[0].validation is folds[-1].validation else "rows out of fold"
    result = Augmentation(
        amounts=amounts,
        metric=KINDS[config.objective].metric,
        ratio=ratio,
        low=low,
        high=high,
        rows=len(rows),
        served="both" if len(chosen) == 2 else "with" if True in chosen else "without",
        sentence="",
    )
    return result.model_copy(update={"sentence": _sentence(result, KINDS[config.objective].plain, rows_are)})


def _joined(
    folds: Sequence[Fold], repeats: int, unseen: Sequence[Outputs], chosen: Sequence[int], shape: tuple[int, ...]
) -> Float64:
    """The mean of some repeats' answers to each row that their folds leave out, float64 of that shape."""
    answers, per_cut = np.zeros(shape), len(folds) // repeats
    for repeat in chosen:
        for i in range(repeat * per_cut, (repeat + 1) * per_cut):
            answers[folds[i].validation] += unseen[i].value / len(chosen)
    return answers


def _sentence(found: Augmentation, plain: str, rows_are: str) -> str:
    change = f"{abs(1 - found.ratio):.1%} {'lower' if found.ratio < 1 else 'higher'} than without"
    chance = "" if found.low > 1 or found.high < 1 else ", within chance"
    who = {"with": "the networks with it", "without": "the networks without it", "both": "networks of both kinds"}
    return (
        f"Augmentation ({found.amounts}): {plain} {change}{chance} (95% interval {found.low - 1:+.1%} to "
        f"{found.high - 1:+.1%}, {found.rows:,} {rows_are}); {who[found.served]} are served."
    )
