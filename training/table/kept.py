"""Writes a table as it was read to one Parquet file. A training that reads this file gives the same bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from artifact.errors import DataError
from artifact.registry.tables import RowsAside
from training.table.data import TableFacts

# With this mark in a file, each row group is read as one batch: sums of floats depend on where a table is cut.
BATCHES = b"trueline.batches"
ROWS_A_GROUP = 65_536


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """What a version says of the table that trained it.

    Attributes:
        facts: the table's facts for the lineage.
        types: the columns as they were read, with their types.
        streamed: whether it was read batch by batch.
        aside: a file with its rows, if these are to be kept; else None.
    """

    facts: TableFacts
    types: Mapping[str, str]
    streamed: bool = False
    aside: RowsAside | None = None


def types_of(schema: Mapping[str, Any]) -> dict[str, str]:
    """The types of a table's columns as texts, by the columns' names."""
    return {name: str(dtype) for name, dtype in schema.items()}


def write_table(path: Path, frame: pl.DataFrame) -> int:
    """Write a table in memory, and return its number of rows, see :func:`write_batches`."""
    return write_batches(path, frame.iter_slices(ROWS_A_GROUP))


def write_batches(path: Path, frames: Iterable[pl.DataFrame]) -> int:
    """Write a table part by part, each as a row group of its own. The same parts give the same bytes.

    Args:
        path: the file's path.
        frames: the parts, at least one, all with the same columns and types.

    Returns:
        The number of rows.

    Raises:
        DataError: Parquet cannot hold a column.
        OSError: the disk is full or cannot be written.
    """
    waiting = iter(frames)
    first = _arrow(next(waiting))
    schema = first.schema.with_metadata({BATCHES: b"1"})
    rows = 0
    try:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for table in chain([first], map(_arrow, waiting)):
                if table.num_rows:
                    whole = table.cast(schema).replace_schema_metadata(schema.metadata)
                    writer.write_table(whole, row_group_size=table.num_rows)
                    rows += table.num_rows
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise _refused(str(error).partition("\n")[0]) from error
    return rows


def _arrow(frame: pl.DataFrame) -> pa.Table:
    for name, dtype in frame.schema.items():
        # polars would write the addresses of the objects.
        if dtype == pl.Object:
            raise _refused(f"'{name}' of type {dtype}")
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _refused(what: str) -> DataError:
    return DataError(
        f"Expected columns that Parquet can hold, to keep their rows. Received: {what}. Take the column out of the "
        "table, or leave --keep-data out."
    )
