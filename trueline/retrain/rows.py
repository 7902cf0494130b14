"""The rows for a new training: new rows, and kept ones if they are asked for, without those that are held out."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from artifact.errors import DataError
from artifact.registry.tables import RowsAside
from trueline.retrain.against import are_kept, check_are_new, checked_targets, kept_to_compare, shared_columns
from trueline.retrain.earlier import Former
from trueline.retrain.kept import all_kept, kept_alone
from trueline.retrain.selection import DecidingColumns, NewRows, RowChoice, select
from trueline.retrain.streamed import streamed


def new_rows(former: Former, choice: RowChoice, stack: ExitStack) -> NewRows:
    """Read the new rows, and say which train and which are held out.

    Args:
        former: the earlier version.
        choice: the rows that the user asks for.
        stack: removes the temporary files at its end.

    Raises:
        DataError: the rows cannot be read, lack a column, have no target or none to train on, or do not fit the kept
            ones.
        ArtifactError: the kept rows are gone or damaged.
        OSError: the disk is full or cannot be written.
    """
    if choice.only_kept:
        return kept_alone(former, choice, stack)
    from training.prepare.choose import parquet_source

    request = former.request()
    kept_files, notes = all_kept(former) if choice.appended else ([], ())
    streams_old_rows = choice.appended and former.recipe.streamed
    if choice.source.frame is None:
        stream = request.stream or (True if streams_old_rows else None)
    elif streams_old_rows:
        raise DataError(
            f"Expected Parquet files to add to the rows of {former.reference}, which are streamed. Received: "
            f"{choice.data}. Write it to a Parquet file."
        )
    else:
        stream = None
    source = parquet_source(choice.source.rows, stream, keep=request.names_in_use, ids=request.ids)
    if source is None:
        rows = _in_memory(former, choice, kept_files, stack)
    else:
        rows = streamed(former, choice, kept_files, source, stack)
    return replace(rows, notes=(*notes, *rows.notes))


def _in_memory(former: Former, choice: RowChoice, kept_files: list[Path], stack: ExitStack) -> NewRows:
    import numpy as np
    import polars as pl

    from training.table.data import read_raw
    from training.table.join import joined
    from training.table.kept import write_table
    from training.table.ranges import outside_sentences
    from training.table.reading import Reading
    from training.transfer.seen import is_its_table

    keep = former.request().names_in_use
    raw = read_raw(choice.source.rows, choice.reading, keep=keep)
    columns, notes = shared_columns(former, raw.frame.columns, choice.data)
    new = raw._replace(frame=raw.frame.select(columns))
    has_target, warnings = checked_targets(former, new.frame, choice.data)
    warnings += outside_sentences(new.frame, former.schema, former.manifest)
    frame, n_old, kept = new.frame, 0, None
    if kept_files:
        parts = [read_raw(str(file), Reading(), keep=keep) for file in kept_files]
        parts = [part._replace(frame=part.frame.select(columns)) for part in parts]
        frame = joined([*kept_files, Path(choice.data)], [*parts, new], keep).frame
        n_old = sum(part.frame.height for part in parts)
        kept = frame[:n_old]
    fresh = frame[n_old:]
    known = are_kept(kept_to_compare(former, columns) if kept is None else kept, fresh)
    if kept is not None:
        check_are_new(former, choice.data, known, kept.n_unique() / kept.height)
    eligible = has_target & ~known
    if is_its_table(raw.frame, former.manifest.lineage):
        eligible[:] = False
    selection = select(former, choice, DecidingColumns(frame, eligible, n_old))
    train = frame.filter(pl.Series(selection.train))
    aside = None
    if selection.held_out.any():
        path = stack.enter_context(former.store.tables.writing())
        aside = RowsAside(path, write_table(path, frame.filter(pl.Series(selection.held_out))))
    sentences = (*raw.notes, *notes, *selection.notes)
    n_train = int(np.sum(selection.train))
    return NewRows(len(eligible), n_train, train, None, aside, sentences, tuple(warnings), new.frame)
