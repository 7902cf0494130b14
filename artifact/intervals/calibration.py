"""Conformal intervals: fitted by training on rows that nothing else has seen, applied by the predictor."""

from __future__ import annotations

from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from artifact.errors import ArtifactError
from artifact.intervals.quantiles import heads_at, position
from artifact.intervals.scores import MAX_SCORES, Scores

__all__ = ["DEFAULT_LEVEL", "MAX_SCORES", "Calibration", "GroupScores", "Grouping", "Interval"]

DEFAULT_LEVEL = 0.9
# A group of fewer rows takes the scores of all rows: its own 90% bound would vary too much from table to table.
MIN_GROUP_ROWS = 50
# Lower bound, value and upper bound are the value plus the width times these. The value gets -0.0 added, which keeps
# the sign of a zero.
_SIDES = np.array([-1.0, -0.0, 1.0], np.float32)[:, None, None]

Floats = npt.NDArray[np.floating]


class Interval(NamedTuple):
    """Lower and upper bound, each float (n_samples, n_targets)."""

    lower: npt.NDArray[np.floating]
    upper: npt.NDArray[np.floating]


class Grouping(NamedTuple):
    """Which group each calibration row is in.

    Attributes:
        column: index of the encoded categorical column that gives the group.
        n_codes: number of that column's codes.
        codes: int32 (n_samples,).
    """

    column: int
    n_codes: int
    codes: npt.NDArray[np.int32]


