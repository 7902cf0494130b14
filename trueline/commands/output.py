"""Writes predicted tables: the formats, the types that each can hold, and files that appear whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from artifact.errors import DataError

if TYPE_CHECKING:
    import polars as pl

STDOUT = "CSV on standard output"


class _Format(NamedTuple):
    """How a format writes a table, and whether it can hold a type of column."""

    write: Callable[[pl.DataFrame, Any], Any]
    can_hold: Callable[[Any], bool]


def check_path(path: Path) -> None:
    """Check that a file can be written, before any work.

    Raises:
        DataError: an ending that names no format, or a folder that does not exist.
    """
    if path.suffix.lower() not in _formats():
        raise DataError(f"Expected an output file of {', '.join(_formats())}. Received: {path}.")
    if not path.absolute().parent.is_dir():
        raise DataError(f"Expected an output file in a folder that exists. Received: {path}.")


def check_columns_fit(frame: pl.DataFrame, path: Path | None) -> None:
    """Check that a format can hold each column of a table, before any work.

    Args:
        path: path of the file, or None for CSV on standard output.

    Raises:
        DataError: it cannot hold a column; the message has the formats that can hold all.
    """
    formats = _formats()
    format_ = formats[".csv" if path is None else path.suffix.lower()]
    unfit = [(name, dtype) for name, dtype in frame.schema.items() if not format_.can_hold(dtype)]
    if not unfit:
        return
    columns = ", ".join(f"'{name}' of type {dtype}" for name, dtype in unfit[:5])
    more = f" and {len(unfit) - 5} more" if len(unfit) > 5 else ""
    suffixes = [suffix for suffix, other in formats.items() if all(map(other.can_hold, frame.dtypes))]
    advice = f"Use -o with a file of {' or '.join(suffixes)}, or leave" if suffixes else "Leave"
    place = STDOUT if path is None else f"a file of {path.suffix.lower()}"
    pronoun = "them" if len(unfit) > 1 else "it"
    raise DataError(
        f"Expected columns that {place} can hold. Received: {columns}{more}. {advice} {pronoun} out of the table."
    )


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write by the path's ending, whole or not at all.

    Raises:
        DataError: a column that the format cannot hold.
    """
    import polars as pl

    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _formats()[path.suffix.lower()].write(frame, temporary)
        temporary.replace(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"Expected columns that a file of {path.suffix} can hold. Received: {reason}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def _without_int128(frame: pl.DataFrame) -> pl.DataFrame:
    """Turn 128-bit integers, which polars may read from NDJSON, into decimals, which other programs read too."""
    import polars as pl

    wide = [name for name, dtype in frame.schema.items() if dtype in (pl.Int128, pl.UInt128)]
    return frame.with_columns(pl.col(name).cast(pl.Decimal(38, 0)) for name in wide)


def _formats() -> dict[str, _Format]:
    import polars as pl

    def parts(dtype: Any) -> list[Any]:
        """The type and all types inside it."""
        if isinstance(dtype, pl.List | pl.Array):
            return [dtype, *parts(dtype.inner)]
        if isinstance(dtype, pl.Struct):
            return [dtype, *(part for field in dtype.fields for part in parts(field.dtype))]
        return [dtype]

    def holds_csv(dtype: Any) -> bool:
        return not (dtype.is_nested() or dtype in (pl.Binary, pl.Duration, pl.Object))

    def holds_all_but(*types: Any) -> Callable[[Any], bool]:
        return lambda dtype: not any(part in types for part in parts(dtype))

    def holds_parquet(dtype: Any) -> bool:
        return not any(part == pl.Object or (isinstance(part, pl.Struct) and not part.fields) for part in parts(dtype))

    arrow = _Format(lambda frame, to: _without_int128(frame).write_ipc(to), holds_all_but(pl.Object))
    return {
        ".csv": _Format(lambda frame, to: frame.write_csv(to), holds_csv),
        ".parquet": _Format(lambda frame, to: _without_int128(frame).write_parquet(to), holds_parquet),
        ".arrow": arrow,
        ".feather": arrow,
        ".ndjson": _Format(lambda frame, to: frame.write_ndjson(to), holds_all_but(pl.Binary, pl.Object)),
    }
