"""Tables in: files and scikit-learn's data sets as one typed polars frame."""

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
        as_text: columns of a text file that stay text whatever they look like, as categories do.
        reading: what the user says of the files. Defaults to what their content says.

    Returns:
        A frame of Int64, Float64, Boolean, String and Datetime columns; other types as they came.

    Raises:
        DataError: no such file or data set, an unknown format, or a file that cannot be read as its format.
    """
    return typed(read_raw(source, reading).frame, as_text)


def read_raw(source: str | pl.DataFrame, reading: Reading | None = None, *, keep: Collection[str] = ()) -> Raw:
    """Read a table as it is written: a text file's columns are text, of several files joined.

    Args:
        source: see :func:`read_table`; or a table that is in memory already.
        reading: what the user says of the files. Defaults to what their content says.
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
        DataError: one does not; the message lists those there are, the nearest first.
    """
    for name in names:
        if name not in frame.columns:
            # A table that was cut nowhere has one column, whose name is the whole header.
            is_uncut = frame.width == 1 and name in frame.columns[0]
            hint = (
                " Where these are several, say what separates them: --separator space, or another." if is_uncut else ""
            )
            raise DataError(unknown_name(what, name, frame.columns) + hint)


def fingerprint(frame: pl.DataFrame) -> str:
    """sha256 over names, types and values: equal tables give it whatever file they came from."""
    return fingerprint_of(dict(frame.schema), lambda name: [frame[name]])


def fingerprint_of(types: Mapping[str, Any], column: Callable[[str], Iterable[pl.Series]]) -> str:
    """The same of a table that is read part by part, in the memory of one column's missing flags.

    Args:
        types: of each column, by name.
        column: gives the parts of a column, of any sizes; called twice for each.
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
    """What the lineage says of a table.

    Attributes:
        fingerprint: see :func:`fingerprint`.
        rows, columns: as it was read.
    """

    fingerprint: str
    rows: int
    columns: int

    @classmethod
    def of(cls, frame: pl.DataFrame) -> TableFacts:
        """Of a table in memory."""
        return cls(fingerprint(frame), frame.height, frame.width)


def _dataset(name: str) -> pl.DataFrame:
    if name not in DATASETS:
        raise DataError(unknown_name("data set", name, DATASETS))
    from sklearn import datasets

    if name == "diabetes":
        # In its own units: the scaled version that scikit-learn gives by default is nobody's request body.
        return _from_bunch(datasets.load_diabetes(scaled=False))
    try:
        return _from_bunch(datasets.fetch_california_housing())
    except OSError as error:
        raise DataError(f"Expected to download '{name}' by scikit-learn. Received: {error}.") from error


def _from_bunch(bunch: Any) -> pl.DataFrame:
    columns = {name: bunch.data[:, j] for j, name in enumerate(bunch.feature_names)}
    columns[(getattr(bunch, "target_names", None) or ["target"])[0]] = bunch.target
    return pl.DataFrame(columns)
