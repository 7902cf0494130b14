"""What each column of text really is, by all its values: a pass that ends where no column can be anything but text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl

from training.stream.source import ParquetSource
from training.typed import TEXT_TYPES, present_texts, text_fits


def text_types(source: ParquetSource, batch_rows: int, as_text: Collection[str] = ()) -> dict[str, Any]:
    """The type of each column, texts as what all their values say they are, see :func:`training.typed.typed_text`.

    Args:
        source: of the rows.
        batch_rows: that are read at once.
        as_text: columns that stay text whatever they look like.

    Raises:
        DataError: see :meth:`ParquetSource.batches`.
    """
    texts = [name for name, dtype in source.types.items() if dtype == pl.String and name not in as_text]
    open_: dict[str, list[Any]] = {name: list(TEXT_TYPES) for name in texts}
    has_value: set[str] = set()
    # A column whose first values are words is read no further: most end in the first batch.
    for _, batch in source.batches(batch_rows, texts) if texts else ():
        for name, left in open_.items():
            if left and len(present := present_texts(batch[name])):
                has_value.add(name)
                left[:] = [dtype for dtype in left if text_fits(present, dtype)]
        if not any(open_.values()):
            break
    found = {name: left[0] for name, left in open_.items() if left and name in has_value}
    return {**source.types, **found}
