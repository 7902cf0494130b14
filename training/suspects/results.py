"""Suspects results that are too good: a model that explains nearly everything, or depends on a single column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from artifact.facts import Leaning, TooGood

Float64 = npt.NDArray[np.float64]

# R2 of the best model above which the table likely holds a formula or a leak.
R2_LIMIT = 0.99
# A model is suspected if one feature has more than this share of all importance, if there are at least this many
# features, and if R2 is at least this.
SHARE_LIMIT, FEWEST_FEATURES, LEAST_R2 = 0.8, 3, 0.5


def too_good(
    r2: Mapping[str, Mapping[str, float | None]], features: Sequence[str], increase: Float64, n_features: int
) -> list[TooGood | Leaning]:
    """Facts of targets that are predicted too well, with the column on which the model depends.

    Args:
        r2: each model's R2, by target and model.
        features: names of the features whose importance is measured, the most important first.
        increase: float64 (n_features, n_repeats, n_targets), growth of the RMSE when a feature is shuffled.
        n_features: number of the schema's features.
    """
    suspects: list[TooGood | Leaning] = []
    for j, (target, by_model) in enumerate(r2.items()):
        r2_of = {name: value for name, value in by_model.items() if value is not None}
        if not r2_of:
            continue
        best = max(r2_of, key=lambda name: r2_of[name])
        parts = np.maximum(increase[:, :, j].mean(axis=1), 0.0) if len(features) else np.zeros(0)
        top, share = (int(parts.argmax()), float(parts.max() / parts.sum())) if parts.sum() > 0 else (-1, 0.0)
        column = features[top] if top >= 0 else None
        if r2_of[best] > R2_LIMIT:
            suspects.append(TooGood(target=target, model=best, r2=r2_of[best], column=column, share=share))
        elif column is not None and share > SHARE_LIMIT and n_features >= FEWEST_FEATURES and r2_of[best] >= LEAST_R2:
            suspects.append(Leaning(column=column, target=target, share=share))
    return suspects
