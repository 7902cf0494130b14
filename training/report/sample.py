"""The rows and the budget with which the report asks the network what it uses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.predictor import Predictor, target_offsets
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema

Float64 = npt.NDArray[np.float64]

# Multiplications of all answers together: about a second of one core. It depends on the network and not on a clock, so
# that the same training gives the same report.
BUDGET = 12e9
# A small network's time goes into its rows all the same.
MAX_ANSWERS = 300_000
# Rows of one call to the network.


class Columns(NamedTuple):
    """Where a feature stands among the encoded columns: positions of the numeric and of the categorical input."""

    numeric: tuple[int, ...]
    categorical: tuple[int, ...]


class Sample(NamedTuple):
    """Rows of the table that measured the network.

    Attributes:
        X: encoded rows.
        y: float64 (n_samples, n_targets), in target units.
        rows_are: how a reader calls them.
    """

    X: Encoded
    y: Float64
    rows_are: str


def columns_of(schema: FeatureSchema) -> dict[str, Columns]:
    """The encoded columns of each feature; a date has several."""
    numeric = [column.feature for column in schema.numeric_columns]
    categorical = [feature.name for feature in schema.categorical]
    return {
        name: Columns(
            tuple(i for i, owner in enumerate(numeric) if owner == name),
            tuple(i for i, owner in enumerate(categorical) if owner == name),
        )
        for name in schema.names
    }


def affordable(predictor: Predictor) -> int:
    """How many answers the budget pays for."""
    config = predictor.manifest.lineage.config
    # The members of a network share its weights: each multiplies by all of them.
    cost = max(1, predictor.manifest.parameters * int(config.get("members") or 1))
    return int(min(MAX_ANSWERS, BUDGET / cost))


def values(predictor: Predictor, X: Encoded) -> Float64:
    """The network's answers in target units, float64 (n_samples, n_targets)."""
    offsets = target_offsets(predictor.schema)
    answered = predictor.run(X.numeric, X.categorical).value.astype(np.float64)
    return answered if offsets is None else answered + offsets
