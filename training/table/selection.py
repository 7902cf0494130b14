"""Which rows of a table train anew: the newest, without those that are held out for the comparison."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError

Mask = npt.NDArray[np.bool_]

HELD_OUT_SHARE = 0.1
# Fewer rows would not tell an equal version from one that is worse.
HELD_OUT_ROWS = 300


@dataclass(frozen=True, slots=True)
class Newest:
    """How much of a table trains: so many of its newest rows, or its last days.

    Attributes:
        number: of rows or days.
        days: whether it counts days.
    """

    number: int
    days: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """``10000`` or ``90d``.

        Raises:
            DataError: something else.
        """
        match = re.fullmatch(r"(\d{1,12})(d?)", text.strip())
        if match is None or not int(match[1]):
            raise DataError(f"Expected --newest as rows or days, such as 10000 or 90d. Received: {text!r}.")
        return cls(int(match[1]), bool(match[2]))

    def of(self, moments: pl.Series) -> Mask:
        """Which rows these are, bool (n_rows,); rows of the oldest moment that is in are in as a whole.

        Args:
            moments: of the rows, dates and times or numbers, none missing.

        Raises:
            DataError: days are counted, and the moments are no dates.
        """
        if self.days:
            if not moments.dtype.is_temporal():
                raise DataError(
                    f"Expected --newest as a number of rows: '{moments.name}' holds no dates. Received: {self.number}d."
                )
            last = moments.cast(pl.Datetime("us")).to_physical().to_numpy().astype(np.int64)
            return np.asarray(last > last.max() - self.number * 86_400_000_000, bool)
        return _newest(moments, np.ones(len(moments), bool), self.number)


@dataclass(frozen=True, slots=True)
class Columns:
    """What decides of each row of the new table where it goes.

    Attributes:
        eligible: bool (n_rows,), rows that may be held out: they have targets, and no version has seen them.
        moments: by which rows are newer than others, or None: then the last rows are the newest.
        groups: of the rows, which are held out as a whole, or None.
    """

    eligible: Mask
    moments: pl.Series | None = None
    groups: pl.Series | None = None


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The rows that are held out: bool (n_rows,); ``why_none`` is the reason where there are none."""

    rows: Mask
    why_none: str = ""


def held_out(columns: Columns) -> HeldOut:
    """The newest tenth of the rows, at least 300, and at most half of them."""
    n_rows = len(columns.eligible)
    n_eligible = int(columns.eligible.sum())
    wanted = max(HELD_OUT_ROWS, round(HELD_OUT_SHARE * n_rows))
    none = np.zeros(n_rows, bool)
    if n_eligible < wanted or wanted > n_rows // 2:
        new = (
            f"{n_eligible:,} of its {n_rows:,} rows are new and have a target" if n_eligible < n_rows else f"{n_rows:,}"
        )
        return HeldOut(
            none, f"at least {2 * HELD_OUT_ROWS:,} new rows are needed to hold {wanted:,} of them out: {new}"
        )
    if columns.groups is not None:
        rows = _whole_groups(columns.groups, columns.eligible, wanted)
    elif columns.moments is not None:
        rows = _newest(columns.moments, columns.eligible, wanted)
    else:
        rows = none
        rows[np.flatnonzero(columns.eligible)[-wanted:]] = True
    if rows.sum() > n_rows // 2:
        what = "one group" if columns.groups is not None else "one moment"
        return HeldOut(none, f"{what} has {int(rows.sum()):,} of its {n_rows:,} rows, and stays together")
    return HeldOut(rows)


def _newest(moments: pl.Series, eligible: Mask, wanted: int) -> Mask:
    """The newest of the eligible rows; rows of one moment are in or out as a whole."""
    ranks = moments.rank("dense").to_numpy()
    chosen = np.sort(ranks[eligible])[::-1]
    least = chosen[min(wanted, len(chosen)) - 1]
    return np.asarray(eligible & (ranks >= least), bool)


def _whole_groups(groups: pl.Series, eligible: Mask, wanted: int) -> Mask:
    """The groups that come last in the table, until there are enough eligible rows; a group is in as a whole."""
    names = groups.cast(pl.String).fill_null("\0missing")
    last = pl.DataFrame({"group": names, "row": np.arange(len(names)), "eligible": eligible})
    by_group = last.group_by("group").agg(pl.col("row").max(), pl.col("eligible").sum()).sort("row", descending=True)
    enough = int(np.searchsorted(by_group["eligible"].cum_sum().to_numpy(), wanted)) + 1
    return np.asarray(names.is_in(by_group["group"][:enough].implode()).to_numpy(), bool)
