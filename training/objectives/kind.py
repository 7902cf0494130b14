"""The record of an objective. All code that names or lists objectives, or asks about one, reads it.

 This file and those that declare objectives import Keras and scikit-learn only when they are used, so that an error in
a table or a command is reported at once.
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
    """The settings that every objective reads from :class:`training.settings.config.TrainConfig`.

    An objective that reads more settings declares a protocol of its own for them.

    Attributes:
        objective: its name.
    """

    @property
    def objective(self) -> str: ...


class Takes(NamedTuple):
    """Target values that an objective takes.

    Attributes:
        words: the values in words, for a sentence; empty for all values.
        fits: which of the values it takes, float64 (n_samples,) -> bool (n_samples,).
    """

    words: str
    fits: Callable[[Float64], npt.NDArray[np.bool_]]


class Constant(NamedTuple):
    """The constant that is best for an objective, where that is neither the mean nor the median.

    Attributes:
        name: as the baselines call it.
        of: function from true values, float64 (n_samples,), weights (n_samples,) or None, and settings to its value.
    """

    name: str
    of: Callable[[Float64, Float64 | None, Any], float]


ANY = Takes("", np.isfinite)
NOT_NEGATIVE = Takes("0 or more", lambda y: y >= 0)
POSITIVE = Takes("above 0", lambda y: y > 0)
BINARY = Takes("0 or 1", lambda y: (y == 0) | (y == 1))


def squared(y: Float64, value: Float64, settings: Any) -> Float64:  # noqa: ARG001 - the errors share a signature
    """Squared error of each row; the root of its mean is the RMSE."""
    return np.asarray(np.square(y - value))


def absolute(y: Float64, value: Float64, settings: Any) -> Float64:  # noqa: ARG001
    """Absolute error of each row; its mean is the MAE."""
    return np.asarray(np.abs(y - value))


@dataclass(frozen=True, slots=True)
class Kind:
    """An objective, with all that the rest of training needs to know of it.

    Attributes:
        name: as ``--objective`` takes it.
        answers: what an answer is, in Markdown: ``the mean``.
        build: function from resolved settings to the :class:`training.objectives.base.Objective`; it may import Keras.
        link: the link of :class:`artifact.layers.TargetScaling`.
        metric: the error by which networks and baselines are compared, by its name among the metrics. Two names say
            more: with ``rmse`` the root of the mean error is taken, and with ``mae`` the best constant is the median.
        plain: the same error in a sentence.
        shown: the error that is shown after each epoch, in words; for ``RMSE`` the root is taken.
        rank: place in lists, low first. Defaults to 100.
        takes: the target values that it takes. Defaults to all.
        support: the least and the largest possible answer; None: no bound.
        plain_scale: whether targets are only divided by a scale, so that 0 stays 0: rates and 0/1.
        in_unit: whether the shown error, times the target's scale, is in the target's unit.
        settings: names of the settings that say what an answer means, which a start from an earlier version keeps.
        row_errors: function of the true values, a model's values and the settings: the error of each value. Its mean is
            the metric, or for ``rmse`` the metric's square. Defaults to that of ``rmse`` or ``mae``.
        boosting: name of the nearest loss of scikit-learn's boosted trees; ``log_loss`` is the loss of a classifier. Or
            a function from settings to a loss of the objective's own; the trees of a mix then take this loss, too.
            Defaults to the loss of the metric.
        constant: the best constant, which the verdict compares with. Defaults to the median where :attr:`metric` is
            ``mae``, and to the mean elsewhere.
        line: makes a linear model of the same objective from the settings, such as scikit-learn's generalised linear
            models. It is the baseline ``glm``, in place of ridge, lasso and elastic net. Defaults to these.
        of_values: further metrics of any model that answers with a value: function of the true values, the answers and
            weights (or None), float64 (n_samples,) each.
        of_outputs: further metrics of a network, which has more outputs than values: function of the true values less
            the offset, float64 (n_samples,), its outputs, the target's number, weights (or None) and settings.
        own_errors: error of each value by all outputs of a network, at least 0, whose mean can be compared as a ratio:
            function of outputs, true values less the offset, float64 (n_samples, n_targets), and settings, to the same
            shape; None where the outputs lack what it needs. :attr:`shown` names it. Defaults to the metric's.
        judged: error of each row by all outputs of a network, (n_samples,): function of outputs, true values, float64
            (n_samples, n_targets), and settings; None where the outputs lack what it needs. Defaults to the metric's.
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
    boosting: str | Callable[[Any], Any] = ""
    constant: Constant | None = None
    line: Callable[[Any], Any] | None = None
    of_values: Callable[[Float64, Float64, Float64 | None], Metrics] | None = None
    of_outputs: Callable[[Float64, Outputs, int, Float64 | None, Any], Metrics] | None = None
    own_errors: Callable[[Outputs, Float64, Any], Float64 | None] | None = None
    judged: Callable[[Outputs, Float64, Any], Float64 | None] | None = None

    @property
    def by_median(self) -> bool:
        """Whether answers are compared by their absolute errors, for which the median is the best constant."""
        return self.metric == "mae"

    def boosting_loss(self, settings: Any) -> Any:
        """The loss of scikit-learn's boosted trees: its name there, or an object."""
        if callable(self.boosting):
            return self.boosting(settings)
        return self.boosting or ("absolute_error" if self.by_median else "squared_error")

    @property
    def judged_by(self) -> str:
        """The error of all outputs of a network, in a sentence; without :attr:`judged` it is that of the values."""
        return self.plain if self.judged is None else self.shown

    @property
    def constant_name(self) -> str:
        """The best constant, as the baselines call it."""
        if self.constant is not None:
            return self.constant.name
        return "median" if self.by_median else "mean"

    def best_constant(self, y: Float64, weight: Float64 | None, settings: Any) -> Float64:
        """The best constant for each target, float64 (n_targets,). A median is computed as if all weights were equal.

        Args:
            y: float64 (n_samples, n_targets).
            weight: float64 (n_samples,), each row's weight, or None.
            settings: settings of the training.
        """
        if self.constant is not None:
            return np.array([self.constant.of(column, weight, settings) for column in y.T])
        return np.asarray(np.median(y, axis=0) if self.by_median else np.average(y, axis=0, weights=weight))

    def errors(self, y: Float64, value: Float64, settings: Any) -> Float64:
        """Error of each value, in the shape of ``y``. Its mean is :attr:`metric`; for ``rmse``, the metric's square."""
        rule = self.row_errors or (absolute if self.by_median else squared)
        return rule(y, value, settings)
