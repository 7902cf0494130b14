"""Golden rows: a version answers them again at every load, and its answers are compared with those at training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from artifact import manifest as files
from artifact.errors import ArtifactError
from artifact.files import unreadable


class Golden(BaseModel):
    """Rows and the answers that the model gave when it was exported; replayed at every load.

    Attributes:
        rows: records as a request would hold them, missing, unseen and extreme values among them.
        value, lower, upper: the answers, a list of targets for each row; intervals at the default level.
    """

    rows: list[dict[str, Any]]
    value: list[list[float]]
    lower: list[list[float]]
    upper: list[list[float]]

    def differences(
        self,
        value: npt.NDArray[np.floating],
        lower: npt.NDArray[np.floating],
        upper: npt.NDArray[np.floating],
        std: Sequence[float],
    ) -> dict[str, float]:
        """Largest differences of ``value``, ``lower`` and ``upper`` from the golden ones, in the target's deviations.

        The ends of wide intervals are measured in a larger unit, see :func:`wide_scale`.

        Args:
            value, lower, upper: (n_samples, n_targets), answers to the rows.
            std: deviation of each target, (n_targets,).

        Raises:
            ArtifactError: there is no golden answer for each row and target.
        """
        expected = {}
        for name in ("value", "lower", "upper"):
            answers = getattr(self, name)
            if [len(row) for row in answers] != [len(std)] * len(self.rows):
                raise ArtifactError(
                    f"Expected a golden {name} for each row and target. Received: {len(answers)} for "
                    f"{len(self.rows)} rows and {len(std)} targets."
                )
            expected[name] = np.array(answers, dtype=np.float64).reshape(value.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            width = wide_scale((expected["upper"] - expected["lower"]) / 2, np.asarray(std))
        return {
            "value": _beyond(value, expected["value"], np.broadcast_to(std, width.shape)),
            "lower": _beyond(lower, expected["lower"], width),
            "upper": _beyond(upper, expected["upper"], width),
        }


def wide_scale(width: npt.NDArray[np.floating], std: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The unit for differences of spreads and interval ends: ``std``, plus ten times what a width has beyond ``std``.

    A spread is an exponential. For a row unlike all training rows its exponent is a sum of large terms. Their last bits
    differ from one runtime to another, and change the spread by some 1e-5 of itself.

    Args:
        width: spreads, or half of the intervals' widths, (n_samples, n_targets).
        std: deviation of each target, (n_targets,).
    """
    return np.asarray(std + 10.0 * np.fmax(0.0, width - std))


def read_golden(folder: Path) -> Golden:
    """The golden rows of a version's folder.

    Raises:
        ArtifactError: no such file, or not readable.
    """
    try:
        return Golden.model_validate_json((folder / files.GOLDEN).read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"Expected golden rows in {folder}. Received: {unreadable(error)}. Use another version."
        ) from error


def _beyond(
    answers: npt.NDArray[np.floating], expected: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]
) -> float:
    """The largest difference in units of ``scale``, minus float32's resolution; infinite where an answer is NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        difference = np.abs(answers.astype(np.float64) - expected)
        # float32 holds 7 digits: an answer far from 0 cannot be nearer than its own resolution.
        beyond = (difference - 4 * np.spacing(np.abs(expected).astype(answers.dtype))) / scale
    return float(np.max(np.where(np.isnan(beyond), np.inf, beyond), initial=0.0))
