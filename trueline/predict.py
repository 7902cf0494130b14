"""``trueline predict``: scores a file with the Predictor that the service uses."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from artifact.errors import DataError, Fault, SchemaMismatchError
from trueline.options import (
    DATA_HELP,
    json_option,
    missing_columns_option,
    need_training,
    print_json,
    reading_options,
    registry,
    runtime_option,
    stderr,
    stdout,
    text_column,
)

if TYPE_CHECKING:
    import polars as pl

    from artifact.absent import MissingColumns
    from artifact.predictor import Predictor
    from artifact.runtimes import RuntimeName
    from training.table.reading import Reading

# Rows scored at a time: large enough for full speed, small enough for a bar that moves.
CHUNK = 65_536
_FAULTS_SHOWN = 5


@click.command("predict", epilog=DATA_HELP)
@click.argument("model")
@click.argument("data")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .csv, .parquet, .arrow, .feather or .ndjson. Defaults to CSV on standard output.",
)
@click.option("--interval", "level", type=float, help="Level of the intervals, in (0, 1). Defaults to 0.9.")
@missing_columns_option
@runtime_option
@reading_options
@json_option
def predict_command(
    model: str,
    data: str,
    output: Path | None,
    level: float | None,
    missing_columns: MissingColumns,
    runtime: RuntimeName,
    as_json: bool,
    reading: Reading,
) -> None:
    """Predict each row of a table. MODEL is NAME (its champion), NAME:VERSION or NAME:champion.

    Writes the input's columns and value, lower, upper (several targets: NAME_value, NAME_lower, NAME_upper). Without
    an output file the result is printed as CSV.

    \b
    Example:
      trueline predict houses new.csv -o scored.parquet
    """
    need_training("predict", "polars")
    import polars as pl

    from artifact.predictor import Predictor
    from training.columns import check_features
    from training.data import read_raw
    from training.table.names import in_terms_of
    from training.typed import typed

    if output is not None:
        _writer(output)
    found = registry().resolve(model)
    predictor = Predictor.load(found.path, runtime=runtime)
    predictor.bound(level)
    found_raw = read_raw(data, reading, keep=predictor.schema.names)
    for note in found_raw.notes:
        stderr().print(f"Note: {note}")
    raw = in_terms_of(found_raw.frame, predictor.schema.names)
    check_features(raw.columns, predictor.schema, missing_columns)
    frame = typed(raw, as_text=[f.name for f in predictor.schema.categorical])
    answers, n_warnings = score(frame, predictor, level, missing_columns)
    # A CSV gets back the text that came in: "007" and 1.50 as they were.
    as_csv = output is None or output.suffix.lower() == ".csv"
    result = pl.concat([found_raw.unnamed, (raw if as_csv else frame).with_columns(answers)], how="horizontal")
    if output is None:
        click.echo(result.write_csv(), nl=False)
    else:
        write_table(result, output)
    _report(f"{found.name}:{found.version}", result.height, n_warnings, output, as_json)


def score(
    frame: pl.DataFrame, predictor: Predictor, level: float | None, missing_columns: MissingColumns = "refuse"
) -> tuple[list[pl.Series], int]:
    """The answers to a frame's rows as columns, and how many rows drew a warning.

    Args:
        missing_columns: see :func:`training.columns.encode_frame`. Defaults to ``refuse``.

    Raises:
        DataError: the table lacks a feature, or holds a column of an answer's name.
        SchemaMismatchError: values that the schema refuses, by row of the table.
    """
    import numpy as np
    import polars as pl

    from training.columns import encode_frame

    names = _answer_names(frame.columns, predictor.schema.target_names)
    answers: list[Any] = []
    n_warnings = 0
    columns = (text_column("Predicting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr(), transient=True) as progress:
        task = progress.add_task("", total=frame.height)
        for start in range(0, frame.height, CHUNK):
            chunk = frame.slice(start, CHUNK)
            try:
                answer = predictor.predict(
                    encode_frame(chunk, predictor.schema, missing_columns=missing_columns), level
                )
            except SchemaMismatchError as error:
                raise _by_row(error, start) from error
            n_warnings += len({warning.row for warning in answer.warnings})
            # As doubles, which is how the service writes them: the same digits in a CSV as in an answer's JSON.
            answers.append(np.stack([answer.value, answer.lower, answer.upper], axis=2).astype(np.float64))
            progress.advance(task, chunk.height)
    joined = np.concatenate(answers).reshape(frame.height, -1)
    return [pl.Series(name, joined[:, j]) for j, name in enumerate(names)], n_warnings


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write by the path's ending, whole or not at all."""
    write = _writer(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write(frame, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _writer(path: Path) -> Callable[[pl.DataFrame, Path], Any]:
    writers: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
        ".csv": lambda frame, to: frame.write_csv(to),
        ".parquet": lambda frame, to: frame.write_parquet(to),
        ".arrow": lambda frame, to: frame.write_ipc(to),
        ".feather": lambda frame, to: frame.write_ipc(to),
        ".ndjson": lambda frame, to: frame.write_ndjson(to),
    }
    if path.suffix.lower() not in writers:
        raise DataError(f"Expected an output file of {', '.join(writers)}. Received: {path}.")
    if not path.absolute().parent.is_dir():
        raise DataError(f"Expected an output file in a folder that exists. Received: {path}.")
    return writers[path.suffix.lower()]


def _answer_names(columns: list[str], targets: tuple[str, ...]) -> list[str]:
    parts = ("value", "lower", "upper")
    plain = list(parts)
    if len(targets) == 1 and not set(plain) & set(columns):
        return plain
    names = [f"{target}_{part}" for target in targets for part in parts]
    taken = [name for name in names if name in columns]
    if taken:
        raise DataError(f"Expected no column of an answer's name in the table. Received: '{taken[0]}'; rename it.")
    return names


def _by_row(error: SchemaMismatchError, start: int) -> DataError:
    """The faults as sentences, rows counted from 1 as in the table."""
    moved = [fault if fault.row is None else fault._replace(row=fault.row + start + 1) for fault in error.faults]
    lines = [_line(fault) for fault in moved[:_FAULTS_SHOWN]]
    if len(moved) > _FAULTS_SHOWN:
        lines.append(f"and {len(moved) - _FAULTS_SHOWN} more. Nothing was written.")
    return DataError("\n  ".join(["Expected rows that fit the model's schema. Received:", *lines]))


def _line(fault: Fault) -> str:
    where = "" if fault.row is None else f"row {fault.row}, "
    return f"{where}'{fault.field}': {fault.message} Received: {fault.received!r}."


def _report(model: str, rows: int, n_warnings: int, output: Path | None, as_json: bool) -> None:
    if as_json:
        name, _, version = model.partition(":")
        content = {"model_name": name, "model_version": version, "rows": rows, "rows_with_warnings": n_warnings}
        print_json({**content, "output": str(output) if output else None})
        return
    console = stdout() if output else stderr()
    written = f", written to {output}" if output else ""
    console.print(f"{rows:,} {'row' if rows == 1 else 'rows'} predicted by {model}{written}.")
    if n_warnings:
        hold = "row holds" if n_warnings == 1 else "rows hold"
        console.print(f"{n_warnings:,} {hold} values outside the training range or unseen categories.")