class GroupScores(BaseModel):
    """Scores of each group with enough rows (Mondrian conformal prediction, Vovk et al. 2005).

    Attributes:
        column: index of the encoded categorical column that gives the group.
        n_codes: number of that column's codes.
        scores: scores by code; a group that is not here takes the scores of all rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: int = Field(ge=0)
    n_codes: int = Field(ge=1)
    scores: dict[int, Scores]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(not 0 <= code < self.n_codes for code in self.scores):
            raise ValueError(f"Expected codes of groups from 0 to {self.n_codes - 1}.")
        return self


class Calibration(Scores):
    """Sorted conformal scores of each target, and how they become an interval.

    A score says how far off the answer to a calibration row was: ``|y - value| / spread`` where the network predicts a
    spread (Lei et al. 2018), ``|y - value|`` where it does not, and with quantile heads the place of
    ``y`` among them, see :func:`artifact.intervals.quantiles.position`.

    Attributes:
        method: ``scaled`` where the network predicts a spread, ``quantile`` where it predicts quantiles, ``constant``
            where the width is the same for all rows.
        support: lowest and highest possible value, to which ends of intervals are clipped; None for no limit.
        groups: scores by group, or None.
    """

    method: Literal["scaled", "constant", "quantile"]
    support: tuple[float | None, float | None] = (None, None)
    groups: GroupScores | None = None

    @classmethod
    def fit(
        cls,
        y: Floats,
        value: Floats,
        spread: Floats | None = None,
        quantiles: Floats | None = None,
        *,
        weight: npt.NDArray[np.float64] | None = None,
        grouping: Grouping | None = None,
        support: tuple[float | None, float | None] = (None, None),
    ) -> Self:
        """Calibrate on held-out rows.

        Args:
            y: float (n_samples, n_targets), the true values.
            value: float (n_samples, n_targets), the network's answers.
            spread: float (n_samples, n_targets) above 0, or None for intervals of constant width. Defaults to None.
            quantiles: float (n_samples, n_targets, n_quantiles) ascending, or None. Defaults to None.
            weight: float64 (n_samples,), weight of each row, or None. Defaults to None.
            grouping: which group each row is in, or None. Defaults to None.
            support: see above. Defaults to no limits.
        """
        residuals = np.asarray(y, np.float64) - np.asarray(value, np.float64)
        method: Literal["scaled", "constant", "quantile"]
        if quantiles is not None:
            method, scores = "quantile", position(residuals, quantiles)
        elif spread is not None:
            method, scores = "scaled", np.abs(residuals) / np.asarray(spread, np.float64)
        else:
            method, scores = "constant", np.abs(residuals)
        groups = None if grouping is None else _by_group(scores, weight, grouping)
        return cls(**Scores.of(scores, weight).model_dump(), method=method, support=support, groups=groups)

    def bound(self, level: float) -> npt.NDArray[np.float64]:
        """Score at ``level``, float64 (n_targets,); with groups, a row for each of them: (n_codes, n_targets).

        A group that has too few rows to promise the level takes the score of all rows.

        Raises:
            DataError: a level outside (0, 1), or above what the calibration rows can promise.
        """
        pooled = super().bound(level)
        if self.groups is None:
            return pooled
        bounds = np.repeat(pooled[None], self.groups.n_codes, axis=0)
        for code, scores in self.groups.scores.items():
            if scores.rank(level) <= scores.n_samples:
                bounds[code] = scores.bound(level)
        return bounds

    def of_rows(self, bound: npt.NDArray[np.float64], categorical: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """A bound as :meth:`interval` takes it: that of each row's group, or one for all rows.

        Args:
            bound: a result of :meth:`bound`.
            categorical: int32 (n_samples, n_categorical), the rows' codes.
        """
        return bound if self.groups is None else bound[categorical[:, self.groups.column]]

    def interval(
        self, value: Floats, spread: Floats | None, bound: npt.NDArray[np.floating], quantiles: Floats | None = None
    ) -> Interval:
        """Lower and upper bound of each answer, in the dtype of ``value``.

        Raises:
            ArtifactError: the method needs a spread or quantiles, and the network gave none.

        Args:
            value: float (n_samples, n_targets).
            spread: float (n_samples, n_targets), or None where the method does not need it.
            bound: (n_targets,) or (n_samples, n_targets), from :meth:`of_rows`.
            quantiles: float (n_samples, n_targets, n_quantiles), or None where it does not need them. Defaults to None.
        """
        if self.method == "quantile":
            below, above = heads_at(bound, _required(quantiles, "quantiles"), value.dtype)
            return self._within(value + below, value + above)
        width = bound.astype(value.dtype, copy=False)
        if self.method == "scaled":
            width = width * _required(spread, "a spread").astype(value.dtype, copy=False)
        return self._within(value - width, value + width)

    def ends(
        self, value: Floats, spread: Floats | None, bound: npt.NDArray[np.floating], quantiles: Floats | None = None
    ) -> Floats:
        """Lower bound, value and upper bound in one array, float (3, n_samples, n_targets).

        The same numbers as :meth:`interval` gives, in fewer calls of NumPy: for few rows the calls cost most.

        Raises:
            ArtifactError: as :meth:`interval`.
        """
        if self.method == "quantile":
            lower, upper = self.interval(value, None, bound, quantiles)
            return np.stack([lower, value, upper])
        width = bound.astype(value.dtype, copy=False) * _SIDES
        if self.method == "scaled":
            width = width * _required(spread, "a spread").astype(value.dtype, copy=False)
        ends: Floats = value + width
        return ends if self.support == (None, None) else np.clip(ends, *self.support)

    def _within(self, lower: Floats, upper: Floats) -> Interval:
        if self.support == (None, None):
            return Interval(lower, upper)
        return Interval(np.clip(lower, *self.support), np.clip(upper, *self.support))


def _by_group(
    scores: npt.NDArray[np.float64], weight: npt.NDArray[np.float64] | None, grouping: Grouping
) -> GroupScores:
    scores_of = {}
    for code in range(grouping.n_codes):
        rows = np.flatnonzero(grouping.codes == code)
        n_rows = len(rows) if weight is None else np.count_nonzero(weight[rows])
        if n_rows >= MIN_GROUP_ROWS:
            scores_of[code] = Scores.of(scores[rows], None if weight is None else weight[rows])
    return GroupScores(column=grouping.column, n_codes=grouping.n_codes, scores=scores_of)


def _required(outputs: Floats | None, name: str) -> Floats:
    if outputs is None:
        raise ArtifactError(f"Expected {name} from a network with intervals that adapt. Received: none.")
    return outputs
