"""Lists of the terminal: a table without the columns that no line fills, or blocks where the terminal is narrow."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

# Columns of the frame beside each cell, and at the end.
_FRAME, _END = 3, 1


def listing(
    lines: Sequence[Mapping[str, str]], *, unbroken: Collection[str] = (), numbers: Collection[str] = ()
) -> Table:
    """A table of lines that have the same columns.

    Args:
        lines: cells by column, at least one line. A column without a value in any line is left out.
        unbroken: columns whose cells never break over lines.
        numbers: columns that are set to the right.
    """
    names = _filled(lines)
    table = Table()
    for name in names:
        justify: Literal["left", "right"] = "right" if name in numbers else "left"
        table.add_column(name, justify=justify, no_wrap=name in unbroken, overflow="fold")
    for line in lines:
        table.add_row(*(Text(line[name]) for name in names))
    return table


def listing_width(lines: Sequence[Mapping[str, str]], *, unbroken: Collection[str], ease: int) -> int:
    """The number of columns in which a listing reads with ease.

    Args:
        lines, unbroken: see :func:`listing`.
        ease: columns that are enough for a cell which may break over lines.
    """
    widths = 0
    for name in _filled(lines):
        width = max(cell_len(name), *(cell_len(line[name]) for line in lines))
        widths += width if name in unbroken else min(width, ease)
        widths += _FRAME
    return widths + _END


def blocks(lines: Sequence[Mapping[str, str]], heading: Collection[str], width: int) -> str:
    """The same as a listing for a narrow terminal: for each line a heading, and below it a line for each cell.

    Args:
        lines: cells by column; empty cells are left out.
        heading: columns of the heading.
        width: columns of the terminal.
    """
    names = [name for name in _filled(lines) if name not in heading]
    indent = max([0, *map(len, names)]) + 4

    def cell(name: str, text: str) -> str:
        first, further = f"  {name}".ljust(indent), " " * indent
        wide = max(width, 2 * indent)
        return textwrap.fill(text, wide, initial_indent=first, subsequent_indent=further, break_on_hyphens=False)

    parts = []
    for line in lines:
        parts.append("  ".join(line[name] for name in heading if line[name]))
        parts += [cell(name, line[name]) for name in names if line[name]]
    return "\n".join(parts)


def _filled(lines: Sequence[Mapping[str, str]]) -> list[str]:
    return [name for name in lines[0] if any(line[name] for line in lines)]
