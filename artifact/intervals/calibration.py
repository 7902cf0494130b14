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
# A group of fewer rows is calibrated by all of them: its own 90% bound would vary too much from table to table.
MIN_GROUP_ROWS = 50
# Lower bound, value, upper bound. What is added to a value is -0.0: it keeps the sign of a zero.
_SIDES = np.array([-1.0, -0.0, 1.0], np.float32)[:, None, None]

Floats = npt.NDArray[np.floating]


class Interval(NamedTuple):
    """Lower and upper bound, each float (n_samples, n_targets)."""

    lower: npt.NDArray[np.floating]
    upper: npt.NDArray[np.floating]


class Grouping(NamedTuple):
    """Which group each calibration row is in.

    Attributes:
        column: of the encoded categories.
        n_codes: of that column.
        codes: int32 (n_samples,).
    """

    column: int
    n_codes: int
    codes: npt.NDArray[np.int32]


class GroupScores(BaseModel):
    """Scores of each group with enough rows (Mondrian conformal prediction, Vovk et al. 2005).

    Attributes:
        column: of the encoded categories that tells the group.
        n_codes: of that column.
        scores: by code; a group that is not here takes the scores of all rows.
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

    A score is how far off a calibration row's answer was, by its own measure: ``|y - value| / spread`` where the
    network predicts a spread (Lei et al. 2018), ``|y - value|`` where it does not, and with quantile heads the place of
    ``y`` among them, see :func:`artifact.intervals.quantiles.position`.

    Attributes:
        method: ``scaled`` where the network predicts a spread, ``quantile`` where it predicts quantiles, ``constant``
            where the width is the same for all rows.
        support: what values can be, ends of an interval are kept within it; None for no end.
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
            y: float (n_samples, n_targets), what came true.
            value: float (n_samples, n_targets), what the network answered.
            spread: float (n_samples, n_targets) above 0, or None for intervals of constant width. Defaults to None.
            quantiles: float (n_samples, n_targets, n_quantiles) ascending, or None. Defaults to None.
            weight: float64 (n_samples,) of each row, or None. Defaults to None.
            grouping: which group each row is in, or None. Defaults to None.
            support: see above. Defaults to no ends.
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
        """Score at ``level``, float64 (n_targets,); of each group where there are any, (n_codes, n_targets).

        A group that has too few rows to promise the level takes the score of all rows.

        Raises:
            DataError: a level outside (0, 1), or above what the calibration rows can promise.
        """
        pooled = super().bound(level)
        if self.groups is None:
            return pooled
        found = np.repeat(pooled[None], self.groups.n_codes, axis=0)
        for code, scores in self.groups.scores.items():
            if scores.rank(level) <= scores.n_samples:
                found[code] = scores.bound(level)
        return found

    def of_rows(self, bound: npt.NDArray[np.float64], categorical: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """A bound as :meth:`interval` takes it: of each row's group, or the same for all.

        Args:
            bound: from :meth:`bound`.
            categorical: int32 (n_samples, n_categorical), the rows' codes.
        """
        return bound if self.groups is None else bound[categorical[:, self.groups.column]]

    def interval(
        self, value: Floats, spread: Floats | None, bound: npt.NDArray[np.floating], quantiles: Floats | None = None
    ) -> Interval:
        """Lower and upper bound of each answer, in the dtype of ``value``.

        Raises:
            ArtifactError: there is no spread, or there are no quantiles, where the method asks for them.

        Args:
            value: float (n_samples, n_targets).
            spread: float (n_samples, n_targets), or None where the method does not ask for it.
            bound: (n_targets,) or (n_samples, n_targets), from :meth:`of_rows`.
            quantiles: float (n_samples, n_targets, n_quantiles), or None likewise. Defaults to None.
        """
        if self.method == "quantile":
            below, above = heads_at(bound, _known(quantiles, "quantiles"), value.dtype)
            return self._within(value + below, value + above)
        width = bound.astype(value.dtype, copy=False)
        if self.method == "scaled":
            width = width * _known(spread, "a spread").astype(value.dtype, copy=False)
        return self._within(value - width, value + width)

    def ends(
        self, value: Floats, spread: Floats | None, bound: npt.NDArray[np.floating], quantiles: Floats | None = None
    ) -> Floats:
        """Lower bound, value and upper bound in one array, float (3, n_samples, n_targets).

        The same numbers as :meth:`interval` gives, in fewer calls of NumPy: for few rows they cost more than numbers.

        Raises:
            ArtifactError: as :meth:`interval`.
        """
        if self.method == "quantile":
            lower, upper = self.interval(value, None, bound, quantiles)
            return np.stack([lower, value, upper])
        width = bound.astype(value.dtype, copy=False) * _SIDES
        if self.method == "scaled":
            width = width * _known(spread, "a spread").astype(value.dtype, copy=False)
        found: Floats = value + width
        return found if self.support == (None, None) else np.clip(found, *self.support)

    def _within(self, lower: Floats, upper: Floats) -> Interval:
        if self.support == (None, None):
            return Interval(lower, upper)
        return Interval(np.clip(lower, *self.support), np.clip(upper, *self.support))


def _by_group(
    scores: npt.NDArray[np.float64], weight: npt.NDArray[np.float64] | None, grouping: Grouping
) -> GroupScores:
    found = {}
    for code in range(grouping.n_codes):
        rows = np.flatnonzero(grouping.codes == code)
        counted = len(rows) if weight is None else np.count_nonzero(weight[rows])
        if counted >= MIN_GROUP_ROWS:
            found[code] = Scores.of(scores[rows], None if weight is None else weight[rows])
    return GroupScores(column=grouping.column, n_codes=grouping.n_codes, scores=found)


def _known(outputs: Floats | None, what: str) -> Floats:
    if outputs is None:
        raise ArtifactError(f"Expected {what} from a network with intervals that adapt. Received: none.")
    return outputs
