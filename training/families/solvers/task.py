"""The task of a solver, and its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.facts import Fact
from training.families.settings import Settings
from training.families.solvers.systems import Systems

if TYPE_CHECKING:
    from training.table.folds import Fold
    from training.table.split import Indices

Float64 = npt.NDArray[np.float64]
_PARTS = 5
# The most splits that choose the penalty of a network that only measures, and the most numbers in their systems.
_MOST_SPLITS, _MOST_NUMBERS = 8, 2e7


class Split(NamedTuple):
    """Blocks that fit, and the one that judges."""

    train: tuple[int, ...]
    judge: int


class Network(NamedTuple):
    """One network to solve for: the blocks whose rows it has, and the splits by which it chooses its penalty."""

    blocks: tuple[int, ...]
    splits: tuple[Split, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows in blocks, and the networks on them.

    Attributes:
        blocks: rows of each.
        measured: networks without the validation rows of their fold.
        final: the network that is stored, on all rows.
    """

    blocks: list[Indices]
    measured: list[Network]
    final: Network

    @classmethod
    def of(cls, folds: Sequence[Fold], n_columns: int, seed: int) -> Layout:
        """The layout for a plan's folds.

        In cross-validation each fold is a block. A network is fitted on the other blocks and chooses its penalty by
        leaving out one of these in turn. So the rows that measure a network have no part in it, with one exception: the
        path of lasso begins at an alpha that comes from all rows. The stored network does the same with all blocks, as
        scikit-learn's LassoCV does. With held-out rows the validation rows choose the penalty, and then the network is
        fitted on all rows. Without validation rows, five random parts take their place.

        Args:
            folds: the plan's folds.
            n_columns: columns of the features; with many columns fewer splits choose.
            seed: seed of the random parts.
        """
        first = folds[0]
        if len(folds) > 1:
            return cls._crossed(folds, n_columns)
        if len(first.validation):
            split = Split((0,), 1)
            return cls([first.train, first.validation], [Network((0,), (split,))], Network((0, 1), (split,)))
        parts = [p for p in np.array_split(np.random.default_rng(seed).permutation(first.train), _PARTS) if len(p)]
        return cls(parts, [], _whole(range(len(parts)), [range(len(parts))]))

    @classmethod
    def _crossed(cls, folds: Sequence[Fold], n_columns: int) -> Layout:
        rows = sum(len(folds[0][i]) for i in range(2))
        repeats: list[list[int]] = [[]]
        for k, fold in enumerate(folds):
            repeats[-1].append(k)
            if sum(len(folds[i].validation) for i in repeats[-1]) >= rows and k + 1 < len(folds):
                repeats.append([])
            if len(fold.train) + len(fold.validation) != rows:
                raise ValueError(f"Expected folds of the same {rows} rows. Received: fold {k} of others.")
        most = int(max(1, min(_MOST_SPLITS, _MOST_NUMBERS / (len(folds) * n_columns**2))))
        measured = []
        for repeat in repeats:
            for place in range(len(repeat)):
                others = repeat[place + 1 :] + repeat[:place]
                measured.append(_whole(others, [others], most))
        return cls([f.validation for f in folds], measured, _whole(repeats[0], repeats))


@dataclass(frozen=True, slots=True)
class Task:
    """Networks to solve for.

    Attributes:
        triangles: triangle of each block's columns 1, features, targets; float64 (n_blocks, width, width).
        networks: the final one first.
        deviations: deviation of each target, float64 (n_targets,): the triangles have targets of deviation 1.
        groups: number of each column's feature.
        names: names of the features.
        config: resolved settings.
    """

    triangles: Float64
    networks: list[Network]
    deviations: Float64
    groups: npt.NDArray[np.int64]
    names: list[str]
    config: Settings

    @property
    def family(self) -> str:
        """Its name."""
        return str(self.config.required("model"))

    @property
    def n_targets(self) -> int:
        return len(self.deviations)


class Solved(NamedTuple):
    """One solved network.

    Attributes:
        weights: float64 (n_columns, n_targets).
        intercept: float64 (n_targets,).
        step: number of the step that it chose on the path, from 1.
        errors: squared error of training rows and of judging rows, by step of the path; float64 (n_steps,) each.
        chosen: the penalty or the features; None where there was no choice, and for all networks but the final one.
    """

    weights: Float64
    intercept: Float64
    step: int
    errors: tuple[Float64, Float64]
    chosen: Fact | None = None


Solver = Callable[[Task], list[Solved]]
Choice = Callable[[int], Fact | None]
Path = Callable[[Systems], tuple[Float64, Choice]]


def choose(task: Task, path: Path, n_steps: int) -> list[Solved]:
    """Solve for every step of a path, for each network and each of its splits, and take the best step of each network.

    Args:
        task: the networks to solve for.
        path: function of systems, of which the first is the final network's. It returns weights (n_systems, n_steps,
            n_columns, n_targets), and a function that gives the fact of choosing a step.
        n_steps: number of steps of the path; if it is 1, only the final network is judged, for the report.
    """
    networks = task.networks if n_steps > 1 else task.networks[:1]
    block_sets = [n.blocks for n in task.networks] + [s.train for n in networks for s in n.splits]
    distinct = list(dict.fromkeys(block_sets))
    systems = Systems(task.triangles, distinct, task.n_targets)
    weights, choice = path(systems)
    # A column that never varies gets a weight of exactly 0, not one made of rounding.
    varies = np.diagonal(systems.gram, axis1=1, axis2=2) > 0
    weights = np.where(varies[:, None, :, None], weights, 0.0)
    intercepts = systems.intercepts(weights)
    number = {blocks: i for i, blocks in enumerate(distinct)}

    def error(block: int, i: int) -> Float64:
        return systems.error(block, weights[i], intercepts[i])

    solved: list[Solved] = []
    for network in task.networks:
        i = number[network.blocks]
        splits = network.splits if network in networks else ()
        judged = np.mean([error(s.judge, number[s.train]) for s in splits], axis=0) if splits else np.zeros(n_steps)
        step = int(judged.argmin())
        fitted = np.mean([error(block, i) for block in network.blocks], axis=0)
        fact = None if solved else choice(step)
        solved.append(Solved(weights[i, step], intercepts[i, step], step + 1, (fitted, judged), fact))
    return solved


def _whole(blocks: Sequence[int], repeats: Sequence[Sequence[int]], most: int = 1_000) -> Network:
    """A network that is fitted on blocks. Each block of each repeat judges it in turn; at most ``most`` blocks do."""
    splits = [Split(tuple(sorted(b for b in repeat if b != k)), k) for repeat in repeats for k in repeat]
    # With two folds a network has one block, and no other block can judge it: the block judges itself.
    splits = [s if s.train else Split((s.judge,), s.judge) for s in splits]
    return Network(tuple(sorted(blocks)), tuple(splits[:most]))
