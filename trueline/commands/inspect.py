"""``trueline inspect``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from trueline.commands.options import DATA_HELP, json_option, print_json, reading_options, text_options
from trueline.environment import need_training
from trueline.terminal.consoles import stdout

if TYPE_CHECKING:
    from training.overview.inspect import Inspected
    from training.overview.overview import Overview
    from training.table.reading import Reading


@click.command("inspect", epilog=DATA_HELP)
@click.argument("data")
@click.option("--target", metavar="COL[,COL]", help="Column to predict; several with commas. Needed to find leaks.")
@click.option(
    "--schema", "schema_file", type=click.Path(path_type=Path), help="Corrections of the schema: a schema.toml."
)
@click.option(
    "--group",
    metavar="COL",
    help="As for train: rows with the same value in it stay in one fold or part; it is no feature.",
)
@click.option("--time", metavar="COL", help="As for train: column that orders the rows.")
@click.option(
    "--weight", metavar="COL", help="As for train: column that says how much each row counts; it is no feature."
)
@click.option(
    "--schema-out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a schema.toml to begin with. Needs --target.",
)
@click.option("--toml", is_flag=True, help="Print that schema.toml, and nothing else. Needs --target.")
@reading_options
@text_options
@json_option
def inspect_command(
    data: str,
    target: str | None,
    schema_file: Path | None,
    group: str | None,
    time: str | None,
    weight: str | None,
    schema_out: Path | None,
    toml: bool,
    as_json: bool,
    reading: Reading,
    rules: dict[str, Any],
) -> None:
    """Show what a table holds and how train would read it, in a second: kinds, gaps, ranges, and what looks wrong.

    \b
    Example:
      trueline inspect houses.csv --target price
    """
    need_training("inspect", "polars")
    from artifact.errors import DataError
    from artifact.files import replace_text
    from training.overview.inspect import inspect
    from training.prepare.request import Request
    from training.table.corrections import Corrections

    if target is None and (schema_out or toml):
        raise DataError(
            f"Expected --target with {'--toml' if toml else '--schema-out'}: a schema.toml says which columns are "
            "features. Received: none."
        )
    if schema_out and not schema_out.absolute().parent.is_dir():
        raise DataError(f"Expected a file in a folder that exists. Received: {schema_out}.")
    if toml and as_json:
        raise DataError("Expected --toml or --json. Received: both.")
    request = Request(
        data=data,
        targets=() if target is None else (target,),
        name="",
        corrections=(Corrections.read(schema_file) if schema_file else Corrections()).with_rules(**rules),
        group=group,
        time=time,
        weight=weight,
        reading=reading,
    )
    inspected = inspect(request)
    if inspected.refusal is not None and (schema_out or toml):
        raise inspected.refusal
    if schema_out:
        replace_text(schema_out, inspected.schema_toml())
    if toml:
        click.echo(inspected.schema_toml(), nl=False)
    else:
        out = stdout()
        for part in _lines(inspected):
            out.print(part)
        if schema_out:
            out.print(Text(f"Written: {schema_out}"))
    if as_json:
        refusal = None if inspected.refusal is None else str(inspected.refusal)
        print_json({**inspected.overview.document(), "refusal": refusal})
    if inspected.refusal is not None:
        raise inspected.refusal


def _lines(inspected: Inspected) -> Iterator[Table | Text]:
    from training.overview.alerts import NOTES

    overview = inspected.overview
    yield Text(f"{overview.data}: {overview.rows:,} rows, {len(overview.columns):,} columns")
    yield overview_table(overview)
    for alert in overview.alerts:
        yield Text(f"Note: {alert.sentence}" if alert.kind in NOTES else f"Check: {alert.sentence}")
    if not overview.alerts:
        yield Text("No column needs a look.")


def overview_table(overview: Overview) -> Table:
    """The columns with their facts; a fact that no column has is left out."""
    from training.overview.columns import FIGURES, cells

    names, lines = cells(overview.columns)
    table = Table()
    for name in names:
        right: Any = "right" if name in FIGURES else "left"
        table.add_column(name, justify=right, overflow="fold", no_wrap=name in FIGURES)
    for line in lines:
        table.add_row(*map(Text, line))
    return table
