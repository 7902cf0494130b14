"""Tables in: CSV, Parquet, Arrow/Feather and NDJSON files and scikit-learn's data sets, as one typed polars frame."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from artifact.errors import DataError, unknown_name
from training.typed import typed

DATASET_PREFIX = "dataset:"
DATASETS = ("diabetes", "california_housing")
_SEPARATORS = ",;\t|"


def read_table(source: str, *, as_text: Collection[str] = ()) -> pl.DataFrame:
    """Read a table.

    Args:
        source: a file or a glob of files of one format (``.csv``, ``.tsv``, ``.parquet``, ``.arrow``, ``.feather``,
            ``.ndjson``, ``.jsonl``; CSV also as ``.csv.gz``), or ``dataset:diabetes`` or
            ``dataset:california_housing``.
        as_text: columns of a text file that stay text whatever they look like, as categories do.

    Returns:
        A frame of Int64, Float64, Boolean, String and Datetime columns; other types as they came.

    Raises:
        DataError: no such file or data set, an unknown format, or a file that cannot be read as its format.
    """
    return typed(read_raw(source), as_text)


def read_raw(source: str) -> pl.DataFrame:
    """Read a table as it is written: a text file's columns are text, of several files joined.

    Raises:
        DataError: see :func:`read_table`.
    """
    if source.startswith(DATASET_PREFIX):
        return _dataset(source.removeprefix(DATASET_PREFIX))
    paths = sorted(glob.glob(source, recursive=True)) if glob.has_magic(source) else [source]  # noqa: PTH207
    if not paths:
        raise DataError(f"Expected files that match '{source}'. Received: none.")
    frames = [_read_file(Path(p)) for p in paths]
    columns = frames[0].columns
    for path, frame in zip(paths, frames, strict=True):
        if frame.columns != columns:
            raise DataError(f"Expected the columns of {paths[0]} in each file. Received: other columns in {path}.")
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical_relaxed")


def check_columns(frame: pl.DataFrame, names: list[str], what: str) -> None:
    """Check that columns exist.

    Raises:
        DataError: one does not; the message lists those there are, the nearest first.
    """
    for name in names:
        if name not in frame.columns:
            raise DataError(unknown_name(what, name, frame.columns))


def fingerprint(frame: pl.DataFrame) -> str:
    """sha256 over names, types and values: equal tables give it whatever file they came from."""
    digest = hashlib.sha256()
    for name in sorted(frame.columns):
        column = frame[name]
        digest.update(f"{name}\0{column.dtype}\0".encode())
        digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
        hashed_values(digest, column)
    return digest.hexdigest()


def hashed_values(digest: Any, column: pl.Series, *, first: bool = True) -> None:
    """Take the values of a column into its fingerprint.

    Args:
        digest: of hashlib.
        column: the values, or a part of them.
        first: False for a later part. Defaults to True.
    """
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


def _read_file(path: Path) -> pl.DataFrame:
    if not path.is_file():
        siblings = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
        hint = f" {unknown_name('file', path.name, siblings, limit=5)}" if siblings else ""
        raise DataError(f"Expected a file. Received: {path}, which is none.{hint}")
    suffix = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    reader = _READERS.get(suffix.lower())
    if reader is None:
        raise DataError(f"Expected a file of {', '.join(_READERS)}. Received: {path}.")
    try:
        frame = reader(path)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"Expected {path} to be readable as {suffix.lstrip('.')}. Received: {reason}") from error
    if not frame.width or not frame.height:
        raise DataError(f"Expected rows in {path}. Received: an empty table.")
    return frame


def _read_csv(path: Path) -> pl.DataFrame:
    # Every column as text first: type inference of its own would read "001" as 1.
    return pl.read_csv(path, separator=_separator(path), infer_schema=False, truncate_ragged_lines=False)


def _separator(path: Path) -> str:
    if path.suffix == ".gz":
        return ","
    with path.open("rb") as file:
        header = file.readline(1 << 20).decode("utf-8", "replace")
    return max(_SEPARATORS, key=header.count)


_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": pl.read_parquet,
    ".arrow": lambda path: pl.read_ipc(path),
    ".feather": lambda path: pl.read_ipc(path),
    ".ndjson": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
}


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
