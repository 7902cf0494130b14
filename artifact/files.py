"""Files that are on disk whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pydantic import ValidationError


def absolute(path: str) -> Path:
    """The absolute path, with ``~`` and ``$NAME`` replaced; it need not exist."""
    return Path(os.path.expandvars(path)).expanduser().absolute()


def replace_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: a reader sees the old text or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_text(text, encoding="utf-8")
        flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush(path.parent)


def flush(path: Path) -> None:
    """Write a file's or a folder's content to the disk before this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_small(path: Path, limit: int) -> bytes:
    """The bytes of a file that is small unless something is wrong with it.

    Raises:
        ValueError: there are more than ``limit`` bytes.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"more than {limit:,} bytes")
    return content


def below(folder: Path) -> tuple[list[Path], list[Path]]:
    """All files, and all folders, at any depth below a folder.

    ``Path.rglob`` would not do: from Python 3.13 on it leaves out every folder that it cannot read, whatever the fault
    is.

    Raises:
        OSError: a folder cannot be read: the rights are missing, or no descriptor is free.
    """

    def fail(error: OSError) -> None:
        raise error

    files: list[Path] = []
    folders: list[Path] = []
    for name, inner, names in os.walk(folder, onerror=fail):
        files += [Path(name, file) for file in names]
        folders += [Path(name, inside) for inside in inner]
    return files, folders


def no_rest() -> None:
    """Go on at once: the work that is done in pieces has the machine for itself."""


def unreadable(error: Exception) -> str:
    """Why a stored file cannot be read, in one line, from the error of the system, of JSON or of pydantic.

    Example:
        >>> unreadable(PermissionError(13, "Permission denied"))
        'permission denied'
    """
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = "".join(f"'{part}' " for part in first["loc"])
        return f"{place}{first['msg'][:1].lower()}{first['msg'][1:]}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).partition("\n")[0]
