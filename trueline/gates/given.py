"""The rows that somebody gives for the gates, by the options of a command or by the arguments of the Python API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from artifact.errors import DataError
from trueline.environment import need_training
from trueline.frames import Data, ReadingWords, reading_of, source_of
from trueline.terminal.consoles import tell_note

if TYPE_CHECKING:
    from artifact.rows.absent import MissingColumns
    from trueline.gates.rows import Given


class RowsWords(ReadingWords, total=False):
    """How rows for the gates are read and grouped; ``trueline compare --help`` explains each."""

    groups: str | Sequence[str]
    allow_missing_columns: bool


def given_rows(data: Data | None, words: RowsWords) -> Given | None:
    """Rows for the gates; None where none are given.

    Args:
        data: the rows, or None.
        words: how they are read and grouped; a text has the names of groups with commas between.

    Raises:
        DataError: groups without rows, or that are no names; or the training extra is missing.
    """
    groups = words.get("groups", ())
    if isinstance(groups, str):
        groups = [name.strip() for name in groups.split(",") if name.strip()]
    if not isinstance(groups, list | tuple) or not all(isinstance(name, str) for name in groups):
        raise DataError(
            f"Expected 'groups' as names of columns, such as ('town',). Received: {groups!r}. Name the columns."
        )
    names = tuple(groups)
    if data is None:
        if names:
            raise DataError(
                f"Expected rows with --groups. Received: --groups {','.join(names)} alone. Give the rows too."
            )
        return None
    need_training("comparing on rows", "polars", "sklearn")
    from trueline.gates.rows import Given

    missing_columns: MissingColumns = "impute" if words.get("allow_missing_columns", False) else "refuse"
    return Given(source_of(data).rows, reading_of(words), missing_columns, names, tell_note)
