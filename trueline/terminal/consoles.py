"""Consoles that print a text unchanged."""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.console import Console
from rich.progress import TextColumn


def stderr() -> Console:
    """The console for progress and notes, so that stdout has only the answer."""
    return _console(stderr=True)


def stdout(widest: int = 200) -> Console:
    """The console for answers, as wide as its terminal.

    Args:
        widest: columns of a table in a pipe or a file, where ``COLUMNS`` gives no other number. Defaults to 200, which
            breaks hardly any line of a list.
    """
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else widest
    return _console(width=width)


def tell_note(note: str) -> None:
    """Print one note on standard error."""
    stderr().print(f"Note: {note}")


def tell_warning(warning: str) -> None:
    """Print one warning on standard error: what somebody should look at, even where notes are not wanted."""
    stderr().print(f"Warning: {warning}")


def text_column(template: str) -> TextColumn:
    """A text beside a progress bar, printed unchanged."""
    return TextColumn(template, markup=False)


def _console(**options: Any) -> Console:
    """A console that prints a text unchanged: rich would take the column name 'temp [/C]' for markup."""
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)
