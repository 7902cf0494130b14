"""Rows for a new training that are larger than memory: they go to a file batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from artifact.errors import ArtifactError, DataError
from artifact.registry.tables import RowsAside
from trueline.retrain.against import check_are_new, checked_targets, shared_columns
from trueline.retrain.earlier import Former
from trueline.retrain.selection import DecidingColumns, NewRows, RowChoice, select

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from training.table.parquet import ParquetSource

# So many of the new rows, in even steps, show what range their values have.
_SAMPLE = 20_000


def streamed(
    former: Former, choice: RowChoice, kept_files: list[Path], source: ParquetSource, stack: ExitStack
) -> NewRows:
    """The rows in files. In memory as a whole are the columns of :class:`DecidingColumns`, and 8 bytes for each row.

    Args:
        former: the earlier version.
        choice: the rows that the user asks for.
        kept_files: the kept rows to which the new ones are added; none where the new ones train alone.
        source: the new rows.
        stack: removes the temporary files at its end.

    Raises:
        DataError, ArtifactError, OSError: see :func:`trueline.retrain.rows.new_rows`.
    """
    import polars as pl

    from training.prepare.bounds import Bounds
    from training.table.kept import write_batches
    from training.table.ranges import outside_sentences

    recipe = former.recipe
    columns, notes = shared_columns(former, source.columns, choice.data)
    n_new, n_batch = source.rows, Bounds().batch_rows
    beside = _joined(former, choice, kept_files) if kept_files else None
    looked = _look(former, choice, beside or source, n_new, columns)
    n_old = 0 if beside is None else beside.rows - n_new
    source = beside or source
    deciding = [*recipe.targets, *(name for name in (recipe.time, recipe.group) if name)]
    frame = pl.concat([batch for _, batch in source.batches(n_batch, deciding)])
    has_target, warnings = checked_targets(former, frame[n_old:], choice.data)
    warnings += outside_sentences(looked.sample, former.schema, former.manifest)
    selection = select(former, choice, DecidingColumns(frame, has_target & ~looked.known, n_old))
    aside = None
    if selection.held_out.any():
        path = stack.enter_context(former.store.tables.writing())
        aside = RowsAside(path, write_batches(path, chosen(source, columns, selection.held_out)))
    file = stack.enter_context(former.store.tables.writing())
    n_train = write_batches(file, chosen(source, columns, selection.train))
    return NewRows(n_new, n_train, None, file, aside, (*source.notes, *notes, *selection.notes), tuple(warnings))


def chosen(source: ParquetSource, columns: list[str], mask: npt.NDArray[np.bool_]) -> Iterator[pl.DataFrame]:
    """The rows of a mask, batch by batch."""
    import polars as pl

    from training.prepare.bounds import Bounds

    for start, batch in source.batches(Bounds().batch_rows, columns):
        yield batch.filter(pl.Series(mask[start : start + batch.height]))


class _Looked(NamedTuple):
    """What one pass over all rows shows.

    Attributes:
        known: which of the new rows are equal to a kept one, bool (n_new,).
        sample: some of the new rows.
    """

    known: npt.NDArray[np.bool_]
    sample: pl.DataFrame


def _joined(former: Former, choice: RowChoice, kept_files: list[Path]) -> ParquetSource:
    """The kept rows and after them the new ones."""
    from training.table.parquet import ParquetSource
    from training.table.paths import files_of

    request = former.request()
    return ParquetSource([*kept_files, *files_of(choice.data)], request.names_in_use, request.ids)


def _look(former: Former, choice: RowChoice, source: ParquetSource, n_new: int, columns: list[str]) -> _Looked:
    """Compare the new rows with the kept ones, and take a sample of them.

    Raises:
        DataError: most of the rows that are to be added are kept already.
    """
    import numpy as np
    import polars as pl

    from training.prepare.bounds import Bounds

    compared = source if choice.appended else _beside_kept(former, choice) or source
    n_old = compared.rows - n_new
    hashes = np.zeros(compared.rows, np.uint64)
    step = max(1, n_new // _SAMPLE)
    sample = []
    for start, batch in compared.batches(Bounds().batch_rows, columns):
        rows = slice(start, start + batch.height)
        if n_old:
            hashes[rows] = batch.hash_rows().to_numpy()
        places = np.arange(rows.start, rows.stop)
        sample.append(batch.filter(pl.Series((places >= n_old) & ((places - n_old) % step == 0))))
    old = np.unique(hashes[:n_old])
    known = np.isin(hashes[n_old:], old)
    if choice.appended:
        check_are_new(former, choice.data, known, len(old) / n_old)
    return _Looked(known, pl.concat(sample))


def _beside_kept(former: Former, choice: RowChoice) -> ParquetSource | None:
    """The kept rows and the new ones, which are to train alone; None where they cannot be compared."""
    if former.recipe.table is None:
        return None
    try:
        return _joined(former, choice, [former.kept_rows()])
    except (ArtifactError, DataError):
        # The kept rows are gone, or have columns of other types: then no row can be equal.
        return None
