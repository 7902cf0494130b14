"""Least-squares systems of many sets of rows, from blocks of rows that are reduced once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
# Columns that differ by a smaller share than this count as collinear: float32 does not tell them apart.
COLLINEAR = 1e-6


def triangle(parts: Iterable[Float64]) -> Float64:
    """The triangle R of rows = QR, from one part of the rows at a time: float64 (width, width), filled up by zeros.

    Least squares needs nothing else of the rows: ``|rows @ v| == |R @ v|`` for each ``v``.
    """
    reduced: Float64 | None = None
    for part in parts:
        rows = part if reduced is None else np.concatenate([reduced, part])
        reduced = np.asarray(np.linalg.qr(rows, mode="r"), np.float64)
    if reduced is None:
        raise ValueError("Expected at least one part of rows. Received: none.")
    return np.pad(reduced, ((0, reduced.shape[1] - reduced.shape[0]), (0, 0)))


class Systems:
    """Systems side by side: one for each set of blocks.

    Args:
        blocks: triangles of the columns 1, features, targets; float64 (n_blocks, width, width).
        block_sets: the blocks whose rows each system has.
        n_targets: number of targets, the last columns of a block.

    Attributes:
        n: rows of each, float64 (n_systems, 1, 1).
        mean_x, mean_y: float64 (n_systems, n_columns) and (n_systems, n_targets).
        gram: products of the features, their means subtracted; float64 (n_systems, n_columns, n_columns).
        moment: products of features and targets, float64 (n_systems, n_columns, n_targets).
        total: squares of the targets, float64 (n_systems, n_targets).
    """

    def __init__(self, blocks: Float64, block_sets: Sequence[Sequence[int]], n_targets: int) -> None:
        self._blocks, self.block_sets, self.n_targets = blocks, [list(c) for c in block_sets], n_targets
        products = np.matmul(blocks.transpose(0, 2, 1), blocks)
        sums = np.stack([products[c].sum(axis=0) for c in self.block_sets])
        n = sums[:, 0, 0]
        means = sums[:, 0, 1:] / n[:, None]
        centred = sums[:, 1:, 1:] - n[:, None, None] * means[:, :, None] * means[:, None, :]
        p = self.n_columns = blocks.shape[2] - 1 - n_targets
        self.n = n[:, None, None]
        self.mean_x, self.mean_y = means[:, :p], means[:, p:]
        self.gram, self.moment = centred[:, :p, :p], centred[:, :p, p:]
        self.total = np.maximum(np.diagonal(centred[:, p:, p:], axis1=1, axis2=2), 0.0)
        # A constant column differs from its mean by rounding alone, which is no information.
        norms = np.sqrt(np.maximum(np.diagonal(sums[:, 1 : p + 1, 1 : p + 1], axis1=1, axis2=2), 0))
        constant = np.sqrt(np.maximum(np.diagonal(self.gram, axis1=1, axis2=2), 0)) <= COLLINEAR * norms
        self.gram = np.where(constant[:, :, None] | constant[:, None, :], 0.0, self.gram)
        self.moment = np.where(constant[:, :, None], 0.0, self.moment)

    def __len__(self) -> int:
        return len(self.block_sets)

    @cached_property
    def deviation(self) -> Float64:
        """Standard deviation of each column, 1 where it is constant; float64 (n_systems, n_columns)."""
        std = np.sqrt(np.diagonal(self.gram, axis1=1, axis2=2) / self.n[:, :, 0])
        return np.where(std > 0, std, 1.0)

    def least_squares(self, i: int, columns: npt.NDArray[np.intp] | None = None) -> Float64:
        """Weights of system ``i`` by its triangle, of least norm where columns are collinear: (n_columns, n_targets).

        Args:
            i: its number.
            columns: those that may have weights. Defaults to all.
        """
        rows = self._blocks[self.block_sets[i]].reshape(-1, self._blocks.shape[2])
        whole: Float64 = np.asarray(np.linalg.qr(rows, mode="r"), np.float64)
        # The first row holds the means; the rows below are those of centred columns.
        R, right = whole[1:, 1 : 1 + self.n_columns], whole[1:, 1 + self.n_columns :]
        places = np.arange(self.n_columns) if columns is None else columns
        weights = np.linalg.lstsq(R[:, places], right, rcond=COLLINEAR)[0]
        # A column that never varies gets a weight of exactly 0, not one made of rounding.
        varies = np.diagonal(self.gram[i])[places] > 0
        return np.asarray(np.where(varies[:, None], weights, 0.0))

    def intercepts(self, weights: Float64) -> Float64:
        """Intercepts (n_systems, ..., n_targets) of weights (n_systems, ..., n_columns, n_targets)."""
        return np.asarray(
            self.mean_y.reshape(len(self), *[1] * (weights.ndim - 3), -1)
            - np.einsum("ip,i...pt->i...t", self.mean_x, weights)
        )

    def error(
        self, block: int, weights: Float64, intercepts: Float64, columns: npt.NDArray[np.intp] | None = None
    ) -> Float64:
        """Mean squared error on a block's rows, mean over the targets.

        Args:
            block: its number.
            weights: float64 (n, n_columns, n_targets).
            intercepts: float64 (n, n_targets).
            columns: int (n, n_columns), the columns that have the weights. Defaults to all.
        """
        R, p = self._blocks[block], self.n_columns
        size = float(R[:, 0] @ R[:, 0]) * self.n_targets
        if columns is None:
            value = np.matmul(R[:, 1 : p + 1], weights)
        else:
            value = np.matmul(R[:, 1 : p + 1][:, columns].transpose(1, 0, 2), weights)
        residual = R[:, p + 1 :] - value - R[:, :1] * intercepts[:, None, :]
        return np.asarray(np.square(residual).sum(axis=(1, 2)) / size)
