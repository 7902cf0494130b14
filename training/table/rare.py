"""Rare categories: they are in the table, but too few rows show them for the network to learn them."""

from __future__ import annotations

import polars as pl

from artifact.rows.schema import Feature
from training.table.corrections import Corrections
from training.table.infer import MIN_CATEGORY_ROWS

# Largest number of rare categories in a schema: they must not make it large, nor the memory of a service.
MAX_RARE = 1000
# Largest number of columns with a note each: a hundred of these notes would bury the others.
_MOST_NOTES = 10


def with_rare(features: list[Feature], frame: pl.DataFrame, corrections: Corrections) -> list[Feature]:
    """Give each categorical feature its rare categories, the most frequent first.

    Args:
        features: the features with their categories.
        frame: all rows, also those that measure.
        corrections: where the user lists a feature's categories, there are no rare ones: all others count as unseen.
    """
    return [
        rare_of(f, frame[f.name].drop_nulls().value_counts(), corrections) if f.kind == "category" else f
        for f in features
    ]


def rare_of(feature: Feature, counts: pl.DataFrame, corrections: Corrections, distinct: int = 0) -> Feature:
    """A feature with its rare categories, at most 1,000 of them; ``rare_left`` counts the others.

    Args:
        feature: a feature of kind ``category``, with its categories.
        counts: column ``feature.name`` with each category, and ``count`` with its rows.
        corrections: where the user lists the feature's categories, there are no rare ones: all others count as unseen.
        distinct: number of different texts, where ``counts`` may lack some. Defaults to the number in ``counts``.
    """
    correction = corrections.features.get(feature.name)
    if correction is not None and correction.categories is not None:
        return feature
    name = feature.name
    rare = counts.filter(~pl.col(name).is_in(list(feature.categories))).sort(["count", name], descending=[True, False])
    names = tuple(rare[name].head(MAX_RARE).to_list())
    uncounted = max(rare.height, distinct - len(feature.categories)) - len(names)
    return feature.model_copy(update={"rare": names, "rare_left": max(0, uncounted)})


def rare_notes(features: list[Feature]) -> list[str]:
    """A note on each of at most ten features with rare categories, and one that counts the other such features."""
    having = sorted((f for f in features if f.rare), key=lambda f: -(len(f.rare) + f.rare_left))
    notes = [_note(f) for f in having[:_MOST_NOTES]]
    if len(having) > _MOST_NOTES:
        notes.append(f"{len(having) - _MOST_NOTES} more columns have rare categories.")
    return notes


def _note(feature: Feature) -> str:
    count = len(feature.rare) + feature.rare_left
    of = f"{count:,} of {count + len(feature.categories):,} categories are"
    if not feature.categories:
        of = f"all {count:,} categories are" if count > 1 else "its only category is"
    elif count == 1:
        of = f"1 of {1 + len(feature.categories):,} categories is"
    many = ", or they are beyond the 1,000 most frequent" if len(feature.categories) >= 1000 else ""
    tail = " The column cannot tell rows apart." if not feature.categories else ""
    return (
        f"Column '{feature.name}': {of} rare (fewer than {MIN_CATEGORY_ROWS} training rows show each{many}) and "
        f"answered as 'other'.{tail}"
    )
