"""Joins the tables of several files: the same columns in each, of one type, and the keys in the files' paths."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from artifact.errors import DataError
from training.table.paths import keys_in, keys_note
from training.table.reading import Raw

# Largest number of notes that are kept: many files give notes that differ only in the file's name.
_NOTES_SHOWN = 5


def joined(paths: Sequence[Path], parts: Sequence[Raw], keep: Collection[str] = ()) -> Raw:
    """The rows of all files, in their order.

    Columns of several number types get one type that holds all values; texts and numbers become texts.

    Args:
        paths: the files.
        parts: their tables.
        keep: keys in paths that are columns even where all files have the same value.

    Raises:
        DataError: files whose columns, types or keys in paths do not fit together.
    """
    keys = keys_in(paths, keep)
    frames = [part.frame for part in parts]
    columns = frames[0].columns
    for path, frame in zip(paths, frames, strict=True):
        if set(frame.columns) != set(columns):
            raise DataError(_other_columns(paths[0], columns, path, frame.columns))
    frames = _with_one_type([frame.select(columns) for frame in frames], paths)
    notes = [note for part in parts for note in part.notes]
    if len(notes) > _NOTES_SHOWN and len(parts) > 1:
        notes = [*notes[:_NOTES_SHOWN], f"Reading had {len(notes) - _NOTES_SHOWN} more notes on other files."]
    new = {name: values for name, values in keys.items() if name not in columns}
    if new:
        frames = [
            frame.with_columns(pl.lit(values[i], pl.String).alias(name) for name, values in new.items())
            for i, frame in enumerate(frames)
        ]
        notes.append(keys_note(list(new)))
    return Raw(pl.concat(frames, how="vertical_relaxed"), tuple(notes), _unnamed(parts))


def _unnamed(parts: Sequence[Raw]) -> pl.DataFrame:
    """The columns without names, where they are the same and of one type in all files; else none."""
    first = parts[0].unnamed.schema
    same = all(part.unnamed.schema == first for part in parts)
    return pl.concat([part.unnamed for part in parts]) if same else pl.DataFrame()


def _with_one_type(frames: list[pl.DataFrame], paths: Sequence[Path]) -> list[pl.DataFrame]:
    for name in frames[0].columns:
        types = [frame[name].dtype for frame in frames]
        if pl.UInt64 in types and len(set(types)) > 1 and all(dtype.is_integer() for dtype in types):
            # polars would turn these integers into floats, and long ids would become equal.
            frames = [frame.with_columns(frame[name].cast(_whole([f[name] for f in frames]))) for frame in frames]
            continue
        kinds = {kind for kind in map(_kind, types) if kind is not None}
        if len(kinds) < 2 and (kinds != {"other"} or len(set(types)) == 1):
            continue
        if "text" in kinds and "other" not in kinds:
            frames = [frame.with_columns(frame[name].cast(pl.String)) for frame in frames]
            continue
        i = next(i for i, dtype in enumerate(types) if dtype != types[0])
        raise DataError(
            f"Expected column '{name}' to be of one type in all files. Received: {types[0]} in {paths[0]}, {types[i]} "
            f"in {paths[i]}."
        )
    return frames


def _whole(columns: Sequence[pl.Series]) -> Any:
    """A type that holds all whole numbers of the columns exactly, and that other tools know."""
    return pl.Decimal(38, 0) if any((column < 0).any() for column in columns) else pl.UInt64()


def _kind(dtype: Any) -> str | None:
    """The kind of a type: types of one kind can be joined; None joins with any."""
    if dtype == pl.Null:
        return None
    if dtype.is_numeric():
        return "number"
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        return "text"
    if dtype == pl.Boolean:
        return "boolean"
    # Moments join only where their zones, or their lack of one, are the same.
    return f"moment{dtype.time_zone}" if isinstance(dtype, pl.Datetime) else "day" if dtype == pl.Date else "other"


def _other_columns(first: Path, columns: list[str], path: Path, others: list[str]) -> str:
    lacking = [f"no '{name}'" for name in columns if name not in others]
    more = [f"also '{name}'" for name in others if name not in columns]
    differences = ", ".join([*lacking, *more][:5])
    return f"Expected the columns of {first} in each file. Received: other columns in {path}: {differences}."
