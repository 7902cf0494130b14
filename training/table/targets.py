"""Targets: which columns can be one, and how the training rows describe them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from artifact.rows.schema import Target
from artifact.rows.texts.format import TextFormat
from training.table.corrections import TargetCorrection
from training.table.data import check_columns

# A target whose mean is this many deviations away from 0 is centred in float64: float32 holds 7 digits.
OFFSET_RATIO = 20.0
# float32 ends at 3.4e38 and 1.2e-38, and the ends of an interval lie beyond the table's values; of a deviation of 1e-36
# so few digits are left that ONNX Runtime and Keras no longer agree.
LARGEST, SMALLEST_STD = 1e30, 1e-30


class TargetFacts(NamedTuple):
    """What rows say of a target.

    Attributes:
        mean, std: of its values; infinite where they or their squares are.
        low, high: the smallest and the largest value.
    """

    mean: float
    std: float
    low: float
    high: float

    @classmethod
    def of(cls, y: npt.NDArray[np.float64]) -> TargetFacts:
        """Of all values at once, float64 (n_samples,)."""
        # Squares of 1e200 are infinite; such a target is refused.
        with np.errstate(over="ignore"):
            return cls(float(y.mean()), float(y.std()), float(y.min()), float(y.max()))


def described_target(
    name: str,
    facts: TargetFacts,
    correction: TargetCorrection,
    *,
    text: TextFormat | None = None,
    keeps_zero: bool = False,
) -> Target:
    """A target as the rows that networks see describe it.

    Args:
        name: of the target.
        facts: of those rows.
        correction: what the user says.
        text: how the texts of a table are written. Defaults to as JSON would write them.
        keeps_zero: rates and probabilities are what they are: their 0 must stay where it is. Defaults to False.
    """
    is_far = abs(facts.mean) > OFFSET_RATIO * facts.std and not keeps_zero
    return Target(
        name=name,
        unit=correction.unit,
        description=correction.description,
        minimum=facts.low,
        maximum=facts.high,
        std=facts.std,
        # A whole number reads better; a mean that rounds to 0 has to stay as it is.
        offset=(float(np.round(facts.mean)) or facts.mean) if is_far else 0.0,
        text=text,
    )


def check_target_names(names: list[str], frame: pl.DataFrame) -> None:
    """Check the targets asked for.

    Raises:
        DataError: none or repeated ones, or no such column.
    """
    if not names or len(set(names)) != len(names):
        raise DataError(f"Expected distinct target columns. Received: {', '.join(names) or 'none'}.")
    check_columns(frame, names, "column")


def is_number(dtype: Any) -> bool:
    """Whether values of a type can be a target, or weigh."""
    return bool(dtype.is_numeric() or dtype == pl.Boolean)


def check_targets(table: pl.DataFrame, targets: list[str]) -> None:
    """Check that targets are numbers.

    Raises:
        DataError: one is not; the message has some of its values.
    """
    for name in targets:
        column = table[name]
        if not is_number(column.dtype):
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


def check_spread(name: str, facts: TargetFacts, n_rows: int) -> None:
    """Check that a target varies, and that float32, in which answers are given, holds it with room to spare.

    Args:
        name: of the target.
        facts: of all usable rows.
        n_rows: how many these are.

    Raises:
        DataError: it does not.
    """
    if facts.low == facts.high:
        raise DataError(f"Expected '{name}' to vary. Received: {facts.low} in each of {n_rows} rows.")
    largest = max(facts.low, facts.high, key=abs)
    if abs(largest) > LARGEST:
        received, advice = (
            f"{largest:.4g}",
            f"Divide it, for example by {10.0 ** math.floor(math.log10(abs(largest))):.0e}",
        )
    elif facts.std < SMALLEST_STD:
        received, advice = f"a standard deviation of {facts.std:.4g}", "Multiply it"
    else:
        return
    raise DataError(
        f"Expected '{name}' between -{LARGEST:.0e} and {LARGEST:.0e}, with a standard deviation of at least "
        f"{SMALLEST_STD:.0e}: answers are 32-bit numbers. Received: {received}. {advice}, and train again."
    )
