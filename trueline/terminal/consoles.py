"""Consoles that show a text as it is."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.progress import TextColumn


def stderr() -> Console:
    """Where progress and notes go, so that stdout holds only the answer."""
    return _console(stderr=True)


def stdout() -> Console:
    """Where answers go; a pipe or a file gets lines as wide as they need."""
    width = None if sys.stdout.isatty() else 200
    return _console(width=width)


def tell_note(note: str) -> None:
    """One note on standard error."""
    stderr().print(f"Note: {note}")


def text_column(template: str) -> TextColumn:
    """A text beside a progress bar, shown as it is."""
    return TextColumn(template, markup=False)


def _console(**options: Any) -> Console:
    """A console that shows a text as it is: a column may be called 'temp [/C]', which is markup to rich."""
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)
