"""One run of a version, for small and large requests alike: network, intervals, and the message about a failure."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from artifact.errors import DataError, Fault
from artifact.predictor import Predictor
from artifact.rows.encoding import Encoded
from service.predict.policy import Policy
from service.watching.tap import Tap
from service.wire.errors import InvalidRequestError, ModelError

logger = logging.getLogger("bentoml.trueline")

Bound = npt.NDArray[np.float64]
Ends = npt.NDArray[np.floating]
Rows = npt.NDArray[np.bool_]

# Message for a row without a finite answer.
NO_ANSWER = "Expected values for which the model has a finite answer."


class Core:
    """Computes one version's answers to encoded rows.

    Args:
        predictor: the version.
        policy: how unusual values are answered. Defaults to a warning.
        tap: gets the answers. Defaults to a tap without watchers.

    Attributes:
        encoder: makes the encoded rows that :meth:`run` takes.
        usual_bound: :meth:`bound` at the model's default level.
    """

    def __init__(self, predictor: Predictor, *, policy: Policy = "warn", tap: Tap | None = None) -> None:
        self.predictor = predictor
        self.encoder = predictor.encoder
        self.policy: Policy = policy
        self.tap = Tap(()) if tap is None else tap
        self.usual_bound = predictor.bound()

    def __str__(self) -> str:
        return f"{self.predictor.model_name}:{self.predictor.model_version}"

    def bound(self, level: float | None) -> Bound:
        """The score at an interval level, see :meth:`Predictor.bound`.

        Raises:
            InvalidRequestError: the level is above that of the calibration.
        """
        try:
            return self.predictor.bound(level)
        except DataError as error:
            rule = str(error).partition(" Received:")[0]
            raise InvalidRequestError([Fault(None, "interval", rule, level, "range")]) from None

    def run(self, X: Encoded, bounds: Sequence[Bound], sizes: Sequence[int]) -> Ends:
        """Lower bound, value and upper bound of each row, float (3, n_samples, n_targets); see :func:`without_answer`.

        Args:
            X: the rows.
            bounds: results of :meth:`bound`: one for all rows, or one for each request.
            sizes: number of rows of each request.

        Raises:
            ModelError: the network failed, or answered another number of rows; the error's cause says how it failed.
        """
        predictor = self.predictor
        try:
            outputs = predictor.run(X.numeric, X.categorical)
            if len(outputs.value) != len(X):
                raise ModelError(f"Expected {len(X)} answers. Received: {len(outputs.value)}.")
            bound = predictor.row_bounds(bounds, sizes, X)
            # Rows with infinite outputs have no answer; NumPy need not warn of them in the log.
            with np.errstate(over="ignore", invalid="ignore"):
                return predictor.ends(outputs, bound)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError("The model failed on these rows.") from error


def without_answer(ends: Ends) -> Rows | None:
    """Which rows have no finite answer, bool (n_samples,), or None where all have one."""
    finite = np.isfinite(ends)
    if b"\0" not in finite.tobytes():  # faster than all() by a microsecond
        return None
    return np.asarray(~finite.all(axis=(0, 2)))


def log_failure(model: object, error: Exception) -> None:
    """Log why a model failed on a request.

    Args:
        model: the model; the line begins with its name.
        error: error of :meth:`Core.run`, or any other.
    """
    logger.error("%s failed on a request", model, exc_info=error.__cause__ or error)
