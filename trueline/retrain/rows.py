"""The rows for a new training: new rows, and kept ones if they are asked for, without those that are held out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from artifact.errors import DataError
from artifact.registry.tables import RowsAside
from trueline.frames import Source
from trueline.retrain.against import are_kept, check_are_new, have_targets, kept_to_compare, shared_columns
from trueline.retrain.earlier import Former

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from training.table.parquet import ParquetSource
    from training.table.reading import Reading
    from training.table.selection import Newest


@dataclass(frozen=True, slots=True)
class RowChoice:
    """The rows that a new version is to be trained on, as the user asks for them.

    Attributes:
        source: the new rows, as they were given.
        reading: how their files are read.
        appended: whether the new rows are added to the rows that are kept of the earlier version.
        newest: which of all rows train, or None for all.
        hold_out: whether some of the new rows are held out.
    """

    source: Source
    reading: Reading
    appended: bool = False
    newest: Newest | None = None
    hold_out: bool = True

    @property
    def data(self) -> str:
        """The path of the new rows; for a table in memory what kind of frame it is."""
        return self.source.name


@dataclass(frozen=True, slots=True)
class NewRows:
    """The rows, read and divided into those that train and those that are held out.

    Attributes:
        new: number of new rows, held-out ones included.
        train: number of rows that train.
        table: the rows that train; None where they are in ``file``.
        file: file of the rows that train, which is streamed; or None.
        held_out: file of the rows that are held out, or None.
        notes: sentences on what was left out or could not be held out.
    """

    new: int
    train: int
    table: pl.DataFrame | None
    file: Path | None
    held_out: RowsAside | None
    notes: tuple[str, ...]


def new_rows(former: Former, choice: RowChoice, stack: ExitStack) -> NewRows:
    """Read the new rows, and say which train and which are held out.

    Args:
        former: the earlier version.
        choice: the rows that the user asks for.
        stack: removes the temporary files at its end.

    Raises:
        DataError: the rows cannot be read, lack a column or have none, or do not fit the kept ones.
        ArtifactError: the kept rows are gone or damaged.
        OSError: the disk is full or cannot be written.
    """
    from training.prepare.choose import parquet_source

    request = former.request()
    kept_file = former.kept_rows() if choice.appended else None
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
        return _in_memory(former, choice, kept_file, stack)
    return _streamed(former, choice, kept_file, source, stack)


def _in_memory(former: Former, choice: RowChoice, kept_file: Path | None, stack: ExitStack) -> NewRows:
    import numpy as np
    import polars as pl

    from training.table.data import read_raw
    from training.table.join import joined
    from training.table.kept import write_table
    from training.table.reading import Reading
    from training.transfer.seen import is_its_table

    keep = former.request().names_in_use
    raw = read_raw(choice.source.rows, choice.reading, keep=keep)
    columns, notes = shared_columns(former, raw.frame.columns, choice.data)
    new = raw._replace(frame=raw.frame.select(columns))
    frame, n_old, kept = new.frame, 0, None
    if kept_file is not None:
        old = read_raw(str(kept_file), Reading(), keep=keep)
        old = old._replace(frame=old.frame.select(columns))
        all_rows = joined([kept_file, Path(choice.data)], [old, new], keep)
        frame, n_old, kept = all_rows.frame, old.frame.height, old.frame
    fresh = frame[n_old:]
    known = are_kept(kept_to_compare(former, columns) if kept is None else kept, fresh)
    if kept is not None:
        check_are_new(former, choice.data, known, frame[:n_old])
    eligible = have_targets(fresh, former.recipe.targets) & ~known
    if is_its_table(raw.frame, former.manifest.lineage):
        eligible[:] = False
    selection = _select(former, choice, _DecidingColumns(frame, eligible, n_old))
    train = frame.filter(pl.Series(selection.train))
    aside = None
    if selection.held_out.any():
        path = stack.enter_context(former.store.tables.writing())
        aside = RowsAside(path, write_table(path, frame.filter(pl.Series(selection.held_out))))
    sentences = (*raw.notes, *notes, *selection.notes)
    return NewRows(len(eligible), int(np.sum(selection.train)), train, None, aside, sentences)


def _streamed(
    former: Former, choice: RowChoice, kept_file: Path | None, source: ParquetSource, stack: ExitStack
) -> NewRows:
    """Rows that go to a file batch by batch; only the columns of :class:`_DecidingColumns` are in memory as a whole."""
    import polars as pl

    from training.prepare.bounds import Bounds
    from training.table.kept import write_batches
    from training.table.parquet import ParquetSource
    from training.table.paths import files_of

    request, recipe = former.request(), former.recipe
    columns, notes = shared_columns(former, source.columns, choice.data)
    n_new, n_old = source.rows, 0
    if kept_file is not None:
        source = ParquetSource([kept_file, *files_of(choice.data)], request.names_in_use, request.ids)
        n_old = source.rows - n_new
    n_batch = Bounds().batch_rows
    deciding = [*recipe.targets, *(name for name in (recipe.time, recipe.group) if name)]
    frame = pl.concat([batch for _, batch in source.batches(n_batch, deciding)])
    selection = _select(former, choice, _DecidingColumns(frame, have_targets(frame[n_old:], recipe.targets), n_old))

    def rows(mask: npt.NDArray[np.bool_]) -> Iterator[pl.DataFrame]:
        for start, batch in source.batches(n_batch, columns):
            yield batch.filter(pl.Series(mask[start : start + batch.height]))

    aside = None
    if selection.held_out.any():
        path = stack.enter_context(former.store.tables.writing())
        aside = RowsAside(path, write_batches(path, rows(selection.held_out)))
    file = stack.enter_context(former.store.tables.writing())
    n_train = write_batches(file, rows(selection.train))
    return NewRows(n_new, n_train, None, file, aside, (*source.notes, *notes, *selection.notes))


@dataclass(frozen=True, slots=True)
class _DecidingColumns:
    """All old and new rows with the columns by which rows are selected, and which new rows may be held out."""

    frame: pl.DataFrame
    eligible: npt.NDArray[np.bool_]
    n_old: int


@dataclass(frozen=True, slots=True)
class _Selection:
    """Which rows train and which are held out, bool (n_rows,) each; and sentences about that."""

    train: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]
    notes: tuple[str, ...]


def _select(former: Former, choice: RowChoice, deciding: _DecidingColumns) -> _Selection:
    import numpy as np

    frame, n_old = deciding.frame, deciding.n_old
    moments = _moments(former, frame)
    if choice.newest is not None and moments is None:
        raise DataError(
            f"Expected a version that was trained with --time, for --newest. Received: {former.reference}, whose rows "
            "have no order. Give the rows to train on by --data."
        )
    held_out_rows, notes = np.zeros(frame.height, bool), []
    if choice.hold_out:
        held_out_rows[n_old:], note = _hold_out(former, choice, deciding, moments)
        notes.append(note)
    train = ~held_out_rows
    if choice.newest is not None and moments is not None:
        rows = np.flatnonzero(train)
        newest_rows = choice.newest.of(moments.gather(rows))
        train[rows[~newest_rows]] = False
        notes.append(f"The newest {int(newest_rows.sum()):,} of {len(rows):,} rows train.")
    return _Selection(train, held_out_rows, tuple(notes))


def _hold_out(
    former: Former, choice: RowChoice, deciding: _DecidingColumns, moments: pl.Series | None
) -> tuple[npt.NDArray[np.bool_], str]:
    """Which of the new rows are held out, bool (n_new,), and a sentence about that."""
    from training.table.selection import Columns, held_out

    n_old, group = deciding.n_old, former.recipe.group
    selected = held_out(
        Columns(
            deciding.eligible,
            None if moments is None else moments[n_old:],
            None if group is None else deciding.frame[group][n_old:],
        )
    )
    number = int(selected.rows.sum())
    if not number:
        return selected.rows, f"No rows of {choice.data} are held out for the comparison: {selected.why_none}."
    newest = "newest" if moments is not None and group is None else "last"
    return selected.rows, (
        f"Held out for the comparison before a promotion: the {newest} {number:,} of the "
        f"{len(selected.rows):,} rows of {choice.data}."
    )


def _moments(former: Former, frame: pl.DataFrame) -> pl.Series | None:
    """The times of all rows; None where the version has no column of times."""
    from training.prepare.request import text_rules
    from training.table.split import check_no_time_missing, check_time
    from training.table.texts.table import read_texts

    time = former.recipe.time
    if time is None:
        return None
    moments = read_texts(frame.select(time), text_rules(former.request())).frame[time]
    check_time(moments)
    check_no_time_missing(time, moments.null_count())
    return moments
