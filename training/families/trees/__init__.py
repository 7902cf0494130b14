"""Boosted trees, as part of a mix: they find steps, and effects of a few values, which networks smooth away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from training.families.family import Family
from training.objectives.kinds import KINDS

if TYPE_CHECKING:
    from training.families.settings import Samples
    from training.families.trees.forest import Grown
    from training.table.folds import Fold
    from training.table.split import Indices


def grow(samples: Samples, folds: Sequence[Fold], all_rows: Indices) -> Grown:
    """See :func:`training.families.trees.forest.grow`, which needs scikit-learn."""
    from training.families.trees import forest

    return forest.grow(samples, folds, all_rows)


def mixes(objective: str) -> bool:
    """Whether trees can be part of a mix: without a link they answer with a mean, a median or an expectile."""
    return KINDS[objective].link in ("identity", "normal")


FAMILY = Family(
    name="trees",
    summary="Boosted regression trees, grown by scikit-learn and kept as a layer of the saved network; in mixes only.",
    rank=200,
    grow=grow,
    trains=False,
    mixes=mixes,
)
