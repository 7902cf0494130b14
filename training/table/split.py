"""Splits rows into train, validation, calibration and test parts that never overlap."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError

MIN_ROWS = 30
# A 90% interval needs nine calibration scores.
MIN_PART = {"test": 5, "calibration": 9, "validation": 5}
# More rows than this would not measure better, so they train.
MAX_PART = 20_000

Indices = npt.NDArray[np.int64]


class Parts(NamedTuple):
    """Row indices of each part; they do not overlap.

    Attributes:
        train: rows that fit weights, categories and scaling.
        validation: rows that choose the epoch.
        calibration: rows that fit the intervals and nothing else.
        test: rows that measure; nothing is ever fitted on them.
    """

    train: Indices
    validation: Indices
    calibration: Indices
    test: Indices

    def sizes(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self._asdict().items()}


def fractions(n_rows: int) -> dict[str, float]:
    """Default share of each held-out part; a small table needs a larger share to measure anything."""
    if n_rows < 2_000:
        return {"test": 0.2, "calibration": 0.15, "validation": 0.15}
    return {"test": 0.1, "calibration": 0.1, "validation": 0.1}


def part_sizes(n_rows: int, shares: dict[str, float]) -> dict[str, int]:
    """Rows of each held-out part."""
    return {name: min(max(round(n_rows * share), MIN_PART[name]), MAX_PART) for name, share in shares.items()}


def split_random(n_rows: int, shares: dict[str, float], seed: int) -> Parts:
    """Split rows at random."""
    sizes = part_sizes(n_rows, shares)
    return _in_order(np.random.default_rng(seed).permutation(n_rows), sizes)


def split_time(moments: pl.Series, shares: dict[str, float]) -> Parts:
    """Split by time: the oldest rows train, the newest test; rows with equal moments stay in one part.

    Raises:
        DataError: moments are missing.
    """
    check_no_time_missing(moments.name, moments.null_count())
    order = moments.arg_sort().to_numpy().astype(np.int64)
    ordered = moments.gather(order)
    # Rows of one moment all go to the earlier part, so that no part holds moments of a later part.
    last_of_moment = ordered.rank("max").to_numpy().astype(np.int64)
    sizes = part_sizes(len(moments), shares)
    cuts, end = [], len(moments)
    for name in ("test", "calibration", "validation"):
        end = max(end - sizes[name], 0)
        cuts.append(int(last_of_moment[end - 1]) if end else 0)
    test, calibration, validation = cuts
    parts = Parts(order[:validation], order[validation:calibration], order[calibration:test], order[test:])
    return checked(parts, f"too few different moments in '{moments.name}'")


def check_enough(usable: int) -> None:
    """Check that there are enough rows with a target to split.

    Raises:
        DataError: there are too few.
    """
    if usable < MIN_ROWS:
        raise DataError(f"Expected at least {MIN_ROWS} rows with a target. Received: {usable}.")


def check_no_time_missing(name: str, missing: int) -> None:
    """Check that the column that orders the rows has a value in each row.

    Raises:
        DataError: some are missing.
    """
    if missing:
        raise DataError(f"Expected '{name}' to hold a time in every row. Received: {missing} missing.")


def is_ordered(dtype: Any) -> bool:
    """Whether values of a type can order rows by time."""
    return bool(dtype.is_temporal() or dtype.is_numeric())


def check_time(moments: pl.Series) -> None:
    """Check that a column can order rows by time.

    Raises:
        DataError: it holds neither dates nor numbers.
    """
    if is_ordered(moments.dtype):
        return
    example = next(iter(moments.drop_nulls()), None)
    raise DataError(
        f"Expected --time to be a column of dates or numbers. Received: '{moments.name}' of type {moments.dtype}"
        + (f", such as {example!r}" if example is not None else "")
        + '. Say how its dates are written by format = "dd/mm/yyyy" or the like in schema.toml, or correct the '
        "values that are no dates."
    )


class Moments(NamedTuple):
    """The moments by which rows are ordered.

    Attributes:
        name: the column's name.
        rows: number of rows.
        low, high: the first and the last moment, dates and times or numbers.
        tied: number of rows that share their moment with another row; None where they were not counted.
    """

    name: str
    rows: int
    low: Any
    high: Any
    tied: int | None = None

    @classmethod
    def of(cls, column: pl.Series) -> Moments:
        """The moments of a whole column."""
        return cls(column.name, len(column), column.min(), column.max(), int(column.is_duplicated().sum()))


def time_note(moments: Moments) -> str:
    """A note on the order of the rows: the first and last moment, the zone, and ties."""
    ties = "; rows of one moment stay together" if moments.tied is None else ""
    if moments.tied:
        ties = f"; {moments.tied:,} of them share their moment with another row and stay in its part"
    low, high, zone = str(moments.low), str(moments.high), ""
    if isinstance(moments.low, date):
        # Where all values are days, "00:00:00" tells nothing.
        low, high = (end.removesuffix(" 00:00:00") for end in (low, high))
        zone = " (UTC where no zone is given)"
    return f"{moments.rows:,} rows are ordered by '{moments.name}', from {low} to {high}{zone}{ties}."


def split_groups(groups: pl.Series, shares: dict[str, float], seed: int) -> Parts:
    """Split so that all rows of a group lie in one part. Rows without a group form one group.

    Raises:
        DataError: too few groups to fill the parts.
    """
    codes = group_codes(groups)
    counts = np.bincount(codes)
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    sizes = part_sizes(len(groups), shares)
    owner = np.zeros(len(counts), np.int64)
    at = 0
    for part, name in enumerate(("test", "calibration", "validation"), start=1):
        filled = 0
        while filled < sizes[name] and at < len(shuffled):
            owner[shuffled[at]] = part
            filled += int(counts[shuffled[at]])
            at += 1
    part_of_row = owner[codes]
    rows = [np.flatnonzero(part_of_row == part).astype(np.int64) for part in range(4)]
    return checked(Parts(rows[0], rows[3], rows[2], rows[1]), f"only {len(counts)} groups in '{groups.name}'")


def group_codes(groups: pl.Series) -> Indices:
    """The number, from 0, of each row's group, int64 (n_samples,). Rows without a group form one group."""
    return groups.cast(pl.String).fill_null("\0missing").rank("dense").to_numpy().astype(np.int64) - 1


def _in_order(order: Indices, sizes: dict[str, int]) -> Parts:
    test = sizes["test"]
    calibration = test + sizes["calibration"]
    validation = calibration + sizes["validation"]
    parts = Parts(order[validation:], order[calibration:validation], order[test:calibration], order[:test])
    return checked(parts, f"only {len(order)} rows")


def checked(parts: Parts, why: str) -> Parts:
    """The given parts, checked for their sizes.

    Args:
        parts: rows of each part.
        why: the reason why a part may be too small, for the message.

    Raises:
        DataError: a part is too small.
    """
    # Calibration may be smaller here, since groups and equal moments move as a whole. Intervals from fewer than nine
    # scores then have a lower level.
    smallest = {"train": 10, **MIN_PART, "calibration": 5}
    for name, rows in parts._asdict().items():
        if len(rows) < smallest[name]:
            raise DataError(f"Expected at least {smallest[name]} rows to {name}. Received: {len(rows)} ({why}).")
    return parts


def shared_rows(frame: pl.DataFrame, parts: Parts) -> int:
    """Number of test rows that are equal, in every column, to some row outside the test part."""
    outside = frame[np.concatenate([parts.train, parts.validation, parts.calibration])].unique()
    return len(frame[parts.test].join(outside, on=frame.columns, how="semi", nulls_equal=True))
