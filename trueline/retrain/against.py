"""New rows against those of the earlier version: the columns that both have, and the rows that are kept already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from artifact.errors import ArtifactError, DataError, unknown_name
from trueline.retrain.earlier import Former

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl


def shared_columns(former: Former, columns: Sequence[str], data: str) -> tuple[list[str], list[str]]:
    """The columns that the version's table had and the new rows have too, and a note on those that it had not.

    Raises:
        DataError: a feature, a target or the column of another role is not there.
    """
    recipe = former.recipe
    roles = [recipe.group, recipe.time, recipe.weight, recipe.interval_groups]
    needed = dict.fromkeys([*recipe.targets, *(name for name in roles if name), *former.schema.names])
    for name in needed:
        if name not in columns:
            what = "target" if name in recipe.targets else "column"
            raise DataError(
                f"Expected the columns of {former.reference} in {data}. Received: no {what} '{name}'. "
                + unknown_name("column", name, columns).partition(". ")[2]
                + " Train on other columns with `trueline train`."
            )
    more = [name for name in columns if name not in recipe.columns]
    notes = []
    if more:
        listed = ", ".join(f"'{name}'" for name in more[:5]) + (f" and {len(more) - 5} more" if len(more) > 5 else "")
        notes.append(
            f"Left out, since the table of {former.reference} had no such column: {listed}. Take them in with "
            "`trueline train`."
        )
    return [name for name in recipe.columns if name in columns], notes


def have_targets(frame: pl.DataFrame, targets: Sequence[str]) -> npt.NDArray[np.bool_]:
    import numpy as np
    import polars as pl

    return np.asarray(frame.select(pl.all_horizontal(pl.col(list(targets)).is_not_null())).to_series().to_numpy(), bool)


def are_kept(former: Former, fresh: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Which of the new rows stand, equal in all columns, among those that are kept of the version, bool (n_rows,)."""
    import numpy as np
    import polars as pl

    from training.table.data import read_raw

    none = np.zeros(fresh.height, bool)
    if former.recipe.table is None or former.recipe.streamed:
        return none
    try:
        path = former.kept_rows()
    except ArtifactError:
        # The kept rows are not needed here, and rows that are gone cannot be compared.
        return none
    old = read_raw(str(path), keep=former.request().names_in_use).frame.select(fresh.columns)
    if old.schema != fresh.schema:
        texts = [name for name, dtype in old.schema.items() if dtype == pl.String or fresh.schema[name] == pl.String]
        old, fresh = (frame.with_columns(pl.col(texts).cast(pl.String)) for frame in (old, fresh))
    try:
        numbered = fresh.with_row_index("\0row")
        rows = numbered.join(old.unique(), on=old.columns, how="semi", nulls_equal=True)["\0row"]
    except pl.exceptions.PolarsError:
        # Columns of other types: no row can be equal.
        return none
    none[rows.to_numpy()] = True
    return none
