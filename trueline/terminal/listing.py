"""Lists of the terminal: one line for each thing, without the columns that no line fills."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from rich.table import Table
from rich.text import Text


def listing(
    lines: Sequence[Mapping[str, str]], *, unbroken: Collection[str] = (), numbers: Collection[str] = ()
) -> Table:
    """A table of lines that have the same columns.

    Args:
        lines: cells by column, at least one line. A column without a value in any line is left out.
        unbroken: columns whose cells never break over lines.
        numbers: columns that are set to the right.
    """
    names = [name for name in lines[0] if any(line[name] for line in lines)]
    table = Table()
    for name in names:
        justify: Literal["left", "right"] = "right" if name in numbers else "left"
        table.add_column(name, justify=justify, no_wrap=name in unbroken, overflow="fold")
    for line in lines:
        table.add_row(*(Text(line[name]) for name in names))
    return table
