"""Reads Parquet files as one sequence of typed batches: the same rows in the same order in each pass."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from artifact.errors import DataError
from training.table.ids import is_exact
from training.table.kept import BATCHES
from training.table.names import checked_names, unnamed, unnamed_note
from training.table.paths import keys_in, keys_note
from training.table.types import typed_column

# Bytes of a column that are read at once, so that a row group of any size fits into memory.
_READ_AHEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class _File:
    """One file as it was when training began.

    Attributes:
        path: the file's path.
        state: its size in bytes and the time of its last change in nanoseconds.
        rows, groups: numbers of its rows and row groups.
        names: the file's names of its columns, by the columns' names in the table.
        left_out: what the file calls columns without a name of their own, by their places.
        keys: values of the keys in its path, by the names of the columns that they become.
        by_groups: whether each row group is a batch, as :mod:`training.table.kept` writes them.
    """

    path: Path
    state: tuple[int, int]
    rows: int
    groups: int
    names: dict[str, str]
    left_out: dict[int, str]
    keys: dict[str, str | None]
    by_groups: bool


class ParquetSource:
    """Files of the same columns, read in batches.

    Types of numbers may differ between files: integers and floats together become floats, as for files in memory.

    Args:
        paths: the files, in the order of their rows.
        keep: names of columns that stay even where they look like an index that a tool wrote. Defaults to none.
        ids: names of columns that hold ids: their whole numbers become texts. Defaults to none.

    Attributes:
        types: each column's polars type by name, after :func:`training.table.types.typed_column`; texts stay String.
            Keys in the files' paths are columns too.
        rows: number of rows in all files.
        left_out: columns without a name of their own, which are left out of the table.
        notes: sentences on what reading decided, for the user.

    Raises:
        DataError: a file is no Parquet, there are no rows, a name repeats, or the files' columns differ.
    """

    def __init__(self, paths: Sequence[Path], keep: Collection[str] = (), ids: Collection[str] = ()) -> None:
        self._ids = frozenset(ids)
        keys = keys_in(paths, keep)
        opened = [
            _opened(path, {name: values[i] for name, values in keys.items()}, keep, self._ids)
            for i, path in enumerate(paths)
        ]
        self._files = [file for file, _ in opened]
        self.rows = sum(file.rows for file in self._files)
        self.types = dict(opened[0][1])
        for file, types in opened[1:]:
            if set(types) != set(self.types):
                raise DataError(
                    f"Expected the columns of {paths[0]} in each file. Received: other columns in {file.path}."
                )
            for name, dtype in types.items():
                self.types[name] = _common(name, self.types[name], dtype, file.path, paths[0])
        if not self.rows:
            raise DataError(f"Expected rows in {paths[0]}. Received: an empty table.")
        first = self._files[0]
        self.left_out = list(first.left_out.values())
        self.notes: list[str] = []
        if self.left_out:
            self.notes.append(unnamed_note(first.left_out, first.path))
        if new := [name for name in keys if name in first.keys]:
            self.notes.append(keys_note(new))

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        return list(self.types)

    @property
    def described(self) -> str:
        """The files in a few words."""
        first = str(self._files[0].path)
        return first if len(self._files) == 1 else f"{first} and {len(self._files) - 1} more"

    def batches(self, n_rows: int, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pl.DataFrame]]:
        """Read all rows once.

        Args:
            n_rows: most rows of a batch read from a row group; batches of small groups are put together.
            columns: names of the columns to read; None reads all. Defaults to None.

        Yields:
            The number of the batch's first row, and its rows, each column typed as :attr:`types` says.

        Raises:
            DataError: a row group cannot be read, or a file has changed since training began.
        """
        names = self.columns if columns is None else list(columns)
        start = 0
        for file in self._files:
            _check(file)
            began = start
            try:
                for rows in _gathered(_raw_batches(file, n_rows, names), 1 if file.by_groups else n_rows):
                    yield start, self._typed(rows, names, file)
                    start += rows.num_rows
            except DataError:
                # A file that another process writes to looks damaged: then say that it changed.
                _check(file)
                raise
            _check(file)
            if start - began != file.rows:
                raise _changed(file.path)

    def _typed(self, rows: pa.Table, names: list[str], file: _File) -> pl.DataFrame:
        columns = []
        for name in names:
            if name in file.keys:
                column = pl.repeat(file.keys[name], rows.num_rows, dtype=pl.String, eager=True).alias(name)
            else:
                column = _typed_column(pl.Series(name, rows.column(file.names[name])), self._ids)
            dtype = self.types[name]
            columns.append(column if column.dtype == dtype else column.cast(dtype))
        return pl.DataFrame(columns)


def _typed_column(column: pl.Series, ids: Collection[str]) -> pl.Series:
    return column.cast(pl.String) if column.name in ids and is_exact(column.dtype) else typed_column(column)


def _opened(
    path: Path, keys: dict[str, str | None], keep: Collection[str], ids: Collection[str]
) -> tuple[_File, dict[str, Any]]:
    try:
        state = _state(path)
        with _parquet(path) as opened:
            metadata, schema = opened.metadata, opened.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"Expected {path} to be readable as parquet. Received: {_reason(error)}") from error
    names = checked_names(schema.names, path)
    left_out = unnamed(names, keep)
    empty = schema.empty_table()
    places = {name: i for i, name in enumerate(names) if i not in left_out}
    types = {name: _typed_column(pl.Series(name, empty.column(i)), ids).dtype for name, i in places.items()}
    new = {name: value for name, value in keys.items() if name not in types}
    types.update(dict.fromkeys(new, pl.String()))
    file_names = {name: schema.names[i] for name, i in places.items()}
    by_groups = BATCHES in (schema.metadata or {})
    file = _File(path, state, metadata.num_rows, metadata.num_row_groups, file_names, left_out, new, by_groups)
    return file, types


def _raw_batches(file: _File, n_rows: int, names: list[str]) -> Iterator[pa.RecordBatch]:
    group = 0
    file_names = [file.names[name] for name in names if name not in file.keys]
    try:
        with _parquet(file.path) as parquet:
            # Row groups are read one by one, so that the message can name a damaged one.
            for group in range(file.groups):
                n_read = parquet.metadata.row_group(group).num_rows if file.by_groups else n_rows
                yield from parquet.iter_batches(n_read, row_groups=[group], columns=file_names, use_threads=False)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise DataError(
            f"Expected {file.path} to be readable as parquet. Received, in row group {group + 1} of {file.groups}: "
            f"{_reason(error)}"
        ) from error


def _gathered(batches: Iterator[pa.RecordBatch], n_rows: int) -> Iterator[pa.Table]:
    """Join batches until they have at least ``n_rows`` rows, except at the end: work on few rows is mostly overhead."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows:
            waiting.append(batch)
        if sum(b.num_rows for b in waiting) >= n_rows:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _parquet(path: Path) -> Any:
    return pq.ParquetFile(path, buffer_size=_READ_AHEAD, pre_buffer=False, memory_map=False)


