"""Callbacks that hear how a training goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from artifact.rows.schema import FeatureSchema


@dataclass(frozen=True, slots=True)
class Observer:
    """Callbacks, each of which does nothing by default.

    Attributes:
        stage: called with a stage's name when it begins.
        epoch: called after each epoch with the epoch, the number of epochs and the error.
        schema: called once with the schema and the notes so far.
        note: called with each later note.
        devices: called with the devices that compute, in words.
    """

    stage: Callable[[str], None] = lambda name: None  # noqa: ARG005
    epoch: Callable[[int, int, float], None] = lambda epoch, epochs, rmse: None  # noqa: ARG005
    schema: Callable[[FeatureSchema, list[str]], None] = lambda schema, notes: None  # noqa: ARG005
    note: Callable[[str], None] = lambda note: None  # noqa: ARG005
    devices: Callable[[str], None] = lambda devices: None  # noqa: ARG005
