"""``trueline predict``: scores a file with the Predictor that the service uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trueline.commands.options import DATA_HELP, print_json, scoring_options
from trueline.commands.output import check_columns_fit, check_path, write_table
from trueline.environment import need_training, registry
from trueline.scoring import Scored, answer_names, features_of, read_rows, score
from trueline.terminal.consoles import stderr, stdout, tell_note

if TYPE_CHECKING:
    from artifact.rows.absent import MissingColumns
    from artifact.runtimes import RuntimeName
    from training.table.reading import Reading


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
@scoring_options
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

    It writes the input's columns unchanged, then value, lower, upper (several targets: NAME_value, NAME_lower,
    NAME_upper) and warnings. Without an output file the result is printed as CSV.

    \b
    Example:
      trueline predict houses new.csv -o scored.parquet
    """
    need_training("predict", "polars")
    import polars as pl

    from artifact.predictor import Predictor

    if output is not None:
        check_path(output)
    version = registry().resolve(model)
    predictor = Predictor.load(version.path, runtime=runtime)
    predictor.bound(level)
    table = read_rows(data, predictor.schema, reading, missing_columns, tell_note)
    names = answer_names([*table.unnamed.columns, *table.frame.columns], predictor.schema.target_names)
    check_columns_fit(pl.concat([table.unnamed, table.frame], how="horizontal"), output)
    scored = score(features_of(table.frame, predictor.schema), predictor, level, names, missing_columns)
    # Columns that are passed through keep their types and every digit.
    result = pl.concat([table.unnamed, table.frame.with_columns(scored.columns)], how="horizontal")
    if output is None:
        click.echo(result.write_csv(), nl=False)
    else:
        write_table(result, output)
    _report(f"{version.name}:{version.version}", result.height, scored, output, as_json)


def _report(model: str, rows: int, scored: Scored, output: Path | None, as_json: bool) -> None:
    if as_json:
        name, _, version = model.partition(":")
        content = {"model_name": name, "model_version": version, "rows": rows}
        counts = {"rows_with_warnings": scored.with_warnings, "warnings": scored.kinds}
        print_json({**content, **counts, "output": str(output) if output else None})
        return
    console = stdout() if output else stderr()
    destination = f", written to {output}" if output else ""
    console.print(f"{rows:,} {'row' if rows == 1 else 'rows'} predicted by {model}{destination}.", markup=False)
    if scored.kinds:
        have = "row has" if scored.with_warnings == 1 else "rows have"
        kinds = ", ".join(f"{kind} in {n:,}" for kind, n in scored.kinds.items())
        console.print(f"{scored.with_warnings:,} {have} a warning: {kinds}.", markup=False)
