"""Selects the rows of a new training: the newest, if so many are asked for, without those that are held out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from artifact.errors import DataError
from artifact.registry.tables import RowsAside
from trueline.frames import Source
from trueline.retrain.earlier import Former

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from training.table.reading import Reading
    from training.table.selection import Newest


@dataclass(frozen=True, slots=True)
class RowChoice:
    """The rows that a new version is to be trained on, as the user asks for them.

    Attributes:
        source: the new rows, as they were given.
        reading: how their files are read.
        appended: whether the new rows are added to the rows that are kept of the earlier version.
        only_kept: whether the kept rows train alone; ``source`` then names the last rows that were added to them.
        newest: which of all rows train, or None for all.
        hold_out: whether some of the new rows are held out.
    """

    source: Source
    reading: Reading
    appended: bool = False
    only_kept: bool = False
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
        warnings: sentences on what is probably wrong with the new rows.
        fresh: the new rows, or, where they are streamed, some of them.
    """

    new: int
    train: int
    table: pl.DataFrame | None
    file: Path | None
    held_out: RowsAside | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    fresh: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class DecidingColumns:
    """All old and new rows with the columns by which rows are selected, and which new rows may be held out."""

    frame: pl.DataFrame
    eligible: npt.NDArray[np.bool_]
    n_old: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows train and which are held out, bool (n_rows,) each; and sentences about that."""

    train: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]
    notes: tuple[str, ...]


def select(former: Former, choice: RowChoice, deciding: DecidingColumns) -> Selection:
    """Select the rows that train and those that are held out.

    Raises:
        DataError: the newest rows are asked for, and the rows have no order.
    """
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
    return Selection(train, held_out_rows, tuple(notes))


def _hold_out(
    former: Former, choice: RowChoice, deciding: DecidingColumns, moments: pl.Series | None
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
