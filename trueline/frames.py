"""Tables as a caller gives them (paths, or frames in memory), and answers as frames of the same kind."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Union

from artifact.errors import DataError
from artifact.lineage import IN_MEMORY

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from training.table.reading import Reading

Data: TypeAlias = "Union[str, os.PathLike[str], pl.DataFrame, pd.DataFrame, pa.Table]"  # noqa: UP007
Frame: TypeAlias = "Union[pl.DataFrame, pd.DataFrame, pa.Table]"  # noqa: UP007
Kind = Literal["path", "polars", "pandas", "pyarrow"]


class ReadingWords(TypedDict, total=False):
    """How a file is read: its separator, its encoding, and its sheet. Each defaults to what the file shows."""

    separator: str | None
    encoding: str | None
    sheet: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """A table as the caller gave it.

    Attributes:
        name: the path, or in words the kind of frame.
        kind: a path, or the library of the frame.
        frame: the table as a polars frame; None for a path.
        index: index of a pandas frame, else None.
    """

    name: str
    kind: Kind
    frame: pl.DataFrame | None = None
    index: Any = None

    @property
    def rows(self) -> str | pl.DataFrame:
        """The path or frame, as :func:`training.table.data.read_raw` takes it."""
        return self.name if self.frame is None else self.frame

    def alike(self, answers: pl.DataFrame) -> Frame:
        """Answers as a frame of the caller's kind; a pandas frame gets its index back, a path gives polars."""
        if self.kind == "pandas":
            frame = answers.to_pandas()
            frame.index = self.index
            return frame
        return answers.to_arrow() if self.kind == "pyarrow" else answers


def source_of(data: Data) -> Source:
    """The table that the caller gave.

    Raises:
        DataError: ``data`` is no table, or a frame with two columns of one name or a column of mixed types.
    """
    if isinstance(data, str | os.PathLike):
        return Source(os.fspath(data), "path")
    kind = _kind(data)
    if kind is None:
        raise DataError(
            f"Expected a path, {' or '.join(IN_MEMORY.values())}. Received: {type(data).__name__}. Convert it to one."
        )
    convert = {"polars": lambda frame: frame, "pandas": _from_pandas, "pyarrow": _from_arrow}[kind]
    return Source(IN_MEMORY[kind], kind, convert(data), getattr(data, "index", None))


def reading_of(words: ReadingWords) -> Reading:
    """How a file is read, as the reader takes it."""
    from training.table.reading import Reading

    return Reading(words.get("separator"), words.get("encoding"), words.get("sheet"))


def is_frame(data: Any) -> bool:
    """Whether something is a polars or pandas DataFrame, or a pyarrow Table."""
    return _kind(data) is not None


def _kind(data: Any) -> Kind | None:
    """The library of a frame; a library that was never imported cannot have made it."""
    classes: tuple[tuple[Kind, str], ...] = (("polars", "DataFrame"), ("pandas", "DataFrame"), ("pyarrow", "Table"))
    for name, frame in classes:
        library = sys.modules.get(name)
        if library is not None and isinstance(data, getattr(library, frame)):
            return name
    return None


def _from_pandas(data: Any) -> pl.DataFrame:
    import polars as pl

    from training.table.names import checked_names

    names = checked_names([str(name) for name in data.columns], "the DataFrame")
    columns = []
    for i, name in enumerate(names):
        column = data.iloc[:, i]
        try:
            columns.append(pl.Series(name, pl.from_pandas(column)))
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(
                f"Expected one type of values in column '{name}'. Received: {reason}. "
                f"Convert it: data['{name}'].astype(str), or another type."
            ) from error
    return pl.DataFrame(columns)


def _from_arrow(data: Any) -> pl.DataFrame:
    import polars as pl

    from training.table.names import checked_names

    checked_names(data.column_names, "the Table")
    return pl.DataFrame(pl.from_arrow(data))
