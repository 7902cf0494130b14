"""``trueline predict``: scores a file with the Predictor that the service uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from artifact.errors import SchemaMismatchError
from trueline.faults import by_row
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
from trueline.output import AnswerNames, answer_names, check_columns_fit, check_path, write_table

if TYPE_CHECKING:
    import polars as pl

    from artifact.predictor import Predictor
    from artifact.rows.absent import MissingColumns
    from artifact.runtimes import RuntimeName
    from training.table.reading import Reading

# Rows scored at a time: large enough for full speed, small enough for a bar that moves.
CHUNK = 65_536


@click.command("predict", epilog=DATA_HELP)
@click.argument("model")
@click.argument("data")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .csv, .parquet, .arrow, .feather or .ndjson; whole or not at all. "
    "Defaults to CSV on standard output.",
)
@click.option(
    "--interval", "level", type=float, metavar="LEVEL", help="Level of the intervals, in (0, 1). Defaults to 0.9."
)
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

    Writes the input's columns as they came and value, lower, upper (several targets: NAME_value, NAME_lower,
    NAME_upper) and warnings. Without an output file the result is printed as CSV.

    \b
    Example:
      trueline predict houses new.csv -o scored.parquet
    """
    need_training("predict", "polars")
    import polars as pl

    from artifact.predictor import Predictor
    from training.table.data import read_raw
    from training.table.encode import check_features
    from training.table.ids import ids_as_text
    from training.table.names import in_terms_of
    from training.table.types import typed

    if output is not None:
        check_path(output)
    found = registry().resolve(model)
    predictor = Predictor.load(found.path, runtime=runtime)
    predictor.bound(level)
    found_raw = read_raw(data, reading, keep=predictor.schema.names)
    for note in found_raw.notes:
        stderr().print(f"Note: {note}")
    raw = in_terms_of(found_raw.frame, predictor.schema.names)
    check_features(raw.columns, predictor.schema, missing_columns)
    names = answer_names([*found_raw.unnamed.columns, *raw.columns], predictor.schema.target_names)
    check_columns_fit(pl.concat([found_raw.unnamed, raw], how="horizontal"), output)
    features = raw.select(name for name in predictor.schema.names if name in raw.columns)
    features = ids_as_text(features, [f.name for f in predictor.schema.categorical])
    frame = typed(features, as_text=predictor.schema.names)
    scored = score(frame, predictor, level, names, missing_columns)
    # What is passed through comes out as it came: no type, no digit of it is touched.
    result = pl.concat([found_raw.unnamed, raw.with_columns(scored.columns)], how="horizontal")
    if output is None:
        click.echo(result.write_csv(), nl=False)
    else:
        write_table(result, output)
    _report(f"{found.name}:{found.version}", result.height, scored, output, as_json)


class Scored(NamedTuple):
    """Answers to a frame's rows.

    Attributes:
        columns: of each target its value, lower and upper end; then the warnings of a row as one text, null for none.
        with_warnings: how many rows have a warning.
        kinds: how many rows have a warning of each kind.
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
        names: of the answers' columns.
        missing_columns: see :func:`training.table.encode.encode_frame`. Defaults to ``refuse``.

    Raises:
        DataError: the table lacks a feature.
        SchemaMismatchError: values that the schema refuses, by row of the table.
    """
    import numpy as np
    import polars as pl

    from training.table.encode import encode_frame

    answers: list[Any] = []
    warnings: dict[int, str] = {}
    kinds: dict[str, set[int]] = {}
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
                raise by_row(error, range(start + 1, start + 1 + chunk.height)) from error
            for warning in answer.warnings:
                row = warning.row + start
                before = warnings.get(row)
                warnings[row] = warning.message if before is None else f"{before} {warning.message}"
                kinds.setdefault(warning.kind, set()).add(row)
            # As doubles, which is how the service writes them: the same digits in a CSV as in an answer's JSON.
            answers.append(np.stack([answer.value, answer.lower, answer.upper], axis=2).astype(np.float64))
            progress.advance(task, chunk.height)
    joined = np.concatenate(answers).reshape(frame.height, -1)
    ends = [pl.Series(name, joined[:, j]) for j, name in enumerate(names.ends)]
    texts = pl.Series(names.warnings, [warnings.get(row) for row in range(frame.height)], dtype=pl.String)
    return Scored([*ends, texts], len(warnings), {kind: len(rows) for kind, rows in kinds.items()})


def _report(model: str, rows: int, scored: Scored, output: Path | None, as_json: bool) -> None:
    if as_json:
        name, _, version = model.partition(":")
        content = {"model_name": name, "model_version": version, "rows": rows}
        counts = {"rows_with_warnings": scored.with_warnings, "warnings": scored.kinds}
        print_json({**content, **counts, "output": str(output) if output else None})
        return
    console = stdout() if output else stderr()
    written = f", written to {output}" if output else ""
    console.print(f"{rows:,} {'row' if rows == 1 else 'rows'} predicted by {model}{written}.", markup=False)
    if scored.kinds:
        have = "row has" if scored.with_warnings == 1 else "rows have"
        kinds = ", ".join(f"{kind} in {n:,}" for kind, n in scored.kinds.items())
        console.print(f"{scored.with_warnings:,} {have} a warning: {kinds}.", markup=False)
