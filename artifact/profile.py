"""Reference histograms of features and predictions, against which the service measures drift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema

MAX_BINS = 64


class Histogram(BaseModel):
    """Counts between edges; ``counts[i]`` rows lie in ``[edges[i], edges[i + 1])``, the last bin closed.

    Attributes:
        edges: quantiles of the training rows, at most 65, ascending; in model units (offset subtracted).
        counts: rows in each bin.
        missing: rows without a value.
    """

    model_config = ConfigDict(frozen=True)

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int = 0

    @classmethod
    def fit(cls, values: npt.NDArray[np.floating]) -> Self:
        """Histogram of float (n_samples,), NaN where missing."""
        present = np.asarray(values, np.float64)
        present = present[~np.isnan(present)]
        missing = len(values) - len(present)
        if not len(present):
            return cls(edges=(), counts=(), missing=missing)
        edges = np.unique(np.quantile(present, np.linspace(0, 1, MAX_BINS + 1)))
        if len(edges) == 1:
            return cls(edges=(float(edges[0]), float(edges[0])), counts=(len(present),), missing=missing)
        counts, _ = np.histogram(present, edges)
        return cls(edges=tuple(map(float, edges)), counts=tuple(map(int, counts)), missing=missing)


class Profile(BaseModel):
    """Reference distribution of the training rows.

    Attributes:
        n_samples: rows that were counted.
        numeric: histogram by numeric column (``schema.numeric_columns`` names).
        categorical: count by code (0 missing, 1 other, then ``categories`` in order) by categorical feature.
        predictions: histogram of the model's answers by target.
    """

    model_config = ConfigDict(frozen=True)

    n_samples: int
    numeric: dict[str, Histogram]
    categorical: dict[str, tuple[int, ...]]
    predictions: dict[str, Histogram]

    @classmethod
    def fit(cls, schema: FeatureSchema, X: Encoded, predictions: Mapping[str, npt.NDArray[np.floating]]) -> Self:
        """Count the encoded training rows and the model's answers to them, (n_samples,) a target."""
        return cls(
            n_samples=len(X),
            numeric={c.name: Histogram.fit(X.numeric[:, j]) for j, c in enumerate(schema.numeric_columns)},
            categorical={
                f.name: tuple(map(int, np.bincount(X.categorical[:, j], minlength=schema.cardinalities[j])))
                for j, f in enumerate(schema.categorical)
            },
            predictions={name: Histogram.fit(values) for name, values in predictions.items()},
        )
