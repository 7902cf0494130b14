"""Features of a new table with an earlier version's categories and offsets, where both have the same kind."""

from __future__ import annotations

from collections.abc import Sequence

from artifact.rows.schema import Feature, FeatureSchema
from training.table.corrections import Corrections, FeatureCorrection
from training.table.infer import FEATURE_OFFSET_RATIO, MAX_CATEGORIES

_NUMBERS = {"number", "integer"}


def alike(one: Feature | None, other: Feature) -> bool:
    """Whether two features of one name have the same kind; whole numbers count as numbers."""
    return one is not None and (one.kind == other.kind or {one.kind, other.kind} == _NUMBERS)


def by_name(schema: FeatureSchema) -> dict[str, Feature]:
    return {feature.name: feature for feature in schema.features}


def with_known(earlier: FeatureSchema, corrections: Corrections, columns: Sequence[str]) -> Corrections:
    """Corrections that keep the earlier version's columns as they were.

    A column stays even if it would be left out because the new rows are few: the earlier version has learnt its use.
    Categories stay categories, even if they look like numbers.

    Args:
        earlier: schema of the earlier version.
        corrections: the user's corrections.
        columns: columns of the new table.
    """
    categories = {f.name for f in earlier.categorical}
    known = {
        name: FeatureCorrection(kind="category" if name in categories else None)
        for name in earlier.names
        if name in columns
    }
    return corrections.model_copy(update={"features": {**known, **corrections.features}})


def text_columns(earlier: FeatureSchema, corrections: Corrections) -> list[str]:
    """Columns that stay text: those that the user calls categories, and those that were categories before."""
    corrected = {name for name, correction in corrections.features.items() if correction.kind is not None}
    return [*corrections.text_columns(), *(f.name for f in earlier.categorical if f.name not in corrected)]


def in_terms_of(earlier: FeatureSchema, features: Sequence[Feature], corrections: Corrections) -> list[Feature]:
    """New features that keep the earlier version's categories and offsets.

    The earlier categories come first, in their order, then new ones. So a category stays known even if few new rows
    have it. The offset is the earlier one, unless it is so far away that float32 would not tell the new values apart.

    Args:
        earlier: schema of the earlier version.
        features: features of the new table.
        corrections: the user's corrections; categories that they list stay as listed.
    """
    known = by_name(earlier)
    listed = {name for name, correction in corrections.features.items() if correction.categories is not None}
    return [_with_known_values(known.get(f.name), f, listed=f.name in listed) for f in features]


def _with_known_values(old: Feature | None, new: Feature, *, listed: bool) -> Feature:
    if old is None or not alike(old, new):
        return new
    if new.kind == "category":
        if listed:
            return new
        added = [c for c in new.categories if c not in old.categories][: max(0, MAX_CATEGORIES - len(old.categories))]
        return new.model_copy(update={"categories": (*old.categories, *added)})
    if new.minimum is None or new.maximum is None or old.offset == new.offset:
        return new
    distance = abs((new.minimum + new.maximum) / 2 - old.offset)
    near = distance <= FEATURE_OFFSET_RATIO * (new.maximum - new.minimum)
    return new.model_copy(update={"offset": old.offset}) if near else new
