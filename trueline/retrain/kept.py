"""The rows that are kept of a version, for a new training: all of them before new rows, or alone."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from artifact.errors import ArtifactError
from artifact.registry.tables import RowsAside
from trueline.retrain.earlier import Former
from trueline.retrain.selection import DecidingColumns, NewRows, RowChoice, select
from trueline.retrain.streamed import chosen


def all_kept(former: Former) -> tuple[list[Path], tuple[str, ...]]:
    """The files of the rows to which new ones are added, and a sentence about the rows that were held out.

    Rows were held out to judge this version. For the next one, which others judge, they are old rows like any.

    Raises:
        DataError: no rows are kept.
        ArtifactError: the training rows are gone or damaged.
    """
    files = [former.kept_rows()]
    try:
        held_out = former.held_out_rows()
    except ArtifactError as error:
        return files, (f"The rows that {former.reference} held out do not train. {error}",)
    table = former.recipe.held_out
    if held_out is None or table is None:
        return files, ()
    return [*files, held_out], (f"The {table.rows:,} rows that {former.reference} held out train now.",)


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
    try:
        path = former.held_out_rows()
    except ArtifactError as error:
        return None, (f"No rows are held out for the comparison. {error}",)
    if path is None or table is None:
        return None, ()
    copy = stack.enter_context(former.store.tables.writing())
    shutil.copyfile(path, copy)
    return RowsAside(copy, table.rows), (f"The {table.rows:,} rows that it held out are held out again.",)
