"""Shared by all pictures of the report: size, colours, numbers at axes, and long names shortened."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from artifact.rows.moments import FIRST_SECOND, LAST_SECOND, moment
from artifact.words.display import number

WIDTH = 8.0
BLUE, ORANGE, GREY = "#2f6fb3", "#d9772b", "#8a94a3"
_STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a94a3",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e8ed",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    # Names are shown as they are: a '$' in a name starts no formula.
    "text.parse_math": False,
}


class Picture(NamedTuple):
    """One picture.

    Attributes:
        name: name of its file.
        section: its place on the page: ``learning``, ``predictions``, ``intervals``, ``importance`` or ``dependence``.
        alt: what it shows, in words for people who cannot see it.
        png: bytes of the PNG file.
    """

    name: str
    section: str
    alt: str
    png: bytes


@contextmanager
def style() -> Iterator[None]:
    """Set the look of the pictures while they are drawn; other plots of the process keep theirs."""
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def png(figure: Figure) -> bytes:
    """A figure as PNG bytes, without date and version, so that equal figures have equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def plain_numbers(*axes: Any, bins: int = 5) -> None:
    """Give axes few ticks, with numbers as the page writes them; ``axes`` are x or y axes of plots."""
    for axis in axes:
        axis.set_major_locator(MaxNLocator(bins))
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def dates(axis: Any) -> None:
    """Label an axis of seconds since 1970 with dates."""
    axis.set_major_locator(MaxNLocator(3))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _day(value)))


def tick(value: float) -> str:
    """A number as text at an axis.

    Example:
        >>> tick(250000.0), tick(2e-12), tick(0.30000000000000004)
        ('250,000', '2e-12', '0.3')
    """
    return number(value) if value == 0 or 1e-3 <= abs(value) < 1e7 else f"{value:.4g}"


def _day(seconds: float) -> str:
    return str(moment(seconds).date()) if FIRST_SECOND <= seconds <= LAST_SECOND else tick(seconds)


def shortened(text: str, limit: int) -> str:
    """A text of at most ``limit`` characters, so that it fits at an axis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def labelled(name: str, unit: str | None, limit: int = 40) -> str:
    """A name with its unit, if it has one."""
    return shortened(name, limit) + (f" ({shortened(unit, 12)})" if unit else "")


def no_data(axes: Axes, text: str) -> None:
    """An empty plot that says why."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=GREY)
    axes.set_axis_off()
