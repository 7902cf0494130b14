"""``trueline evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Column, Table

from trueline.commands.options import DATA_HELP, print_json, scoring_options
from trueline.environment import need_training, registry
from trueline.evaluation import Measuring, evaluation
from trueline.terminal.consoles import stderr, stdout, tell_note

if TYPE_CHECKING:
    from artifact.rows.absent import MissingColumns
    from artifact.runtimes import RuntimeName
    from training.table.reading import Reading


@click.command("evaluate", epilog=DATA_HELP)
@click.argument("model")
@click.argument("data")
@scoring_options
def evaluate_command(
    model: str,
    data: str,
    level: float | None,
    missing_columns: MissingColumns,
    runtime: RuntimeName,
    as_json: bool,
    reading: Reading,
) -> None:
    """Measure a version on rows whose target is known. MODEL is NAME, NAME:VERSION or NAME:champion.

    \b
    Example:
      trueline evaluate houses sold-last-month.csv
    """
    need_training("evaluate", "polars", "sklearn")
    from artifact.predictor import Predictor

    version = registry().resolve(model)
    predictor = Predictor.load(version.path, runtime=runtime)
    measuring = Measuring(reading, level, missing_columns, tell_note, stderr().print)
    result = evaluation(data, version, predictor, measuring)
    if as_json:
        print_json(result.document())
        return
    out = stdout()
    for target in result.metrics:
        table = Table("metric", Column("value", justify="right"), title=result.title(target))
        for figure in result.figures(target):
            table.add_row(*figure)
        out.print(table)
        out.print(result.intervals(target))
