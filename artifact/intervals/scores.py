"""Sorted conformal scores, and the score that a level asks for."""

from __future__ import annotations

import itertools
import math
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from artifact.errors import DataError

# More than this many scores are thinned: 4,096 ranks place any level within 0.025 points.
MAX_SCORES = 4096


class Scores(BaseModel):
    """Conformal scores of each target, in ascending order.

    The bound at a level is the score of rank ``ceil((n + 1) * level)``, which covers a new exchangeable row with at
    least that probability (Vovk et al. 2005).

    Attributes:
        n_samples: number of calibration rows; with weights, their effective number, see :meth:`of`.
        ranks: 1-based rank of each stored score among ``n_samples``.
        scores: for each target its scores of these ranks, in ascending order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_samples: int = Field(ge=1)
    ranks: tuple[int, ...]
    scores: tuple[tuple[float, ...], ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(b <= a for a, b in itertools.pairwise((0, *self.ranks))) or self.ranks[-1:] != (self.n_samples,):
            raise ValueError(f"Expected ascending ranks from at least 1 to {self.n_samples}.")
        for scores in self.scores:
            if len(scores) != len(self.ranks) or any(b < a for a, b in itertools.pairwise(scores)):
                raise ValueError("Expected as many scores as ranks, in ascending order.")
            if any(not math.isfinite(s) or s < 0 for s in scores):
                raise ValueError("Expected finite scores of at least 0.")
        return self

    @classmethod
    def of(cls, scores: npt.NDArray[np.float64], weight: npt.NDArray[np.float64] | None = None) -> Scores:
        """Sort and thin scores.

        With weights a rank counts weight instead of rows (Tibshirani et al. 2019). The weights are scaled such that
        they sum to Kish's effective number of rows, (sum w)^2 / sum w^2. A new row then counts 1, the mean weight of
        the weighted population.

        Args:
            scores: (n_samples, n_targets), at least 0.
            weight: (n_samples,), at least 0 and not all 0; None for equal ones. Defaults to None.
        """
        n = len(scores)
        if weight is not None:
            n = max(1, math.floor(round(float(weight.sum() ** 2 / np.square(weight).sum()), 9)))
        ranks = np.unique(np.linspace(1, n, min(n, MAX_SCORES)).round().astype(int))
        if weight is None:
            thinned = np.sort(scores, axis=0)[ranks - 1]
        else:
            order = np.argsort(scores, axis=0, kind="stable")
            # A tiny amount is added: a sum of floats may end just below the whole number that it should reach.
            reached = np.cumsum(weight[order], axis=0) * (n / weight.sum()) + 1e-9 * n
            places = [np.minimum(np.searchsorted(column, ranks), len(scores) - 1) for column in reached.T]
            thinned = np.stack([scores[order[i, j], j] for j, i in enumerate(places)], axis=1)
        return Scores(
            n_samples=n,
            ranks=tuple(int(r) for r in ranks),
            scores=tuple(tuple(float(s) for s in column) for column in thinned.T),
        )

    @property
    def max_level(self) -> float:
        """The highest level that these many calibration rows can promise: n / (n + 1)."""
        return self.n_samples / (self.n_samples + 1)

    def rank(self, level: float) -> int:
        """Rank of the score at ``level``; above ``n_samples`` where the rows cannot promise it."""
        # In floats, (n + 1) * level may be 9.000000000000002 where it should be 9: round before ceil.
        return math.ceil(round((self.n_samples + 1) * level, 9))

    def bound(self, level: float) -> npt.NDArray[np.float64]:
        """Score at ``level`` for each target, float64 (n_targets,).

        Raises:
            DataError: a level outside (0, 1), or above what the calibration rows can promise.
        """
        if not 0 < level < 1:
            raise DataError(f"Expected 'interval' in (0, 1). Received: interval={level}.")
        rank = self.rank(level)
        if rank > self.n_samples:
            # Rounded down, so that the rows can promise the level that the message names.
            most = math.floor(self.max_level * 1e6) / 1e6
            raise DataError(
                f"Expected 'interval' of at most {most}, for {self.n_samples} calibration rows. "
                f"Received: interval={level}."
            )
        # Take the next stored rank at or above the wanted one, so that an interval is never too narrow.
        at = int(np.searchsorted(self.ranks, rank))
        return np.array([scores[at] for scores in self.scores])
