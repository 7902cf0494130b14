"""Split conformal intervals: fitted by training on rows that nothing else has seen, applied by the predictor."""

from __future__ import annotations

import itertools
import math
from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from artifact.errors import ArtifactError, DataError

DEFAULT_LEVEL = 0.9
# More than this many scores are thinned: 4,096 ranks place any level within 0.025 points.
MAX_SCORES = 4096
# Lower bound, value, upper bound. What is added to a value is -0.0: it keeps the sign of a zero.
_SIDES = np.array([-1.0, -0.0, 1.0], np.float32)


class Interval(NamedTuple):
    """Lower and upper bound, each float (n_samples, n_targets)."""

    lower: npt.NDArray[np.floating]
    upper: npt.NDArray[np.floating]


class Calibration(BaseModel):
    """Sorted conformal scores of each target.

    A score is ``|y - value| / spread`` on a calibration row. The bound at a level is the score of rank
    ``ceil((n + 1) * level)``, which covers a new exchangeable row with at least that probability (Vovk et al. 2005;
    with a predicted spread: Lei et al. 2018).

    Attributes:
        method: ``scaled`` where the network predicts a spread, ``constant`` where the width is the same for all rows.
        n_samples: calibration rows.
        scores: for each target the scores in ascending order, all or (``ranks``) some of them.
        ranks: 1-based rank of each stored score among ``n_samples``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["scaled", "constant"]
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
    def fit(
        cls,
        y: npt.NDArray[np.floating],
        value: npt.NDArray[np.floating],
        spread: npt.NDArray[np.floating] | None = None,
    ) -> Self:
        """Calibrate on held-out rows.

        Args:
            y: float (n_samples, n_targets), what came true.
            value: float (n_samples, n_targets), what the network answered.
            spread: float (n_samples, n_targets), above 0, the scale of each answer; None for constant width.
        """
        residuals = np.abs(np.asarray(y, np.float64) - np.asarray(value, np.float64))
        scores = residuals if spread is None else residuals / np.asarray(spread, np.float64)
        n = len(scores)
        ranks = np.unique(np.linspace(1, n, min(n, MAX_SCORES)).round().astype(int))
        ordered = np.sort(scores, axis=0)[ranks - 1]
        return cls(
            method="constant" if spread is None else "scaled",
            n_samples=n,
            ranks=tuple(int(r) for r in ranks),
            scores=tuple(tuple(float(s) for s in column) for column in ordered.T),
        )

    @property
    def max_level(self) -> float:
        """The highest level that these many calibration rows can promise: n / (n + 1)."""
        return self.n_samples / (self.n_samples + 1)

    def bound(self, level: float) -> npt.NDArray[np.float64]:
        """Score at ``level`` for each target, float64 (n_targets,).

        Raises:
            DataError: a level outside (0, 1), or above what the calibration rows can promise.
        """
        if not 0 < level < 1:
            raise DataError(f"Expected 'interval' in (0, 1). Received: interval={level}.")
        # 0.9 * 10 is 9.000000000000002 in floats when written (n + 1) * level for some n: shave the dust first.
        rank = math.ceil(round((self.n_samples + 1) * level, 9))
        if rank > self.n_samples:
            # Rounded down: the level in the message must itself be one that can be promised.
            most = math.floor(self.max_level * 1e6) / 1e6
            raise DataError(
                f"Expected 'interval' of at most {most}, for {self.n_samples} calibration rows. "
                f"Received: interval={level}."
            )
        # The stored rank at or above: wider, never narrower, than asked.
        at = int(np.searchsorted(self.ranks, rank))
        return np.array([scores[at] for scores in self.scores])

    def interval(
        self, value: npt.NDArray[np.floating], spread: npt.NDArray[np.floating] | None, bound: npt.NDArray[np.floating]
    ) -> Interval:
        """Lower and upper bound of each answer, in the dtype of ``value``.

        Raises:
            ArtifactError: the method is ``scaled`` and there is no spread.

        Args:
            value: float (n_samples, n_targets).
            spread: float (n_samples, n_targets), or None where the method is ``constant``.
            bound: (n_targets,), from :meth:`bound`.
        """
        width = bound.astype(value.dtype, copy=False)
        if self.method == "scaled":
            width = width * _known(spread).astype(value.dtype, copy=False)
        return Interval(value - width, value + width)

    def ends(
        self, value: npt.NDArray[np.floating], spread: npt.NDArray[np.floating] | None, bound: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.floating]:
        """Lower bound, value and upper bound in one array, float (n_samples, n_targets, 3).

        The same numbers as :meth:`interval` gives, for few rows: there every NumPy call costs more than its numbers.

        Raises:
            ArtifactError: as :meth:`interval`.
        """
        width = bound.astype(value.dtype, copy=False)[..., None] * _SIDES
        if self.method == "scaled":
            width = width * _known(spread).astype(value.dtype, copy=False)[:, :, None]
        return value[:, :, None] + width


def _known(spread: npt.NDArray[np.floating] | None) -> npt.NDArray[np.floating]:
    if spread is None:
        raise ArtifactError("Expected a spread from a network with scaled intervals. Received: none.")
    return spread
