"""What a solver is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from training.families.given import Settings
from training.families.solvers.systems import Systems

if TYPE_CHECKING:
    from training.table.folds import Fold
    from training.table.split import Indices

Float64 = npt.NDArray[np.float64]
_PARTS = 5
# Splits that choose the penalty of a network that is only measured.
_MOST_SPLITS, _MOST_NUMBERS = 8, 2e7


class Split(NamedTuple):
    """Blocks that fit, and the one that judges."""

    train: tuple[int, ...]
    judge: int


class Network(NamedTuple):
    """One network to solve for: the blocks whose rows it has, and the splits of them by which it chooses."""

    blocks: tuple[int, ...]
    splits: tuple[Split, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows in blocks, and the networks on them.

    Attributes:
        blocks: rows of each.
        measured: networks that do not have the validation rows of their fold.
        final: the network that is stored, on all rows.
    """

    blocks: list[Indices]
    measured: list[Network]
    final: Network

    @classmethod
    def of(cls, folds: Sequence[Fold], n_columns: int, seed: int) -> Layout:
        """From the plan's folds.

        In cross-validation a fold is a block: each network is fit on the other ones and chooses its penalty by leaving
        out one of these in turn, so that the rows by which it is measured have had no part in it (but in where the path
        of lasso begins). The stored network does so with all of them, as scikit-learn's LassoCV does. With held-out
        rows the validation rows choose, then all are fit; without any, five random parts take their place.

        Args:
            folds: of the plan.
            n_columns: of the features; with many columns fewer splits choose.
            seed: of the random parts.
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
            for at in range(len(repeat)):
                others = repeat[at + 1 :] + repeat[:at]
                measured.append(_whole(others, [others], most))
        return cls([f.validation for f in folds], measured, _whole(repeats[0], repeats))


@dataclass(frozen=True, slots=True)
class Task:
    """Networks to solve for.

    Attributes:
        triangles: of the blocks' columns 1, features, targets; float64 (n_blocks, width, width).
        networks: the final one first.
        deviations: of the targets, float64 (n_targets,): the triangles hold targets of deviation 1.
        groups: of each column the number of its feature.
        names: of the features.
        config: resolved settings.
    """

    triangles: Float64
    networks: list[Network]
    deviations: Float64
    groups: npt.NDArray[np.int64]
    names: list[str]
    config: Settings

    @property
    def n_targets(self) -> int:
        return len(self.deviations)

    def of(self, n_steps: int) -> str:
        """What a choice was made from, for a sentence; nothing where there was none."""
        return f" of {n_steps} by the folds" if n_steps > 1 else ""


class Solved(NamedTuple):
    """One network.

    Attributes:
        weights: float64 (n_columns, n_targets).
        intercept: float64 (n_targets,).
        step: 1-based, of the path that it chose from.
        errors: by step of the path, training and judging rows' squared error; (n_steps,) each.
        note: what was chosen, one sentence, or None.
    """

    weights: Float64
    intercept: Float64
    step: int
    errors: tuple[Float64, Float64]
    note: str | None = None


Solver = Callable[[Task], list[Solved]]
Sentence = Callable[[int], str | None]
Path = Callable[[Systems], tuple[Float64, Sentence]]


def choose(task: Task, path: Path, n_steps: int) -> list[Solved]:
    """Solve for every step of a path, on all rows that networks and their splits have, and take each network's best.

    Args:
        task: to do.
        path: from systems, the final network's first, to weights (n_systems, n_steps, n_columns, n_targets) and a
            sentence on a step.
        n_steps: of the path; where there is one, only the final network's is judged, for the report.
    """
    networks = task.networks if n_steps > 1 else task.networks[:1]
    wanted = [n.blocks for n in task.networks] + [s.train for n in networks for s in n.splits]
    chosen = list(dict.fromkeys(wanted))
    systems = Systems(task.triangles, chosen, task.n_targets)
    weights, sentence = path(systems)
    # A column that never varies has no weight at all, not what rounding leaves of one.
    varies = np.diagonal(systems.gram, axis1=1, axis2=2) > 0
    weights = np.where(varies[:, None, :, None], weights, 0.0)
    intercepts = systems.intercepts(weights)
    number = {blocks: i for i, blocks in enumerate(chosen)}

    def error(block: int, i: int) -> Float64:
        return systems.error(block, weights[i], intercepts[i])

    solved: list[Solved] = []
    for network in task.networks:
        i = number[network.blocks]
        splits = network.splits if network in networks else ()
        judged = np.mean([error(s.judge, number[s.train]) for s in splits], axis=0) if splits else np.zeros(n_steps)
        step = int(judged.argmin())
        fitted = np.mean([error(block, i) for block in network.blocks], axis=0)
        note = None if solved else sentence(step)
        solved.append(Solved(weights[i, step], intercepts[i, step], step + 1, (fitted, judged), note))
    return solved


def _whole(blocks: Sequence[int], repeats: Sequence[Sequence[int]], most: int = 1_000) -> Network:
    """A network on blocks; each block of each repeat judges in turn, ``most`` of them."""
    splits = [Split(tuple(sorted(b for b in repeat if b != k)), k) for repeat in repeats for k in repeat]
    # Of two folds one is left, and none to judge it: it judges itself.
    splits = [s if s.train else Split((s.judge,), s.judge) for s in splits]
    return Network(tuple(sorted(blocks)), tuple(splits[:most]))
