"""Chooses whether a table is held in memory or streamed: by its size, and by the memory that is free."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

from artifact.errors import DataError
from training.table.data import DATASET_PREFIX
from training.table.parquet import ParquetSource
from training.table.paths import STDIN, files_of

# A table is streamed from this many values on (rows times columns). In memory it would take a minute to encode, minutes
# to compare, and several GiB.
MANY_CELLS = 40_000_000
# The most memory that a training takes, without TensorFlow's own: bytes for each value of a table, and bytes for each
# byte of a text file.
_BYTES_A_CELL, _BYTES_A_TEXT_BYTE = 100, 12
_PARQUET = (".parquet",)
_GIB = 1024**3


def parquet_source(
    data: str | pl.DataFrame,
    stream: bool | None,
    available: int | None = None,
    keep: Collection[str] = (),
    ids: Collection[str] = (),
) -> ParquetSource | None:
    """The source of a table that is streamed, or None for a table that is held in memory.

    Args:
        data: see :func:`training.table.data.read_raw`.
        stream: the user's choice; None streams large tables, and tables that do not fit into memory.
        available: bytes of free memory; None asks the system. Defaults to None.
        keep, ids: see :class:`ParquetSource`.

    Raises:
        DataError: there is no such file; or the table is not Parquet, and the user wants to stream it, or it does not
            fit into memory.
    """
    if isinstance(data, pl.DataFrame):
        if stream:
            raise DataError("Expected Parquet files to stream. Received: a table in memory. Leave stream out.")
        return None
    if data.startswith(DATASET_PREFIX) or data == STDIN:
        if stream:
            raise DataError(f"Expected Parquet files to stream. Received: {data}.")
        return None
    paths = files_of(data)
    if stream is False:
        return None
    if any(path.suffix.lower() not in _PARQUET for path in paths):
        _check_other(data, paths, stream, available_bytes() if available is None else available)
        return None
    source = ParquetSource(paths, keep, ids)
    cells = source.rows * len(source.types)
    memory = available_bytes() if available is None else available
    too_large = memory is not None and cells * _BYTES_A_CELL > memory
    return source if stream or cells >= MANY_CELLS or too_large else None


def _check_other(data: str, paths: list[Path], stream: bool | None, memory: int | None) -> None:
    size = sum(path.stat().st_size for path in paths)
    convert = (
        "Convert it to Parquet, which is streamed: "
        f"python -c \"import polars; polars.scan_csv('{data}', infer_schema=False).sink_parquet('table.parquet')\""
        if paths[0].suffix.lower() in (".csv", ".tsv")
        else "Convert it to Parquet, which is streamed."
    )
    if stream:
        raise DataError(f"Expected Parquet files to stream. Received: {data}. {convert}")
    if memory is not None and size * _BYTES_A_TEXT_BYTE > memory:
        raise DataError(
            f"Expected a table that fits into memory. Received: {data} of {size / _GIB:.1f} GiB, which takes about "
            f"{size * _BYTES_A_TEXT_BYTE / _GIB:.0f} GiB to train on; {memory / _GIB:.0f} GiB are free. {convert}. "
            "--no-stream tries to hold it in memory anyway."
        )


def available_bytes() -> int | None:
    """Bytes of memory that this process may still take, by the system and its control group; None if unknown."""
    limits = []
    info = Path("/proc/meminfo")
    if info.exists():
        lines = dict(line.split(":", 1) for line in info.read_text(encoding="utf-8").splitlines() if ":" in line)
        if "MemAvailable" in lines:
            limits.append(int(lines["MemAvailable"].split()[0]) * 1024)
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and (text := limit.read_text(encoding="utf-8").strip()).isdigit():
        limits.append(max(0, int(text) - int(used.read_text(encoding="utf-8"))))
    return min(limits, default=None)
