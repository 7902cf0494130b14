"""Results that are too good: a model that explains nearly everything, or leans on a single column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from artifact.facts import Leaning, TooGood

Float64 = npt.NDArray[np.float64]

# R2 of the best model beyond which a table is rather a formula or a leak than a measurement.
R2_LIMIT = 0.99
# Share of all features' importance that one has, of at least so many features, in a model that explains something.
SHARE_LIMIT, FEWEST_FEATURES, LEAST_R2 = 0.8, 3, 0.5


def too_good(
    r2: Mapping[str, Mapping[str, float | None]], features: Sequence[str], increase: Float64, n_features: int
) -> list[TooGood | Leaning]:
    """Targets that are predicted too well, with the column on which the model leans.

    Args:
        r2: by target and model.
        features: those whose importance was measured, the most important first.
        increase: float64 (n_features, n_repeats, n_targets), growth of the RMSE when a feature is shuffled.
        n_features: of the schema.
    """
    suspects: list[TooGood | Leaning] = []
    for j, (target, by_model) in enumerate(r2.items()):
        known = {name: value for name, value in by_model.items() if value is not None}
        if not known:
            continue
        best = max(known, key=lambda name: known[name])
        parts = np.maximum(increase[:, :, j].mean(axis=1), 0.0) if len(features) else np.zeros(0)
        top, share = (int(parts.argmax()), float(parts.max() / parts.sum())) if parts.sum() > 0 else (-1, 0.0)
        column = features[top] if top >= 0 else None
        if known[best] > R2_LIMIT:
            suspects.append(TooGood(target=target, model=best, r2=known[best], column=column, share=share))
        elif column is not None and share > SHARE_LIMIT and n_features >= FEWEST_FEATURES and known[best] >= LEAST_R2:
            suspects.append(Leaning(column=column, target=target, share=share))
    return suspects
