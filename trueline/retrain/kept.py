"""The rows that are kept of a version as the only rows of a new training, where no file has all that trained it."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace

from artifact.errors import ArtifactError
from artifact.registry.tables import RowsAside
from trueline.retrain.earlier import Former
from trueline.retrain.selection import DecidingColumns, NewRows, RowChoice, select
from trueline.retrain.streamed import chosen


def kept_alone(former: Former, choice: RowChoice, stack: ExitStack) -> NewRows:
    """All rows that are kept of a version train again, and those that it held out are held out again.

    Args:
        former: the earlier version.
        choice: which of the rows train, and whether rows are held out.
        stack: removes the temporary files at its end.

    Raises:
        DataError: no rows are kept; or the newest rows are asked for, and the rows have no order.
        ArtifactError: the kept rows are gone or damaged.
        OSError: the disk is full or cannot be written.
    """
    import numpy as np
    import polars as pl

    from training.prepare.bounds import Bounds
    from training.table.data import read_raw
    from training.table.kept import write_batches
    from training.table.parquet import ParquetSource
    from training.table.reading import Reading

    request, recipe, path = former.request(), former.recipe, former.kept_rows()
    columns = [*recipe.columns]
    if recipe.streamed:
        source = ParquetSource([path], request.names_in_use, request.ids)
        deciding = [*recipe.targets, *(name for name in (recipe.time, recipe.group) if name)]
        frame = pl.concat([batch for _, batch in source.batches(Bounds().batch_rows, deciding)])
    else:
        frame = read_raw(str(path), Reading(), keep=request.names_in_use).frame.select(columns)
    nothing_new = DecidingColumns(frame, np.zeros(0, bool), frame.height)
    selection = select(former, replace(choice, hold_out=False), nothing_new)
    sentence = (
        f"No file has all rows that trained {former.reference}: {choice.data} was added to kept rows. So the "
        f"{frame.height:,} rows that are kept of it train."
    )
    aside, held_out_note = _held_out_again(former, stack) if choice.hold_out else (None, ())
    notes = (sentence, *held_out_note, *selection.notes)
    n_train = int(selection.train.sum())
    if not recipe.streamed:
        return NewRows(0, n_train, frame.filter(pl.Series(selection.train)), None, aside, notes)
    file = stack.enter_context(former.store.tables.writing())
    write_batches(file, chosen(source, columns, selection.train))
    return NewRows(0, n_train, None, file, aside, notes)


def _held_out_again(former: Former, stack: ExitStack) -> tuple[RowsAside | None, tuple[str, ...]]:
    """A copy of the rows that the version held out, and a sentence about them; none where there are none."""
    table = former.recipe.held_out
    if table is None:
        return None, ()
    try:
        path = former.store.tables.path(table, f"held-out rows of {former.reference}")
    except ArtifactError as error:
        return None, (f"No rows are held out for the comparison. {error}",)
    copy = stack.enter_context(former.store.tables.writing())
    shutil.copyfile(path, copy)
    return RowsAside(copy, table.rows), (f"The {table.rows:,} rows that it held out are held out again.",)
