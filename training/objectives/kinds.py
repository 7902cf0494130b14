"""The objectives by name, and the targets that they take. Nothing imports Keras: wrong tables are reported at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from artifact.errors import DataError
from training.objectives.kind import NOT_NEGATIVE, Float64, Kind
from training.objectives.records import Records

KINDS: Records[Kind] = Records.declared("objective", Kind, "training.objectives", [str(Path(__file__).parent)])


def meaning() -> tuple[str, ...]:
    """Names of the settings that say what an answer means, the objective's own first."""
    return ("objective", *dict.fromkeys(name for kind in KINDS.values() for name in kind.settings))


def in_target_unit(
    progress: Callable[[int, int, float], None] | None, objective: str, scale: Float64
) -> Callable[[int, int, float], None] | None:
    """A callback that converts the error of a single target to its unit, and passes it on to ``progress``.

    Args:
        progress: as :func:`training.fit.fit` takes it.
        objective: its name.
        scale: float64 (n_targets,), the divisors of the targets before they were learnt.
    """
    if progress is None or not KINDS[objective].in_unit or len(scale) != 1:
        return progress
    report, factor = progress, float(scale[0])
    return lambda epoch, epochs, error: report(epoch, epochs, error * factor)


def check_target(objective: str, name: str, y: Float64) -> None:
    """Refuse a target that the objective does not take.

    Args:
        objective: its name.
        name: name of the target.
        y: float64 (n_samples,), its values.

    Raises:
        DataError: a value outside what the objective takes; the message has the first.
    """
    bad = y[~takes(objective, y)]
    if len(bad):
        raise refused_target(objective, name, float(bad[0]), len(bad), len(y))
    if not y.any() and needs_more_than_zeros(objective):
        raise only_zeros(name, len(y))


def takes(objective: str, y: Float64) -> npt.NDArray[np.bool_]:
    """Which values of a target the objective takes, bool (n_samples,)."""
    return KINDS[objective].takes.fits(y)


def needs_more_than_zeros(objective: str) -> bool:
    """Whether the objective takes values of 0, but no target that is 0 in every row: its rate would be 0."""
    return KINDS[objective].takes is NOT_NEGATIVE


def only_zeros(name: str, n_rows: int) -> DataError:
    """The error about a target that is 0 in each row."""
    return DataError(f"Expected '{name}' to be above 0 in some row. Received: 0 in each of {n_rows} rows.")


def refused_target(objective: str, name: str, first: float, count: int, n_rows: int) -> DataError:
    """The error about values that the objective does not take: ``count`` values, the first of which is ``first``."""
    return DataError(
        f"Expected '{name}' to be {KINDS[objective].takes.words} in each row for objective '{objective}'. "
        f"Received: {first:g}, in {count} of {n_rows} rows. "
        "Leave these rows out, or take another --objective: mse takes all."
    )


def scale_of(objective: str, y: Float64, weight: Float64 | None) -> tuple[Float64, Float64]:
    """Shift and divisor of each target before it is learnt, each float64 (n_targets,).

    These are the mean and the standard deviation; for rates 0 and the mean; for probabilities 0 and 1.

    Args:
        objective: its name.
        y: float64 (n_samples, n_targets), of the training rows.
        weight: float64 (n_samples,) of each row, not all 0, or None.
    """
    mean = np.asarray(np.average(y, axis=0, weights=weight), np.float64)
    return scaled_by(objective, mean, np.sqrt(np.average(np.square(y - mean), axis=0, weights=weight)))


def scaled_by(objective: str, mean: Float64, std: Float64) -> tuple[Float64, Float64]:
    """As :func:`scale_of`, from the training rows' mean and standard deviation, each float64 (n_targets,)."""
    kind, n_targets = KINDS[objective], len(mean)
    if kind.link == "logistic":
        return np.zeros(n_targets), np.ones(n_targets)
    if kind.plain_scale:
        return np.zeros(n_targets), np.where(mean > 0, mean, 1.0)
    return mean, np.where(std > 0, std, 1.0)
