"""Categories that stand in the table and yet have no answer of their own: too few rows show them."""

from __future__ import annotations

import polars as pl

from artifact.rows.schema import Feature
from training.table.corrections import Corrections
from training.table.infer import MIN_CATEGORY_ROWS

# As many as there are categories at most, so that no table makes the schema, and a service's memory, large.
MAX_RARE = 1000
# Columns that a note names each; a table of a hundred such columns would bury the other notes.
_TOLD = 10


def with_rare(features: list[Feature], frame: pl.DataFrame, corrections: Corrections) -> list[Feature]:
    """Give each categorical feature the rare categories of the table, the most frequent first.

    Args:
        features: with their categories.
        frame: all rows, those that measure too.
        corrections: where the user lists the categories of a feature, all others count as unseen.
    """
    return [
        rare_of(f, frame[f.name].drop_nulls().value_counts(), corrections) if f.kind == "category" else f
        for f in features
    ]


def rare_of(feature: Feature, counts: pl.DataFrame, corrections: Corrections, distinct: int = 0) -> Feature:
    """A feature with its rare categories, at most 1,000 of them; ``rare_left`` counts the others.

    Args:
        feature: of kind ``category``, with its categories.
        counts: ``count`` of all rows by category, which is in column ``feature.name``.
        corrections: where the user lists the categories of the feature, all others count as unseen.
        distinct: different texts in the column, where ``counts`` may lack some. Defaults to those in ``counts``.
    """
    said = corrections.features.get(feature.name)
    if said is not None and said.categories is not None:
        return feature
    name = feature.name
    rare = counts.filter(~pl.col(name).is_in(list(feature.categories))).sort(["count", name], descending=[True, False])
    kept = tuple(rare[name].head(MAX_RARE).to_list())
    left = max(rare.height, distinct - len(feature.categories)) - len(kept)
    return feature.model_copy(update={"rare": kept, "rare_left": max(0, left)})


def rare_notes(features: list[Feature]) -> list[str]:
    """A sentence for each feature with rare categories, at most ten, and one for how many there are beyond."""
    having = sorted((f for f in features if f.rare), key=lambda f: -(len(f.rare) + f.rare_left))
    notes = [_note(f) for f in having[:_TOLD]]
    if len(having) > _TOLD:
        notes.append(f"{len(having) - _TOLD} more columns have rare categories.")
    return notes


def _note(feature: Feature) -> str:
    count = len(feature.rare) + feature.rare_left
    of = f"{count:,} of {count + len(feature.categories):,} categories are"
    if not feature.categories:
        of = f"all {count:,} categories are" if count > 1 else "its only category is"
    elif count == 1:
        of = f"1 of {1 + len(feature.categories):,} categories is"
    many = ", or they are beyond the 1,000 most frequent" if len(feature.categories) >= 1000 else ""
    tail = " It cannot tell rows apart." if not feature.categories else ""
    return (
        f"Column '{feature.name}': {of} rare (fewer than {MIN_CATEGORY_ROWS} training rows show each{many}) and "
        f"answered as 'other'.{tail}"
    )
