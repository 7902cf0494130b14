"""Features that are known only where the target is: they are written down after it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

# The chance that a column which is missing at random looks so, at most.
_CHANCE = 1e-6


def known_with_target(
    left_out: pl.DataFrame, frame: pl.DataFrame, names: Sequence[str], targets: Sequence[str]
) -> list[str]:
    """A sentence for each feature that has no value in any row without a target, although it has one in others.

    Args:
        left_out: the rows without a target.
        frame: the rows with one.
        names: of the features.
        targets: columns to predict.
    """
    here = [name for name in names if name in left_out.columns]
    # A row that is empty altogether tells nothing, nor does a column that is empty in each of them.
    rows = left_out.filter(pl.any_horizontal(pl.col(here).is_not_null())) if here else left_out.head(0)
    if not rows.height:
        return []
    target = " or ".join(f"'{t}'" for t in targets)
    found = []
    for name in here:
        missing = frame[name].null_count() / frame.height
        if rows[name].null_count() == rows.height and missing**rows.height < _CHANCE and missing <= 0.5:
            found.append(
                f"Column '{name}' is missing in each of {rows.height:,} rows that have no value of {target}, and known "
                f"in {1 - missing:.0%} of the others: a leak, if it is written down together with the target. Then "
                "leave it out: drop = true in schema.toml."
            )
    return found
