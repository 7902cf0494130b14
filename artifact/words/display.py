"""How values and ranges are written for a reader, in the terminal and in the report."""

from __future__ import annotations

import math
from collections.abc import Mapping

from artifact.rows.moments import moment
from artifact.rows.schema import Feature


def number(value: float | None) -> str:
    """Four significant digits, thousands separated, a dash for none.

    Example:
        >>> number(45103.4), number(0.84967), number(None)
        ('45,103', '0.8497', '-')
    """
    if value is None:
        return "-"
    if value and not 1e-3 <= abs(value) < 1e12:
        return f"{value:.3e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


# Shares and ratios: their size is known, so they are shown to four places instead of four digits.
_UNITLESS = ("r2", "explained_variance", "mape")


def metric(name: str, value: float | None) -> str:
    """A metric by its name in the manifest.

    Example:
        >>> metric("r2", -5.5e-06), metric("rmse", 45503.3)
        ('0.0000', '45,503')
    """
    if value is not None and name in _UNITLESS and abs(value) < 100:
        return f"{round(value, 4) + 0.0:.4f}"
    return number(value)


def by_error(
    rows: Mapping[str, Mapping[str, float | None]], metric: str
) -> list[tuple[str, Mapping[str, float | None]]]:
    """Models with their metrics, the one with the smallest error first; those without that error last."""

    def error(row: tuple[str, Mapping[str, float | None]]) -> float:
        value = row[1].get(metric)
        return math.inf if value is None else value

    return sorted(rows.items(), key=error)


def extent(feature: Feature, *, limit: int = 4) -> str:
    """A feature's training range, or its first ``limit`` categories."""
    if feature.kind == "category":
        if not feature.categories:
            rare = len(feature.rare) + feature.rare_left
            return f"none; {rare:,} rare" if rare else "none"
        more = len(feature.categories) - limit
        return ", ".join(feature.categories[:limit]) + (f" and {more} more" if more > 0 else "")
    if feature.minimum is None or feature.maximum is None:
        return ""
    if feature.kind == "datetime":
        low, high = (moment(v).date() for v in (feature.minimum, feature.maximum))
        return f"{low} to {high}"
    if feature.kind == "boolean":
        return "false, true"
    return f"{number(feature.minimum)} to {number(feature.maximum)}"
