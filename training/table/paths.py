"""Which files a table consists of: one file, a folder or the matches of a pattern; and the keys in their paths."""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from urllib.parse import unquote

from artifact.errors import DataError, unknown_name
from training.table.names import canonical

# The path that stands for standard input.
STDIN = "-"
COMPRESSED = (".gz", ".bz2", ".zst", ".xz")
SUFFIXES = (".csv", ".tsv", ".parquet", ".arrow", ".feather", ".ndjson", ".jsonl", ".xlsx")
_KEY = re.compile(r"([^=]+)=(.*)")
# Hive's and Spark's word for a key without a value.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def files_of(data: str) -> list[Path]:
    """The files of a path, a pattern or a folder, sorted by their paths.

    A file of exactly this name wins over a pattern: ``sales[1].csv`` is the file of that name, if it exists.

    Raises:
        DataError: the path is empty; no file matches; or a folder holds no tables, or tables of several formats.
    """
    if not data.strip():
        # As a path it would mean the current folder; most often it is a variable of a shell that is not set.
        raise DataError("Expected the path of a table. Received: an empty text. Name a file, a folder or a pattern.")
    path = Path(data)
    if path.is_file():
        return [path]
    if path.is_dir():
        return _in_folder(path)
    if path.exists():
        raise DataError(f"Expected a file. Received: {path}, a device or pipe. Give - to read standard input.")
    if not glob.has_magic(data):
        siblings = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
        hint = f" {unknown_name('file', path.name, siblings, limit=5)}" if siblings else ""
        raise DataError(f"Expected a file. Received: {path}, which does not exist.{hint}")
    matches = [Path(p) for p in sorted(glob.glob(data, recursive=True))]  # noqa: PTH207
    # A pattern such as '**' matches both folders and files: then the files count. Folders count where no file matches.
    files = [p for p in matches if p.is_file()] or [
        file for folder in matches if folder.is_dir() for file in _in_folder(folder)
    ]
    if not files:
        raise DataError(f"Expected files that match '{data}'. Received: none.")
    return files


def format_of(path: Path) -> str:
    """A file's ending in lower case, without the ending of its compression: ``.csv`` for ``houses.CSV.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def keys_of(path: Path) -> dict[str, str | None]:
    """Columns that the folders of a path name, as in Hive and Spark: ``region=north/`` is the column ``region``.

    Example:
        >>> keys_of(Path("sales/region=north/year=2024/part-0.parquet"))
        {'region': 'north', 'year': '2024'}
    """
    keys: dict[str, str | None] = {}
    for folder in path.parts[:-1]:
        if match := _KEY.fullmatch(folder):
            name, value = (unquote(text) for text in match.groups())
            keys[canonical(name)] = None if value in ("", _NO_VALUE) else value
    return keys


def keys_in(paths: Sequence[Path], keep: Collection[str] = ()) -> dict[str, list[str | None]]:
    """The keys in the paths of a table's files, each with its value for each file.

    A key with one value for all files tells nothing about the rows: it becomes no column, unless it is in ``keep``.

    Raises:
        DataError: the files' paths have different keys.
    """
    keys = [keys_of(path) for path in paths]
    for path, own in zip(paths, keys, strict=True):
        if list(own) != list(keys[0]):
            listed = [", ".join(f"'{name}'" for name in one) or "none" for one in (keys[0], own)]
            raise DataError(
                f"Expected the same keys in the folders of all files. Received: {listed[0]} for {paths[0]}, "
                f"{listed[1]} for {path}."
            )
    values = {name: [own[name] for own in keys] for name in keys[0]}
    return {name: column for name, column in values.items() if name in keep or len(set(column)) > 1}


def keys_note(names: list[str]) -> str:
    """A note on columns that are read from the folders' names."""
    listed = ", ".join(f"'{name}'" for name in names)
    return f"{listed} {'is' if len(names) == 1 else 'are'} read from the names of the files' folders."


def _in_folder(folder: Path) -> list[Path]:
    """A folder's tables, at any depth, without files or folders that begin with ``.`` or ``_``: other tools' marks."""
    inside = [p for p in sorted(folder.rglob("*")) if p.is_file() and not _is_mark(p.relative_to(folder))]
    files = [p for p in inside if format_of(p) in SUFFIXES]
    formats = sorted({format_of(p) for p in files})
    if len(formats) == 1:
        return files
    if not formats:
        raise DataError(f"Expected a folder with files of {', '.join(SUFFIXES)}. Received: {folder}, which holds none.")
    globs = " or ".join(f"'{folder}/**/*{suffix}'" for suffix in formats)
    raise DataError(f"Expected files of one format. Received: {folder} with several. Give one of them: {globs}.")


def _is_mark(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)
