"""The example of a feature: one usual value, which a request can send."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Protocol

from artifact.rows.moments import moment


class Described(Protocol):
    """The fields of a :class:`artifact.rows.schema.Feature` that choose its example."""

    @property
    def kind(self) -> str: ...
    @property
    def minimum(self) -> float | None: ...
    @property
    def maximum(self) -> float | None: ...
    @property
    def categories(self) -> tuple[str, ...]: ...
    @property
    def rare(self) -> tuple[str, ...]: ...
    @property
    def missing(self) -> str: ...
    @property
    def example(self) -> Any: ...


def example_of(feature: Described) -> Any:
    """The most frequent or the middle value of training, or another value where the schema refuses that one.

    A ``schema.toml`` may list other categories than the table has, or give a range without the table's middle. A value
    without a warning is preferred, whatever the service does with unusual values.
    """
    if feature.kind == "category":
        return _category(feature)
    if feature.example is None and feature.missing == "impute":
        return None
    if feature.kind == "boolean":
        return bool(feature.example)
    if feature.kind == "datetime":
        return _moment(feature)
    value = 0 if feature.example is None else feature.example
    inside = _within(feature, value)
    if inside == value:
        return value
    if feature.kind == "integer":
        return math.ceil(inside) if inside > value else math.floor(inside)
    return inside


def _category(feature: Described) -> str | None:
    if feature.example in feature.categories:
        return str(feature.example)
    if feature.categories:
        return feature.categories[0]
    if feature.missing == "impute":
        return None
    if feature.rare and feature.example not in feature.rare:
        return feature.rare[0]
    return "" if feature.example is None else str(feature.example)


def _moment(feature: Described) -> str:
    seconds = 0.0
    if feature.example is not None:
        written = datetime.fromisoformat(feature.example)
        seconds = (written if written.tzinfo is not None else written.replace(tzinfo=UTC)).timestamp()
    inside = _within(feature, seconds)
    return moment(inside).isoformat() if feature.example is None or inside != seconds else str(feature.example)


def _within(feature: Described, value: float) -> float:
    """The nearest value in the training range."""
    low = -math.inf if feature.minimum is None else feature.minimum
    high = math.inf if feature.maximum is None else feature.maximum
    return min(max(value, low), high)
