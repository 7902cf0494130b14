"""Options for reading a file, and the table that reading gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from artifact.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# Separators that are awkward to type, by their names.
_SEPARATOR_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a file, as the user says; None where the file's content decides.

    Attributes:
        separator: one character between the fields of a CSV; also ``tab``, ``comma``, ``semicolon``, ``pipe`` or
            ``space``.
        encoding: encoding of a CSV or NDJSON file, by a name that Python knows.
        sheet: name of a sheet in an Excel file.
    """

    separator: str | None = None
    encoding: str | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        if self.separator is not None:
            separator = _SEPARATOR_NAMES.get(self.separator, self.separator)
            if len(separator) != 1 or not separator.isascii() or separator in '\r\n"':
                names = ", ".join(name for name in _SEPARATOR_NAMES if name != "\\t")
                raise DataError(f"Expected --separator as one character, or {names}. Received: {self.separator!r}.")
            object.__setattr__(self, "separator", separator)
        if self.encoding is not None:
            _check_encoding(self.encoding)


def _check_encoding(encoding: str) -> None:
    try:
        # Codecs from bytes to bytes, such as base64, are no encodings of text: decode raises a LookupError for them.
        b"  ".decode(encoding)
    except UnicodeError:
        return
    except LookupError:
        raise DataError(
            f"Expected --encoding as a name that Python knows, such as utf-8, utf-16, cp1252 or latin-1. "
            f"Received: {encoding!r}."
        ) from None


class Raw(NamedTuple):
    """A table as its files hold it, before columns get their types.

    Attributes:
        frame: its columns. Those of a text file are String; those of other files have the file's types.
        notes: sentences for the user on what reading decided.
        unnamed: columns without a name of their own, such as the index that pandas writes; none is a feature.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...]
    unnamed: pl.DataFrame
