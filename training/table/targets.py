"""Targets: which columns can be one, and how the training rows describe them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from artifact.rows.schema import Target
from training.table.corrections import TargetCorrection
from training.table.data import check_columns

# A target whose mean is this many deviations away from 0 is centred in float64: float32 holds 7 digits.
OFFSET_RATIO = 20.0
# float32 ends at 3.4e38 and 1.2e-38, and the ends of an interval lie beyond the table's values; of a deviation of 1e-36
# so few digits are left that ONNX Runtime and Keras no longer agree.
LARGEST, SMALLEST_STD = 1e30, 1e-30


def infer_target(name: str, y: npt.NDArray[np.float64], correction: TargetCorrection) -> Target:
    """Describe a target by its training rows, float64 (n_samples,)."""
    return described_target(name, float(y.mean()), float(y.std()), (float(y.min()), float(y.max())), correction)


def described_target(
    name: str, mean: float, std: float, ends: tuple[float, float], correction: TargetCorrection
) -> Target:
    """A target of the training rows' mean, standard deviation, smallest and largest value."""
    is_far = abs(mean) > OFFSET_RATIO * std
    return Target(
        name=name,
        unit=correction.unit,
        description=correction.description,
        minimum=ends[0],
        maximum=ends[1],
        std=std,
        # A whole number reads better; a mean that rounds to 0 has to stay as it is.
        offset=(float(np.round(mean)) or mean) if is_far else 0.0,
    )


def check_target_names(names: list[str], frame: pl.DataFrame) -> None:
    """Check the targets asked for.

    Raises:
        DataError: none or repeated ones, or no such column.
    """
    if not names or len(set(names)) != len(names):
        raise DataError(f"Expected distinct target columns. Received: {', '.join(names) or 'none'}.")
    check_columns(frame, names, "column")


def check_targets(table: pl.DataFrame, targets: list[str]) -> None:
    """Check that targets are numbers.

    Raises:
        DataError: one is not; the message has some of its values.
    """
    for name in targets:
        column = table[name]
        if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            is_date = column.dtype.is_temporal()
            first = column.drop_nulls().unique(maintain_order=True).head(3)
            shown = ", ".join(str(v) if is_date else repr(v) for v in first)
            what = "with dates or times" if is_date else f"of type {column.dtype}"
            way_out = "Choose a column of numbers" + (
                ", or give each as a number, such as the days since a date that stays the same." if is_date else "."
            )
            raise DataError(
                f"Expected a target of numbers. Received: '{name}' {what}"
                + (f", such as {shown}. {way_out}" if shown else ", which is empty.")
            )


def deviation(y: npt.NDArray[np.float64]) -> float:
    """The standard deviation of a target, float64 (n_samples,); infinite where its squares are."""
    with np.errstate(over="ignore"):
        return float(y.std())


def check_range(name: str, low: float, high: float, std: float) -> None:
    """Check that float32, in which networks compute and answers are given, holds a target with room to spare.

    Args:
        name: of the target.
        low, high, std: its smallest and largest value and its standard deviation.

    Raises:
        DataError: it does not.
    """
    largest = max(low, high, key=abs)
    if abs(largest) > LARGEST:
        received, advice = (
            f"{largest:.4g}",
            f"Divide it, for example by {10.0 ** math.floor(math.log10(abs(largest))):.0e}",
        )
    elif std < SMALLEST_STD:
        received, advice = f"a standard deviation of {std:.4g}", "Multiply it"
    else:
        return
    raise DataError(
        f"Expected '{name}' between -{LARGEST:.0e} and {LARGEST:.0e}, with a standard deviation of at least "
        f"{SMALLEST_STD:.0e}: answers are 32-bit numbers. Received: {received}. {advice}, and train again."
    )
