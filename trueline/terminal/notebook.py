"""A bar that a notebook shows in place, without widgets: rich draws it, and the cell's output is replaced."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

from rich.padding import Padding
from rich.progress import Progress

# Seconds between two drawings: a front end cannot draw as fast as training goes on.
EVERY = 0.25


class NotebookProgress(Progress):
    """rich's progress bar, drawn when it is updated, without a thread of its own.

    Args:
        *columns: see :class:`rich.progress.Progress`.
        **options: see :class:`rich.progress.Progress`.
    """

    def __init__(self, *columns: Any, **options: Any) -> None:
        super().__init__(*columns, **options, auto_refresh=False)
        self._redraw: Callable[[Any], Any] | None = None
        self._last_drawing = 0.0

    def start(self) -> None:
        """Begin an output in the cell."""
        display = importlib.import_module("IPython.display").display
        self._redraw = display(self._drawing(), display_id=True).update

    def stop(self) -> None:
        """Empty the output: the result says enough."""
        if self._redraw is not None:
            self._redraw(_Nothing())
        self._redraw = None

    def refresh(self) -> None:
        """Draw, but not more often than four times a second."""
        now = time.monotonic()
        if self._redraw is not None and now - self._last_drawing >= EVERY:
            self._last_drawing = now
            self._redraw(self._drawing())

    def update(self, *args: Any, **fields: Any) -> None:
        """Store a task's new fields, and draw."""
        super().update(*args, **{**fields, "refresh": True})

    def _drawing(self) -> Padding:
        """The bar inside a padding: a notebook can show rich's padding, but not rich's group."""
        return Padding(self.get_renderable(), 0)


class _Nothing:
    """The empty output that a finished bar leaves."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": "", "text/html": ""}
