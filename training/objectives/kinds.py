"""What each objective asks of a target and promises of an answer. No Keras here: a wrong table is told at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from artifact.errors import DataError

Float64 = npt.NDArray[np.float64]
Name = Literal["mse", "mae", "huber", "quantile", "gaussian", "poisson", "gamma", "tweedie", "logistic"]


class ObjectiveSettings(Protocol):
    """What objectives read of :class:`training.settings.config.TrainConfig`.

    Attributes:
        objective: its name.
        row_weight: ``spread`` where rows of small spread count more; all else: rows count the same.
        huber_delta: where the Huber loss turns from squares to a line, in standard deviations.
        quantiles: levels in (0, 1), ascending.
        tweedie_power: in (1, 2).
    """

    @property
    def objective(self) -> str: ...

    @property
    def row_weight(self) -> str | None: ...

    @property
    def huber_delta(self) -> float: ...

    @property
    def quantiles(self) -> tuple[float, ...]: ...

    @property
    def tweedie_power(self) -> float: ...


class Kind(NamedTuple):
    """An objective as the rest of training sees it.

    Attributes:
        link: of :class:`artifact.layers.TargetScaling`.
        metric: the error by which networks and baselines are compared, by its name among the metrics.
        plain: the same in a sentence.
        shown: what is shown of each epoch, in words; a square root where it ends in ``RMSE``.
        takes: target values it takes, in words; empty for all.
        support: what values can be, or None for no end.
        plain_scale: targets are only divided by a scale, their zero stays: rates and 0/1.
        in_unit: what is shown of each epoch is in the target's unit once it is multiplied by the target's scale.
    """

    link: str
    metric: str
    plain: str
    shown: str
    takes: str = ""
    support: tuple[float | None, float | None] = (None, None)
    plain_scale: bool = False
    in_unit: bool = False


_RATE = (0.0, None)
KINDS: dict[str, Kind] = {
    "mse": Kind("identity", "rmse", "RMSE", "RMSE", in_unit=True),
    "mae": Kind("identity", "mae", "MAE", "MAE", in_unit=True),
    "huber": Kind("identity", "mae", "MAE", "Huber loss"),
    "quantile": Kind("quantile", "mae", "MAE", "pinball loss", in_unit=True),
    "gaussian": Kind("normal", "rmse", "RMSE", "negative log-likelihood"),
    "poisson": Kind("log", "mean_poisson_deviance", "Poisson deviance", "deviance", "0 or more", _RATE, True),
    "gamma": Kind("log", "mean_gamma_deviance", "gamma deviance", "deviance", "above 0", _RATE, True),
    "tweedie": Kind("log", "mean_tweedie_deviance", "Tweedie deviance", "deviance", "0 or more", _RATE, True),
    "logistic": Kind("logistic", "log_loss", "log loss", "log loss", "0 or 1", (0.0, 1.0), True),
}


def told_in_unit(
    progress: Callable[[int, int, float], None] | None, objective: str, scale: Float64
) -> Callable[[int, int, float], None] | None:
    """What is called after each epoch, so that it is told the error of one target in the target's unit.

    Args:
        progress: as :func:`training.fit.fit` takes it.
        objective: its name.
        scale: float64 (n_targets,), what divided the targets before they were learnt.
    """
    if progress is None or not KINDS[objective].in_unit or len(scale) != 1:
        return progress
    told, factor = progress, float(scale[0])
    return lambda epoch, epochs, error: told(epoch, epochs, error * factor)


def check_target(objective: str, name: str, y: Float64) -> None:
    """Refuse a target that the objective does not take.

    Args:
        objective: its name.
        name: of the target.
        y: float64 (n_samples,), its values.

    Raises:
        DataError: a value outside what the objective takes; the message has the first.
    """
    bad = y[~takes(objective, y)]
    if len(bad):
        raise refused_target(objective, name, float(bad[0]), len(bad), len(y))
    if objective in ("poisson", "tweedie") and not y.any():
        raise DataError(f"Expected '{name}' to be above 0 in some row. Received: 0 in each of {len(y)} rows.")


def takes(objective: str, y: Float64) -> npt.NDArray[np.bool_]:
    """Which values of a target the objective takes, bool (n_samples,)."""
    words = KINDS[objective].takes
    fits: dict[str, npt.NDArray[np.bool_]] = {
        "": np.isfinite(y),
        "0 or more": y >= 0,
        "above 0": y > 0,
        "0 or 1": (y == 0) | (y == 1),
    }
    return fits[words]


def refused_target(objective: str, name: str, first: float, count: int, n_rows: int) -> DataError:
    """The error about values that the objective does not take, of which ``first`` is one of ``count``."""
    return DataError(
        f"Expected '{name}' to be {KINDS[objective].takes} in each row for objective '{objective}'. "
        f"Received: {first:g}, in {count} of {n_rows} rows. "
        "Leave these rows out, or take another --objective: mse takes all."
    )


def scale_of(objective: str, y: Float64, weight: Float64 | None) -> tuple[Float64, Float64]:
    """What is subtracted from and what divides each target before it is learnt, each float64 (n_targets,).

    Mean and standard deviation; of rates 0 and the mean, of probabilities 0 and 1.

    Args:
        objective: its name.
        y: float64 (n_samples, n_targets), of the training rows.
        weight: float64 (n_samples,) of each row, not all 0, or None.
    """
    mean = np.asarray(np.average(y, axis=0, weights=weight), np.float64)
    return scaled_by(objective, mean, np.sqrt(np.average(np.square(y - mean), axis=0, weights=weight)))


def scaled_by(objective: str, mean: Float64, std: Float64) -> tuple[Float64, Float64]:
    """As :func:`scale_of`, of the training rows' mean and standard deviation, each float64 (n_targets,)."""
    kind, n_targets = KINDS[objective], len(mean)
    if kind.link == "logistic":
        return np.zeros(n_targets), np.ones(n_targets)
    if kind.plain_scale:
        return np.zeros(n_targets), np.where(mean > 0, mean, 1.0)
    return mean, np.where(std > 0, std, 1.0)
