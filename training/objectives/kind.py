"""What an objective is: one record, which everything that names, lists or asks about objectives reads.

Neither this file nor those that declare objectives import Keras or scikit-learn before they are used: a wrong table or
command is told at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from artifact.manifest import Metrics
    from artifact.runtimes import Outputs

Float64 = npt.NDArray[np.float64]


class ObjectiveSettings(Protocol):
    """What is read of :class:`training.settings.config.TrainConfig` whatever the objective.

    An objective that reads more says so in the settings that its own functions take.

    Attributes:
        objective: its name.
    """

    @property
    def objective(self) -> str: ...


class Takes(NamedTuple):
    """Target values that an objective takes.

    Attributes:
        words: for a sentence; empty for all.
        fits: which of the values it takes, float64 (n_samples,) -> bool (n_samples,).
    """

    words: str
    fits: Callable[[Float64], npt.NDArray[np.bool_]]


ANY = Takes("", np.isfinite)
NOT_NEGATIVE = Takes("0 or more", lambda y: y >= 0)
POSITIVE = Takes("above 0", lambda y: y > 0)
BINARY = Takes("0 or 1", lambda y: (y == 0) | (y == 1))


def squared(y: Float64, value: Float64, settings: Any) -> Float64:  # noqa: ARG001 - the errors share a signature
    """Error of each row whose mean's root is the RMSE."""
    return np.asarray(np.square(y - value))


def absolute(y: Float64, value: Float64, settings: Any) -> Float64:  # noqa: ARG001
    """Error of each row whose mean is the MAE."""
    return np.asarray(np.abs(y - value))


@dataclass(frozen=True, slots=True)
class Kind:
    """An objective as the rest of training sees it.

    Attributes:
        name: as ``--objective`` takes it.
        answers: what an answer is, in Markdown: ``the mean``.
        build: from resolved settings to the :class:`training.objectives.base.Objective`; it may import Keras.
        link: of :class:`artifact.layers.TargetScaling`.
        metric: the error by which networks and baselines are compared, by its name among the metrics.
        plain: the same in a sentence.
        shown: what is shown of each epoch, in words; a square root where it ends in ``RMSE``.
        rank: place in lists, low first. Defaults to 100.
        takes: target values it takes. Defaults to all.
        support: what values can be, or None for no end.
        plain_scale: targets are only divided by a scale, their zero stays: rates and 0/1. The line among the baselines
            is then :attr:`line`.
        in_unit: what is shown of each epoch is in the target's unit once it is multiplied by the target's scale.
        settings: names of the settings that say what an answer means, which a start from an earlier version keeps.
        row_errors: from what came true, a model's values and the settings, to the error of each value, whose mean
            is the metric, for ``rmse`` its square. Defaults to that of ``rmse`` or ``mae``.
        boosting: the loss of scikit-learn's boosted trees that is nearest; ``log_loss`` is a classifier's. Defaults to
            that of the metric.
        line: makes scikit-learn's generalised linear model of the same objective from the settings.
        of_values: metrics of any model that answers with a value, beside the one that compares: from what came true,
            the values and weights (or None), float64 (n_samples,) each.
        of_outputs: metrics of a network, which says more than values: from what came true less the offset, float64
            (n_samples,), its outputs, the target's number, weights (or None) and settings.
        judged: error of each row by all that a network says, (n_samples,): from outputs, what came true, float64
            (n_samples, n_targets), and settings; None where the outputs lack it. Defaults to the metric's.
    """

    name: str
    answers: str
    build: Callable[[Any], Any]
    link: str
    metric: str
    plain: str
    shown: str
    rank: int = 100
    takes: Takes = ANY
    support: tuple[float | None, float | None] = (None, None)
    plain_scale: bool = False
    in_unit: bool = False
    settings: tuple[str, ...] = ()
    row_errors: Callable[[Float64, Float64, Any], Float64] | None = None
    boosting: str = ""
    line: Callable[[Any], Any] | None = None
    of_values: Callable[[Float64, Float64, Float64 | None], Metrics] | None = None
    of_outputs: Callable[[Float64, Outputs, int, Float64 | None, Any], Metrics] | None = None
    judged: Callable[[Outputs, Float64, Any], Float64 | None] | None = None

    @property
    def by_median(self) -> bool:
        """Whether the best constant is the median, and not the mean."""
        return self.metric == "mae"

    @property
    def boosting_loss(self) -> str:
        """The loss of scikit-learn's boosted trees."""
        return self.boosting or ("absolute_error" if self.by_median else "squared_error")

    def errors(self, y: Float64, value: Float64, settings: Any) -> Float64:
        """Error of each value, whose mean is :attr:`metric`, for ``rmse`` its square; the shape of ``y``."""
        rule = self.row_errors or (absolute if self.by_median else squared)
        return rule(y, value, settings)
