"""Reads one file into named columns. Its bytes decide the format; its name only tells formats of text apart."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from artifact.errors import DataError
from training.table.csv_file import read_csv
from training.table.dialect import Sniffer
from training.table.excel import read_excel
from training.table.names import checked_names, unnamed, unnamed_note
from training.table.paths import STDIN, SUFFIXES, format_of
from training.table.reading import Raw, Reading
from training.table.text import as_utf8, decompressed

# How many objects of an NDJSON file, and bytes of it, are searched for keys that repeat.
_OBJECTS, _CHECKED = 100, 1 << 20
_PARQUET, _ARROW, _STREAM, _ZIP = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff", b"PK\x03\x04"


def read_file(path: Path, reading: Reading, keep: Collection[str], sniffer: Sniffer) -> Raw:
    """Read one file, or standard input.

    Args:
        path: the file's path; ``-`` is standard input.
        reading: options of the user.
        keep: names of columns that stay even where they look like an index that a tool wrote.
        sniffer: judges how CSV files are written.

    Raises:
        DataError: an unknown format, a file that cannot be read as its format, a name that repeats, or no rows.
    """
    from_stdin = str(path) == STDIN
    suffix = "" if from_stdin else format_of(path)
    if not from_stdin and suffix not in SUFFIXES:
        raise DataError(f"Expected a file of {', '.join(SUFFIXES)}. Received: {path}.")
    data = sys.stdin.buffer.read() if from_stdin else path.read_bytes()
    if from_stdin:
        # Messages show this name.
        path = Path("standard input")
    data = decompressed(data, path)
    kind = _kind(data, suffix)
    notes: list[str] = []
    try:
        if kind == "csv":
            names, frame = read_csv(data, path, reading, notes, sniffer, keep)
        else:
            names, frame = _parse(data, kind, path, reading, notes)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"Expected {path} to be readable as {kind}. Received: {reason}") from error
    return _raw(names, frame, keep, notes, path)


def read_frame(frame: pl.DataFrame, keep: Collection[str]) -> Raw:
    """A table in memory, checked as if it was read from a file.

    Args:
        frame: the table.
        keep: see :func:`read_file`.

    Raises:
        DataError: a name that repeats, or no rows.
    """
    what = "the table"
    return _raw(checked_names(frame.columns, what), frame, keep, [], what)


def _raw(names: list[str], frame: pl.DataFrame, keep: Collection[str], notes: list[str], what: object) -> Raw:
    """The columns by their names, and apart from them the columns without a name of their own."""
    if not frame.width or not frame.height:
        raise DataError(f"Expected rows in {what}. Received: an empty table.")
    left_out = unnamed(names, keep)
    if left_out:
        notes.append(unnamed_note(left_out, what))
    columns = dict(enumerate(frame.get_columns()))
    by_name = {name: columns[i] for i, name in enumerate(names) if i not in left_out}
    if not by_name:
        raise DataError(f"Expected columns with names in {what}. Received: {len(names)} without one.")
    # Where several nameless columns share a name, the first one passes through.
    nameless = {name: columns[i] for i, name in reversed(left_out.items())}
    return Raw(pl.DataFrame(by_name), tuple(notes), pl.DataFrame(dict(reversed(nameless.items()))))


def _kind(data: bytes, suffix: str) -> str:
    """The format of a file: by the mark that its bytes begin with, else by the file's name."""
    if data.startswith(_PARQUET):
        return "parquet"
    if data.startswith(_ARROW):
        return "arrow"
    if suffix in (".arrow", ".feather") or data.startswith(_STREAM):
        return "arrow stream"
    if suffix == ".xlsx" or data.startswith(_ZIP):
        return "xlsx"
    if suffix in (".ndjson", ".jsonl") or (not suffix and data.lstrip().startswith(b"{")):
        return "ndjson"
    return "parquet" if suffix == ".parquet" else "csv"


def _parse(data: bytes, kind: str, path: Path, reading: Reading, notes: list[str]) -> tuple[list[str], pl.DataFrame]:
    if kind == "xlsx":
        return read_excel(data, path, reading.sheet, notes)
    if kind == "ndjson":
        text = as_utf8(data, reading.encoding, path, notes)
        if not text or text.isspace():
            raise DataError(f"Expected {path} to be readable as ndjson. Received: an empty file.")
        _check_keys(text, path)
        frame = pl.read_ndjson(io.BytesIO(text), infer_schema_length=None)
        return checked_names(frame.columns, path), frame
    # pyarrow reads the names first, since polars panics where a name repeats.
    if kind == "parquet":
        names = checked_names(pq.read_schema(io.BytesIO(data)).names, path)
        return names, pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
    if kind == "arrow":
        names = checked_names(pa.ipc.open_file(io.BytesIO(data)).schema.names, path)
        return names, pl.read_ipc(io.BytesIO(data))
    names = checked_names(pa.ipc.open_stream(io.BytesIO(data)).schema.names, path)
    return names, pl.read_ipc_stream(io.BytesIO(data))


def _check_keys(text: bytes, path: Path) -> None:
    """Refuse a key that repeats in one of the first objects. The reader refuses lines that are no JSON, later."""

    def checked(pairs: list[tuple[str, Any]]) -> None:
        checked_names([key for key, _ in pairs], path)

    for line in text[:_CHECKED].splitlines()[:_OBJECTS]:
        with suppress(ValueError):
            json.loads(line, object_pairs_hook=checked)
