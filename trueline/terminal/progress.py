"""Progress of ``train``: a bar on a terminal or in a notebook; elsewhere, as in a log, a line every ten seconds."""

from __future__ import annotations

import math
import threading
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TimeRemainingColumn
from rich.text import Text

from artifact.words.display import number
from trueline.terminal.consoles import text_column
from trueline.terminal.notebook import NotebookProgress
from trueline.terminal.tables import schema_table

if TYPE_CHECKING:
    from artifact.rows.schema import FeatureSchema

STAGES = {
    "read": "Reading",
    "fit": "Training",
    "distil": "Teaching a small network",
    "compare": "Comparing with simpler models",
    "refit": "Training on all rows",
    "store": "Storing",
}
# Stages whose epochs have an error on rows that the network has not seen.
_STAGES_WITH_ERROR = ("fit",)
EVERY_SECONDS = 10.0


class Teller(AbstractContextManager["Teller"]):
    """Shows the progress that :class:`training.train.Observer` reports.

    Args:
        console: the console to print on.
        shown: the error's name, as :class:`training.objectives.kinds.Kind` has it.
        in_unit: whether the error of a single target is in the target's unit. With several targets it has no unit.
        quiet: show nothing. Defaults to False.
        verbose: show each stage and each epoch. Defaults to False.
        every: seconds between two lines where there is no terminal. Defaults to 10.
    """

    def __init__(
        self,
        console: Console,
        shown: str,
        *,
        in_unit: bool,
        quiet: bool = False,
        verbose: bool = False,
        every: float = EVERY_SECONDS,
    ) -> None:
        self._console, self._error_name, self._in_unit = console, shown, in_unit
        self._quiet, self._verbose, self._every = quiet, verbose, every
        self._bar = None if quiet else _bar_on(console)
        self._task = None if self._bar is None else self._bar.add_task("Starting", total=None, detail="")
        self._unit = ""
        self._began = self._stage_began = time.monotonic()
        self._stage, self._detail, self._time_left = "", "", ""
        self._end = threading.Event()
        self._lines = threading.Thread(target=self._tell, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        elif not self._quiet:
            self._lines.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._bar is not None:
            self._bar.stop()

    def stage(self, name: str) -> None:
        """A stage begins."""
        self._stage, self._stage_began, self._detail, self._time_left = name, time.monotonic(), "", ""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=STAGES[name], total=None, detail="")
        if self._verbose:
            self._line()

    def epoch(self, epoch: int, epochs: int, error: float) -> None:
        """An epoch has ended; ``error`` is NaN where no row measured it."""
        measure = f", validation {self._error_name} {number(error)}{self._unit}"
        has_error = self._stage in _STAGES_WITH_ERROR and math.isfinite(error)
        self._detail = f"epoch {epoch} of {epochs}" + (measure if has_error else "")
        seconds = (time.monotonic() - self._stage_began) / epoch * (epochs - epoch)
        self._time_left = f", {duration(seconds)} left at most" if epoch < epochs else ""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=epochs, completed=epoch, detail=self._detail)
        if self._verbose:
            self._line()

    def schema(self, schema: FeatureSchema, notes: list[str]) -> None:
        """Show the table's schema and the notes on it."""
        if self._in_unit:
            only = schema.targets[0] if len(schema.targets) == 1 else None
            self._unit = " standard deviations" if only is None else f" {only.unit}" if only.unit else ""
        if not self._quiet:
            self._console.print(schema_table(schema))
        for note in notes:
            self.note(note)

    def note(self, note: str) -> None:
        """Print a note for the user."""
        self.say(f"Note: {note}")

    def devices(self, devices: str) -> None:
        """Print which devices compute."""
        self.say(f"Computing on {devices}.")

    def say(self, sentence: str) -> None:
        """Print one line, above the bar."""
        if not self._quiet:
            self._console.print(Text(sentence))

    def _tell(self) -> None:
        while not self._end.wait(self._every):
            self._line()

    def _line(self) -> None:
        if not self._stage:
            return
        detail = f": {self._detail}" if self._detail else ""
        self.say(f"{STAGES[self._stage]}{detail}, after {duration(time.monotonic() - self._began)}{self._time_left}")


def _bar_on(console: Console) -> Progress | None:
    """A bar where there is a terminal or a notebook, else None."""
    texts = (text_column("{task.description}"), BarColumn(), text_column("{task.fields[detail]}"))
    columns = (*texts, TimeRemainingColumn())
    if console.is_jupyter:
        return NotebookProgress(*columns, console=console)
    return Progress(*columns, console=console, transient=True) if console.is_terminal else None


def duration(seconds: float) -> str:
    """A time span as people write it.

    Example:
        >>> duration(12.3), duration(754), duration(7300)
        ('12 s', '13 min', '2 h 2 min')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
