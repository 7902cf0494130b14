"""Reads files and scikit-learn's data sets as one typed polars frame."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from artifact.errors import DataError, unknown_name
from training.table.dialect import Sniffer
from training.table.join import joined
from training.table.paths import STDIN, files_of
from training.table.read import read_file, read_frame
from training.table.reading import Raw, Reading
from training.table.types import typed

DATASET_PREFIX = "dataset:"
DATASETS = ("diabetes", "california_housing")


def read_table(source: str, *, as_text: Collection[str] = (), reading: Reading | None = None) -> pl.DataFrame:
    """Read a table.

    Args:
        source: a file, a quoted glob of files of one format, a folder of them, ``-`` for standard input (``.csv``,
            ``.tsv``, ``.parquet``, ``.arrow``, ``.feather``, ``.ndjson``, ``.jsonl``, ``.xlsx``; compressed ones too),
            or ``dataset:diabetes`` or ``dataset:california_housing``.
        as_text: columns of a text file that stay text even if they look like numbers or dates, as categories do.
        reading: how to read the files, as the user says. Defaults to what their content shows.

    Returns:
        A frame of Int64, Float64, Boolean, String and Datetime columns; other types stay as they are.

    Raises:
        DataError: no such file or data set, an unknown format, or a file that cannot be read as its format.
    """
    return typed(read_raw(source, reading).frame, as_text)


def read_raw(source: str | pl.DataFrame, reading: Reading | None = None, *, keep: Collection[str] = ()) -> Raw:
    """Read a table without typing it: the columns of text files are texts, and several files are joined.

    Args:
        source: see :func:`read_table`; or a table that is in memory already.
        reading: how to read the files, as the user says. Defaults to what their content shows.
        keep: names of columns that stay even where they look like an index that a tool wrote.

    Raises:
        DataError: see :func:`read_table`.
    """
    if isinstance(source, pl.DataFrame):
        return read_frame(source, keep)
    if source.startswith(DATASET_PREFIX):
        return Raw(_dataset(source.removeprefix(DATASET_PREFIX)), (), pl.DataFrame())
    reading = reading or Reading()
    paths = [Path(source)] if source == STDIN else files_of(source)
    with Sniffer() as sniffer:
        return joined(paths, [read_file(path, reading, keep, sniffer) for path in paths], keep)


def check_columns(frame: pl.DataFrame, names: list[str], what: str) -> None:
    """Check that columns exist.

    Raises:
        DataError: a column is missing; the message lists the table's columns, the nearest name first.
    """
    for name in names:
        if name not in frame.columns:
            # Where the separator was not recognised, the table has one column, named by the whole header.
            is_uncut = frame.width == 1 and name in frame.columns[0]
            hint = (
                " If the header has several names, say what separates them: --separator space, or another."
                if is_uncut
                else ""
            )
            raise DataError(unknown_name(what, name, frame.columns) + hint)


def fingerprint(frame: pl.DataFrame) -> str:
    """sha256 over names, types and values: equal tables have equal fingerprints, whatever files they come from."""
    return fingerprint_of(dict(frame.schema), lambda name: [frame[name]])


def fingerprint_of(types: Mapping[str, Any], column: Callable[[str], Iterable[pl.Series]]) -> str:
    """The fingerprint of a table that is read part by part, with only the missing flags of one column in memory.

    Args:
        types: each column's type, by name.
        column: gives the parts of a column, of any sizes; it is called twice for each column.
    """
    digest = hashlib.sha256()
    for name in sorted(types):
        digest.update(f"{name}\0{types[name]}\0".encode())
        missing = [part.is_null().to_numpy() for part in column(name)]
        digest.update(np.packbits(np.concatenate(missing)).tobytes())
        for i, part in enumerate(column(name)):
            _hash_values(digest, part, first=i == 0)
    return digest.hexdigest()


def _hash_values(digest: Any, column: pl.Series, *, first: bool) -> None:
    if column.dtype.is_temporal():
        column = column.to_physical()
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        digest.update(column.cast(pl.Float64).fill_null(0.0).to_numpy().astype("<f8").tobytes())
    else:
        digest.update((("" if first else "\0") + "\0".join(map(str, column))).encode("utf-8", "surrogatepass"))


class TableFacts(NamedTuple):
    """Facts of a table for the lineage.

    Attributes:
        fingerprint: see :func:`fingerprint`.
        rows, columns: their numbers in the table as it was read.
    """

    fingerprint: str
    rows: int
    columns: int

    @classmethod
    def of(cls, frame: pl.DataFrame) -> TableFacts:
        """The facts of a table in memory."""
        return cls(fingerprint(frame), frame.height, frame.width)


def _dataset(name: str) -> pl.DataFrame:
    if name not in DATASETS:
        raise DataError(unknown_name("data set", name, DATASETS))
    from sklearn import datasets

    if name == "diabetes":
        # The values have their own units: nobody would send scikit-learn's scaled values in a request.
        return _from_bunch(datasets.load_diabetes(scaled=False))
    try:
        return _from_bunch(datasets.fetch_california_housing())
    except OSError as error:
        raise DataError(f"Expected to download '{name}' by scikit-learn. Received: {error}.") from error


def _from_bunch(bunch: Any) -> pl.DataFrame:
    columns = {name: bunch.data[:, j] for j, name in enumerate(bunch.feature_names)}
    columns[(getattr(bunch, "target_names", None) or ["target"])[0]] = bunch.target
    return pl.DataFrame(columns)