def _state(path: Path) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116
    return status.st_size, status.st_mtime_ns


def _check(file: _File) -> None:
    try:
        now = _state(file.path)
    except OSError as error:
        raise _changed(file.path) from error
    if now != file.state:
        raise _changed(file.path)


def _changed(path: Path) -> DataError:
    return DataError(
        f"Expected {path} to stay as it is while it is read. Received: another file than when training began. "
        "Train once nothing writes to it any more."
    )


def _common(name: str, one: Any, other: Any, path: Path, first: Path) -> Any:
    """The type of a column that has these types in two files. A file in which it is empty does not count."""
    if one == other or other == pl.Null:
        return one
    if one == pl.Null:
        return other
    if one.is_numeric() and other.is_numeric():
        return pl.Float64()
    raise DataError(
        f"Expected column '{name}' to be of one type in all files. Received: {one} in {first}, {other} in {path}."
    )


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def alone(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with copies of their texts. Else a few texts would keep the memory of the whole batch they came from."""
    return frame.with_columns(alone_column(column) for column in frame if column.dtype == pl.String)


def alone_column(column: pl.Series) -> pl.Series:
    """A column of text with copies of its texts."""
    # Arrow's oldest layout stores these texts one after another, without the rest of the batch.
    copied = column.to_arrow(compat_level=pl.CompatLevel.oldest())
    return pl.Series(column.name, copied, dtype=pl.String)
