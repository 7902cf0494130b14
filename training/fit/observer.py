"""Who hears how a training goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from artifact.rows.schema import FeatureSchema


@dataclass(frozen=True, slots=True)
class Observer:
    """Hears how the work goes: stages as they begin, what computes, each epoch, the schema when known, later notes."""

    stage: Callable[[str], None] = lambda name: None  # noqa: ARG005
    epoch: Callable[[int, int, float], None] = lambda epoch, epochs, rmse: None  # noqa: ARG005
    schema: Callable[[FeatureSchema, list[str]], None] = lambda schema, notes: None  # noqa: ARG005
    note: Callable[[str], None] = lambda note: None  # noqa: ARG005
    devices: Callable[[str], None] = lambda devices: None  # noqa: ARG005
