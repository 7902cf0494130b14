"""Targets: checks that a column can be one, and the target as the training rows describe it."""

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

# A target whose mean is this many deviations away from 0 is centred in float64, since float32 holds only 7 digits.
OFFSET_RATIO = 20.0
# float32 ends at 3.4e38 and 1.2e-38, and the ends of an interval lie beyond the table's values. A deviation of 1e-36
# leaves so few digits that ONNX Runtime and Keras no longer agree.
LARGEST, SMALLEST_STD = 1e30, 1e-30


class TargetFacts(NamedTuple):
    """Statistics of a target.

    Attributes:
        mean, std: mean and standard deviation; infinite where they or their squares exceed float64.
        low, high: the smallest and the largest value.
    """

    mean: float
    std: float
    low: float
    high: float

    @classmethod
    def of(cls, y: npt.NDArray[np.float64]) -> TargetFacts:
        """The statistics of values ``y``, float64 (n_samples,)."""
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
        name: the target's name.
        facts: its statistics over the rows that networks see.
        correction: what the user says of it.
        text: how the target's texts are written in the table. Defaults to None: as in JSON.
        keeps_zero: whether 0 must stay where it is, as for rates and probabilities: no offset then. Defaults to False.
    """
    is_far = abs(facts.mean) > OFFSET_RATIO * facts.std and not keeps_zero
    return Target(
        name=name,
        unit=correction.unit,
        description=correction.description,
        minimum=facts.low,
        maximum=facts.high,
        std=facts.std,
        # The mean is rounded, since a whole number is easier to read; but not to 0, which would mean no offset.
        offset=(float(np.round(facts.mean)) or facts.mean) if is_far else 0.0,
        text=text,
    )


def check_target_names(names: list[str], frame: pl.DataFrame) -> None:
    """Check the names of targets.

    Raises:
        DataError: there are none, one repeats, or one names no column.
    """
    if not names or len(set(names)) != len(names):
        raise DataError(f"Expected distinct target columns. Received: {', '.join(names) or 'none'}.")
    check_columns(frame, names, "column")


def is_number(dtype: Any) -> bool:
    """Whether values of a type can be a target or a weight."""
    return bool(dtype.is_numeric() or dtype == pl.Boolean)


def check_targets(table: pl.DataFrame, targets: list[str]) -> None:
    """Check that targets are numbers.

    Raises:
        DataError: a target is not; the message shows some of its values.
    """
    for name in targets:
        column = table[name]
        if not is_number(column.dtype):
            is_date = column.dtype.is_temporal()
            first = column.drop_nulls().unique(maintain_order=True).head(3)
            examples = ", ".join(str(v) if is_date else repr(v) for v in first)
            what = "with dates or times" if is_date else f"of type {column.dtype}"
            way_out = "Choose a column of numbers" + (
                ", or give each date as a number, such as the days since a fixed date." if is_date else "."
            )
            raise DataError(
                f"Expected a target of numbers. Received: '{name}' {what}"
                + (f", such as {examples}. {way_out}" if examples else ", which is empty.")
            )


def check_spread(name: str, facts: TargetFacts, n_rows: int) -> None:
    """Check that a target varies, and that float32, the type of all answers, can hold it with room to spare.

    Args:
        name: the target's name.
        facts: its statistics over all usable rows.
        n_rows: number of these rows.

    Raises:
        DataError: it does not vary, or is too large or too small.
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
