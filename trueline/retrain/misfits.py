"""Names the rows whose values do not fit an earlier version, so that somebody can correct them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from artifact.errors import DataError, SchemaMismatchError
from artifact.rows.schema import FeatureSchema

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 3


def of_other_kind(fresh: pl.DataFrame | None, schema: FeatureSchema, name: str) -> str:
    """A sentence on the first values that are of another kind than a feature, after a space; empty for none.

    Args:
        fresh: the new rows, as they were read; None where they are streamed.
        schema: schema of the earlier version.
        name: name of the feature.
    """
    from training.table.encode import encode_frame

    if fresh is None or name not in fresh.columns:
        return ""
    alone = FeatureSchema(features=(schema.feature(name),), targets=schema.targets)
    try:
        encode_frame(fresh.select(name), alone.lenient())
    except SchemaMismatchError as error:
        rows = [f"{fault.received!r} in row {fault.row + 1:,}" for fault in error.faults if fault.row is not None]
        more = " and so on" if len(rows) > _SHOWN else ""
        return f" It has {', '.join(rows[:_SHOWN])}{more}." if rows else ""
    return ""


@contextmanager
def naming_rows(fresh: pl.DataFrame | None, schema: FeatureSchema, data: str) -> Iterator[None]:
    """Let an error about a target's values name their rows; training counts kept rows and new ones together.

    Args:
        fresh: the new rows, as they were read; None where they are streamed.
        schema: schema of the earlier version.
        data: name of the new rows.

    Raises:
        DataError: what the block raises, with the rows.
    """
    from training.table.encode import others_than_numbers

    try:
        yield
    except DataError as error:
        if fresh is None or type(error) is not DataError:
            raise
        for target in schema.targets:
            if f"'{target.name}'" in str(error) and (others := others_than_numbers(fresh[target.name], target)):
                raise DataError(f"{error} In {data} '{target.name}' has {others}.") from error
        raise
