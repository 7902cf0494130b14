"""The fingerprint of a streamed table: the same as of the table in memory, a column at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import polars as pl

from training.prepare.texts import StreamTexts
from training.table.data import hashed_values
from training.table.parquet import ParquetSource


def stream_fingerprint(source: ParquetSource, texts: StreamTexts, batch_rows: int) -> str:
    """As :func:`training.table.data.fingerprint`, in the memory of one column's missing flags.

    Args:
        source: of the rows.
        texts: what the columns of text are.
        batch_rows: read at once.

    Raises:
        DataError: rows that cannot be read, or that changed since training began.
    """
    digest = hashlib.sha256()
    for name in sorted(texts.types):
        digest.update(f"{name}\0{texts.types[name]}\0".encode())
        missing = [column.is_null().to_numpy() for column in _column(source, name, texts, batch_rows)]
        digest.update(np.packbits(np.concatenate(missing)).tobytes())
        for i, column in enumerate(_column(source, name, texts, batch_rows)):
            hashed_values(digest, column, first=i == 0)
    return digest.hexdigest()


def _column(source: ParquetSource, name: str, texts: StreamTexts, batch_rows: int) -> Iterator[pl.Series]:
    for _, batch in source.batches(batch_rows, [name]):
        yield texts.column(batch[name])
