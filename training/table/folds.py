"""Folds: which rows train each network, and which rows it never sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from training.table.split import Indices, Parts, group_codes


class Fold(NamedTuple):
    """The rows of one network.

    Attributes:
        train: rows that fit its weights.
        validation: rows that choose its epoch; in cross-validation they measure and calibrate as well.
    """

    train: Indices
    validation: Indices


def all_rows(n_rows: int) -> Fold:
    """The fold of a network that trains on every row, after the plan's networks were measured.

    Args:
        n_rows: number of the table's rows.
    """
    return Fold(np.arange(n_rows), np.zeros(0, np.int64))


class Plan(NamedTuple):
    """The rows of all networks.

    Attributes:
        folds: the rows of each network.
        repeats: how many times the folds cover every row; 0 if rows are held out instead.
        parts: training and held-out rows; None in cross-validation.
    """

    folds: tuple[Fold, ...]
    repeats: int
    parts: Parts | None

    @classmethod
    def held_out(cls, parts: Parts, networks: int = 1) -> Plan:
        """A plan of networks that share their training rows; other rows only measure and calibrate."""
        return cls((Fold(parts.train, parts.validation),) * networks, 0, parts)

    @property
    def per_cut(self) -> int:
        """Number of networks of one repeat, whose folds cover every row once; 0 where rows are held out."""
        return len(self.folds) // self.repeats if self.repeats else 0

    @property
    def first_cut(self) -> tuple[Fold, ...]:
        """The folds of the first repeat; where rows are held out, the fold of one network."""
        return self.folds[: self.per_cut or 1]

    def seen_rows(self) -> Indices:
        """Every row that some network sees; preprocessing takes its statistics from these rows."""
        return np.unique(np.concatenate([np.concatenate(fold) for fold in self.folds]))

    def sizes(self) -> dict[str, int]:
        """Numbers of rows by their use, for the lineage."""
        if self.parts is not None:
            return self.parts.sizes()
        rows = len(self.seen_rows())
        return {"train": rows, "out_of_fold": rows, "folds": self.per_cut, "repeats": self.repeats}


def cross_validation(
    n_rows: int, n_folds: int, repeats: int, seed: int, groups: pl.Series | None = None, *, alike: int = 1
) -> Plan:
    """Networks that each leave out one fold; every row is left out once in each repeat.

    Args:
        n_rows: number of the table's rows.
        n_folds: number of folds, at least 2.
        repeats: number of repeats, at least 1; each cuts the rows in another way.
        seed: seed of the cuts.
        groups: each row's group: rows of one group lie in one fold. Rows without a group form one. Defaults to None.
        alike: number of successive repeats that share a cut. Defaults to 1.

    Raises:
        DataError: fewer groups than folds.
    """
    codes = np.arange(n_rows, dtype=np.int64)
    if groups is not None:
        codes = group_codes(groups)
    counts = np.bincount(codes)
    if len(counts) < n_folds:
        what = f"groups in '{groups.name}'" if groups is not None else "rows"
        raise DataError(
            f"Expected at least {n_folds} {what} for {n_folds} folds. Received: {len(counts)}. "
            "Set fewer folds: --set folds=N."
        )
    rng = np.random.default_rng(seed)
    folds: list[Fold] = []
    for repeat in range(repeats):
        if repeat % alike:
            folds += folds[-n_folds:]
            continue
        fold_of = _balanced(counts, n_folds, rng)[codes]
        folds += [
            Fold(np.flatnonzero(fold_of != k).astype(np.int64), np.flatnonzero(fold_of == k).astype(np.int64))
            for k in range(n_folds)
        ]
    return Plan(tuple(folds), repeats, None)


def _balanced(counts: npt.NDArray[np.int64], n_folds: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A fold for each group, so that all folds have nearly the same number of rows."""
    fold_of = np.zeros(len(counts), np.int64)
    shuffled = rng.permutation(len(counts))
    if counts.max() == 1:
        fold_of[shuffled] = np.arange(len(counts)) % n_folds
        return fold_of
    sizes = np.zeros(n_folds, np.int64)
    # Large groups come first; each goes into the fold with the fewest rows.
    for group in shuffled[np.argsort(-counts[shuffled], kind="stable")]:
        smallest = int(sizes.argmin())
        fold_of[group] = smallest
        sizes[smallest] += counts[group]
    return fold_of


def left_out(folds: Sequence[Fold], repeats: int = 1) -> Indices:
    """Every row that the folds of one repeat leave out, ascending."""
    return np.sort(np.concatenate([fold.validation for fold in folds[: len(folds) // repeats]]))
