"""``trueline example``: a made-up table for a first try."""

from __future__ import annotations

from pathlib import Path

import click

from artifact.errors import DataError
from artifact.files import replace_text
from trueline.commands.options import json_option, print_json
from trueline.terminal.consoles import stdout


@click.command("example")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--rows",
    type=click.IntRange(min=1, max=1_000_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="Number of sales.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Seed of everything random."
)
@click.option("--leak", is_flag=True, help="Add a column that is known only after the sale: commission.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@json_option
def example_command(file: Path, rows: int, seed: int, leak: bool, force: bool, as_json: bool) -> None:
    """Write a made-up table of sold houses, for a first try: a CSV whose target is price.

    It has a date, categories, missing values, and streets whose houses have similar prices. The same seed gives the
    same rows.

    \b
    Example:
      trueline example houses.csv
    """
    from trueline.houses import houses_csv

    if file.exists() and not force:
        raise DataError(f"Expected a file that does not exist. Received: {file}. Name another one, or say --force.")
    if not file.absolute().parent.is_dir():
        raise DataError(f"Expected a file in a folder that exists. Received: {file}.")
    replace_text(file, houses_csv(rows, seed, leak=leak))
    if as_json:
        print_json({"file": str(file), "rows": rows, "target": "price"})
        return
    stdout().print(f"Wrote {rows:,} made-up sales to {file}. Train on them: trueline train {file} --target price")
