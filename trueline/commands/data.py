"""``trueline data``: the rows that are kept beside the versions."""

from __future__ import annotations

import click
from rich.table import Column, Table
from rich.text import Text

from artifact.recipe import Recipe
from artifact.registry.usage import Usage, prune, usage
from trueline.commands.delete import confirm, yes_option
from trueline.commands.options import json_option, print_json
from trueline.environment import registry
from trueline.terminal.consoles import stderr, stdout

_UNITS = ("B", "kB", "MB", "GB", "TB")


@click.command("data")
@click.option("--prune", "prunes", is_flag=True, help="Remove the rows that no version needs.")
@click.option("--dry-run", is_flag=True, help="With --prune: say what would be removed, and remove nothing.")
@yes_option
@json_option
def data_command(prunes: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """List the rows kept beside the versions, by --keep-data or for gates: size, rows, and versions that need them.

    \b
    Example:
      trueline data --prune --dry-run
    """
    store = registry()
    used = usage(store)
    # While a version cannot be read, what it needs is not known, and nothing may go.
    unused = [table for table in used.tables if not table.uses and not used.problems]
    removed: dict[str, int] = {}
    if prunes and not dry_run and unused:
        confirm(f"Remove {_n_tables(len(unused))} of rows ({size_of(sum(table.size for table in unused))})?", yes)
    if prunes and not dry_run:
        removed = prune(store)
    if as_json:
        would = [table.sha256 for table in unused] if prunes and dry_run else []
        print_json({**_document(used), "removed": list(removed), "would_remove": would})
        return
    for problem in used.problems:
        stderr().print(f"Note: what this version needs is not known: {problem}")
    out = stdout()
    if not prunes:
        out.print(_table(used) if used.tables else "No rows are kept. Keep some: trueline train --keep-data")
        return
    for sha256, size in removed.items():
        out.print(f"Removed {sha256[:12]} ({size_of(size)}).")
    if dry_run:
        for table in unused:
            out.print(f"Would remove {table.sha256[:12]} ({size_of(table.size)}).")
    if dry_run and used.problems:
        out.print("Nothing would be removed while a version cannot be read.")
    elif not removed and not (dry_run and unused):
        out.print("Nothing to remove: every table is needed by a version.")


def size_of(size: int) -> str:
    """A number of bytes as a person reads it.

    Example:
        >>> size_of(34_210)
        '34 kB'
    """
    number, unit = float(size), 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {_UNITS[unit]}"


def kept_sentence(recipe: Recipe | None) -> str | None:
    """A sentence on the rows that are kept of a version; None where there are none."""
    if recipe is None or not recipe.kept_tables:
        return None
    rows = " and ".join(
        f"{table.rows:,} {words} ({size_of(table.size)})" for words, table in recipe.kept_tables.items()
    )
    return f"Its rows are kept: {rows}. Whoever can read the store can read them: trueline data"


def _n_tables(count: int) -> str:
    return f"{count} table{'' if count == 1 else 's'}"


def _table(used: Usage) -> Table:
    """One line for each table; a table that no version needs says so."""
    nobody = "no version that can be read" if used.problems else "no version"
    table_of_tables = Table("table", Column("rows", justify="right"), Column("size", justify="right"), "needed by")
    for table in used.tables:
        rows = f"{table.uses[0].table.rows:,}" if table.uses else ""
        users = ", ".join(f"{use.version} ({use.what})" for use in table.uses) or nobody
        table_of_tables.add_row(table.sha256[:12], rows, size_of(table.size), Text(users))
    return table_of_tables


def _document(used: Usage) -> dict[str, object]:
    return {
        "tables": [
            {
                "sha256": table.sha256,
                "size": table.size,
                "rows": table.uses[0].table.rows if table.uses else None,
                "uses": [{"version": use.version, "what": use.what} for use in table.uses],
            }
            for table in used.tables
        ],
        "problems": used.problems,
    }
