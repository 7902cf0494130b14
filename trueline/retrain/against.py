"""Compares new rows with those of the earlier version: which columns both have, and which rows are kept already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from artifact.errors import ArtifactError, DataError, unknown_name
from artifact.rows.schema import Target
from trueline.retrain.earlier import Former

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

# From this share on, rows that are kept already are no accident, if at least the second share of the kept rows are
# different from each other.
_KNOWN, _DISTINCT = 0.5, 0.9


def shared_columns(former: Former, columns: Sequence[str], data: str) -> tuple[list[str], list[str]]:
    """The columns that both the version's table and the new rows have, and a note on further columns of the new rows.

    Raises:
        DataError: a feature, a target or the column of another role is not there.
    """
    recipe = former.recipe
    roles = [recipe.group, recipe.time, recipe.weight, recipe.interval_groups]
    needed = dict.fromkeys([*recipe.targets, *(name for name in roles if name), *former.schema.names])
    for name in needed:
        if name not in columns:
            role = "target" if name in recipe.targets else "column"
            raise DataError(
                f"Expected the columns of {former.reference} in {data}. Received: no {role} '{name}'. "
                + unknown_name("column", name, columns).partition(". ")[2]
                + " Train on other columns with `trueline train`."
            )
    further = [name for name in columns if name not in recipe.columns]
    notes = []
    if further:
        names = ", ".join(f"'{name}'" for name in further[:5])
        names += f" and {len(further) - 5} more" if len(further) > 5 else ""
        notes.append(
            f"Left out, because the table of {former.reference} had no such column: {names}. To use them, train by "
            "`trueline train`."
        )
    return [name for name in recipe.columns if name in columns], notes


def checked_targets(former: Former, frame: pl.DataFrame, data: str) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Which of the new rows have all targets, bool (n_rows,); and a warning where most have none.

    Args:
        former: the earlier version.
        frame: the new rows, with their targets.
        data: name of the new rows, for the message.

    Raises:
        DataError: no row has all targets.
    """
    import numpy as np

    has_target = np.logical_and.reduce([_have_value(frame[target.name], target) for target in former.schema.targets])
    n_with, n_rows = int(has_target.sum()), len(has_target)
    names = " and ".join(f"'{name}'" for name in former.recipe.targets)
    if not n_with:
        raise DataError(
            f"Expected rows with a value of {names} in {data}. Received: {n_rows:,} rows, none of which has one. "
            "They teach nothing: give rows whose target is known."
        )
    if n_with > n_rows / 2:
        return has_target, []
    return has_target, [
        f"Only {n_with:,} of the {n_rows:,} rows of {data} have a value of {names}; the others teach nothing."
    ]


def _have_value(column: pl.Series, target: Target) -> npt.NDArray[np.bool_]:
    """Which rows have a value of a target, bool (n_rows,). A text counts unless it means "no value"."""
    import numpy as np
    import polars as pl

    from training.table.encode import feature_values
    from training.table.texts.columns import are_markers, plain_texts

    values = feature_values(column, target)
    if values.dtype == pl.String:
        present = ~are_markers(plain_texts(values), target.text.missing_values if target.text else ())
    elif values.dtype.is_numeric():
        present = values.cast(pl.Float64).is_finite().fill_null(value=False)
    else:
        present = values.is_not_null()
    return np.asarray(present.to_numpy(), bool)


def kept_to_compare(former: Former, columns: Sequence[str]) -> pl.DataFrame | None:
    """The rows that are kept of the version; None where none are, where they are streamed, or where they are gone."""
    from training.table.data import read_raw

    if former.recipe.table is None or former.recipe.streamed:
        return None
    try:
        path = former.kept_rows()
    except ArtifactError:
        # The kept rows are not needed here, and rows that are gone cannot be compared.
        return None
    return read_raw(str(path), keep=former.request().names_in_use).frame.select(columns)


def are_kept(old: pl.DataFrame | None, fresh: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Which of the new rows are equal in all columns to one of the kept rows, bool (n_rows,)."""
    import numpy as np
    import polars as pl

    is_kept = np.zeros(fresh.height, bool)
    if old is None:
        return is_kept
    if old.schema != fresh.schema:
        texts = [name for name, dtype in old.schema.items() if dtype == pl.String or fresh.schema[name] == pl.String]
        old, fresh = (frame.with_columns(pl.col(texts).cast(pl.String)) for frame in (old, fresh))
    try:
        numbered = fresh.with_row_index("\0row")
        rows = numbered.join(old.unique(), on=old.columns, how="semi", nulls_equal=True)["\0row"]
    except pl.exceptions.PolarsError:
        # Columns of other types: no row can be equal.
        return is_kept
    is_kept[rows.to_numpy()] = True
    return is_kept


def check_are_new(former: Former, data: str, known: npt.NDArray[np.bool_], share_distinct: float) -> None:
    """Refuse to add rows that are kept already: they would count twice, and their copies would judge each other.

    Args:
        former: the earlier version.
        data: name of the new rows, for the message.
        known: which of the new rows are equal to a kept row, bool (n_rows,).
        share_distinct: share of the kept rows that are different from each other. Where it is small, a new row may
            well be equal to an old one.

    Raises:
        DataError: more than half of the new rows are kept already.
    """
    if known.mean() > _KNOWN and share_distinct > _DISTINCT:
        raise DataError(
            f"Expected rows to add to those that are kept of {former.reference}. Received: {data}, whose rows are kept "
            f"already: {int(known.sum()):,} of {len(known):,}. Give the new rows alone, or give all rows by --data."
        )
