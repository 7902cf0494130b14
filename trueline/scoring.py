"""Reads a table for a version, and adds the version's answers to its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from artifact.errors import DataError, Fault, SchemaMismatchError
from trueline.terminal.consoles import stderr, text_column

if TYPE_CHECKING:
    import polars as pl

    from artifact.predictor import Predictor
    from artifact.rows.absent import MissingColumns
    from artifact.rows.encoding import Encoded
    from artifact.rows.schema import FeatureSchema
    from training.table.reading import Raw, Reading

# Rows scored at a time: enough for full speed, and few enough for a progress bar that moves.
CHUNK = 65_536
_PARTS = ("value", "lower", "upper")
WARNINGS = "warnings"
_MAX_LINES = 5


class AnswerNames(NamedTuple):
    """Names of the columns that are added to a table for its answers.

    Attributes:
        ends: for each target the columns of its value, lower and upper end.
        warnings: the column of warnings.
    """

    ends: list[str]
    warnings: str


def answer_names(columns: Sequence[str], targets: Sequence[str]) -> AnswerNames:
    """Names for the columns of answers: ``value`` and so on, or ``TARGET_value`` and so on where these are not unique.

    Raises:
        DataError: the table has columns of these names too.
    """
    ends = list(_PARTS)
    if len(targets) > 1 or set(ends) & set(columns):
        ends = [f"{target}_{part}" for target in targets for part in _PARTS]
    warnings = f"{'_'.join(targets)}_{WARNINGS}" if WARNINGS in columns else WARNINGS
    clashes = [name for name in (*ends, warnings) if name in columns]
    if clashes:
        raise DataError(f"Expected no column of an answer's name in the table. Received: '{clashes[0]}'; rename it.")
    return AnswerNames(ends, warnings)


def read_rows(
    rows: str | pl.DataFrame,
    schema: FeatureSchema,
    reading: Reading,
    missing_columns: MissingColumns,
    note: Callable[[str], None],
) -> Raw:
    """Read a table for a version to answer; its columns get the names that the version knows.

    Args:
        rows: see :func:`training.table.data.read_raw`.
        schema: schema of the version.
        reading: how files are read.
        missing_columns: see :func:`training.table.encode.encode_frame`.
        note: called with each note about how the table was read.

    Raises:
        DataError: the table cannot be read, or lacks a feature.
    """
    from training.table.data import read_raw
    from training.table.encode import check_features
    from training.table.names import in_terms_of

    raw = read_raw(rows, reading, keep=schema.names)
    for sentence in raw.notes:
        note(sentence)
    raw = raw._replace(frame=in_terms_of(raw.frame, schema.names))
    check_features(raw.frame.columns, schema, missing_columns)
    return raw


def features_of(frame: pl.DataFrame, schema: FeatureSchema) -> pl.DataFrame:
    """The features' columns, typed; features that the frame lacks are skipped.

    Args:
        frame: the table from :func:`read_rows`.
        schema: schema of the version.
    """
    from training.table.ids import ids_as_text
    from training.table.types import typed

    features = frame.select(name for name in schema.names if name in frame.columns)
    features = ids_as_text(features, [f.name for f in schema.categorical])
    return typed(features, as_text=schema.names)


class Scored(NamedTuple):
    """Answers to a frame's rows.

    Attributes:
        columns: for each target its value, lower and upper end; then each row's warnings as one text, null for none.
        with_warnings: number of rows that have a warning.
        kinds: number of rows that have a warning of each kind.
    """

    columns: list[pl.Series]
    with_warnings: int
    kinds: dict[str, int]


def score(
    frame: pl.DataFrame,
    predictor: Predictor,
    level: float | None,
    names: AnswerNames,
    missing_columns: MissingColumns = "refuse",
) -> Scored:
    """The answers to a frame's rows.

    Args:
        frame: the features' columns, typed.
        predictor: predictor of the version.
        level: level of the intervals, or None for 0.9.
        names: names of the answers' columns.
        missing_columns: see :func:`training.table.encode.encode_frame`. Defaults to ``refuse``.

    Raises:
        DataError: the table lacks a feature, or has values that the schema refuses; the message gives their rows.
    """
    import numpy as np
    import polars as pl

    answers: list[Any] = []
    warnings: dict[int, str] = {}
    kinds: dict[str, set[int]] = {}
    columns = (text_column("Predicting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr()
    silent = console.is_jupyter or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=silent) as progress:
        task = progress.add_task("", total=frame.height)
        for start in range(0, frame.height, CHUNK):
            X = _part(frame, start, predictor.schema, missing_columns, range(1, frame.height + 1))
            answer = predictor.predict(X, level)
            for warning in answer.warnings:
                row = warning.row + start
                before = warnings.get(row)
                warnings[row] = warning.message if before is None else f"{before} {warning.message}"
                kinds.setdefault(warning.kind, set()).add(row)
            # As float64, as the service writes them: a CSV has the same digits as the service's JSON.
            answers.append(np.stack([answer.value, answer.lower, answer.upper], axis=2).astype(np.float64))
            progress.advance(task, len(X))
    values = np.concatenate(answers).reshape(frame.height, -1)
    ends = [pl.Series(name, values[:, j]) for j, name in enumerate(names.ends)]
    texts = pl.Series(names.warnings, [warnings.get(row) for row in range(frame.height)], dtype=pl.String)
    return Scored([*ends, texts], len(warnings), {kind: len(rows) for kind, rows in kinds.items()})


def encoded_in_parts(
    table: pl.DataFrame, schema: FeatureSchema, missing_columns: MissingColumns, numbers: Sequence[int]
) -> Encoded:
    """All rows as a network takes them, without warnings; encoding a part at a time needs little more memory than they.

    Args:
        table: the features' columns, typed.
        schema: schema of the version.
        missing_columns: see :func:`training.table.encode.encode_frame`.
        numbers: for each row its number in the table as it was read, from 1.

    Raises:
        DataError: the table lacks a feature, or has values that the schema refuses; the message gives the rows of the
            first part that has some.
    """
    import numpy as np

    from artifact.rows.encoding import Encoded

    whole = Encoded(
        np.empty((table.height, len(schema.numeric_columns)), np.float32),
        np.empty((table.height, len(schema.categorical)), np.int32),
    )
    for start in range(0, table.height, CHUNK):
        rows = slice(start, start + CHUNK)
        part = _part(table, start, schema, missing_columns, numbers)
        whole.numeric[rows], whole.categorical[rows] = part.numeric, part.categorical
    return whole


def _part(
    table: pl.DataFrame, start: int, schema: FeatureSchema, missing_columns: MissingColumns, numbers: Sequence[int]
) -> Encoded:
    """One part of the rows, encoded; see :func:`encoded_in_parts`."""
    from training.table.encode import encode_frame

    try:
        return encode_frame(table.slice(start, CHUNK), schema, missing_columns=missing_columns)
    except SchemaMismatchError as error:
        raise by_row(error, numbers[start : start + CHUNK]) from error


def by_row(error: SchemaMismatchError, numbers: Sequence[int]) -> DataError:
    """The faults as one error, a line for each.

    Args:
        error: the faults.
        numbers: for each encoded row, its number in the table, from 1.
    """
    lines = [_line(fault, numbers) for fault in error.faults[:_MAX_LINES]]
    if len(error.faults) > _MAX_LINES:
        lines.append(f"and {len(error.faults) - _MAX_LINES} more. Nothing was written.")
    return DataError("\n  ".join(["Expected rows that fit the model's schema. Received:", *lines]))


def _line(fault: Fault, numbers: Sequence[int]) -> str:
    place = "" if fault.row is None else f"row {numbers[fault.row]}, "
    return f"{place}'{fault.field}': {fault.message} Received: {fault.received!r}."
