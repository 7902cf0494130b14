"""Rows and number of answers with which the report measures what the network uses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.predictor import Predictor, target_offsets
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema

Float64 = npt.NDArray[np.float64]

# Multiplications for all answers: about a second of one core. The number of answers depends on the network, not on a
# clock, so that the same training gives the same report.
BUDGET = 12e9
# Largest number of answers: a small network has few multiplications, but each row takes some time too.
MAX_ANSWERS = 300_000


class Columns(NamedTuple):
    """Positions of a feature's columns among the numeric and among the categorical inputs."""

    numeric: tuple[int, ...]
    categorical: tuple[int, ...]


class Sample(NamedTuple):
    """Some of the rows that measured the network.

    Attributes:
        X: encoded rows.
        y: float64 (n_samples, n_targets), in target units.
        rows_are: what sentences call the rows.
    """

    X: Encoded
    y: Float64
    rows_are: str


def columns_of(schema: FeatureSchema) -> dict[str, Columns]:
    """The encoded columns of each feature, by its name; a date has several."""
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
    """Number of answers within :data:`BUDGET`."""
    config = predictor.manifest.lineage.config
    # The members of a network share its weights: each multiplies by all of them.
    cost = max(1, predictor.manifest.parameters * int(config.get("members") or 1))
    return int(min(MAX_ANSWERS, BUDGET / cost))


def values(predictor: Predictor, X: Encoded) -> Float64:
    """The network's answers in target units, float64 (n_samples, n_targets)."""
    offsets = target_offsets(predictor.schema)
    answered = predictor.run(X.numeric, X.categorical).value.astype(np.float64)
    return answered if offsets is None else answered + offsets
