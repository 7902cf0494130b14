"""Model families by name: hidden layers that are trained, weights that are solved for, and boosted trees."""

from __future__ import annotations

from training.families.family import Family
from training.families.settings import Size
from training.objectives.records import Records

__all__ = ["FAMILIES", "Family", "Size", "models", "networks", "readers"]

FAMILIES: Records[Family] = Records.declared("family", Family, __name__, __path__)


def models() -> tuple[str, ...]:
    """Names of the families that can be a model by themselves."""
    return tuple(name for name, family in FAMILIES.items() if family.alone)


def networks() -> tuple[str, ...]:
    """Names of the families with hidden layers, which a loop over epochs trains."""
    return tuple(name for name, family in FAMILIES.items() if family.network)


def readers(setting: str) -> tuple[str, ...]:
    """Names of the families that say that they read a setting."""
    return tuple(name for name, family in FAMILIES.items() if setting in family.settings)
