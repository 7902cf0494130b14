"""The objectives: what each minimises, and which targets it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.objectives.kind import Kind, ObjectiveSettings
from training.objectives.kinds import KINDS

if TYPE_CHECKING:
    from training.objectives.base import Objective

__all__ = ["KINDS", "Kind", "ObjectiveSettings", "objective_of"]


def objective_of(config: ObjectiveSettings) -> Objective:
    """The objective of a configuration."""
    objective: Objective = KINDS[config.objective].build(config)
    return objective
