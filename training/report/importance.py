"""Permutation importance: how much the RMSE grows when one feature's values are shuffled among the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifact.predictor import Predictor
from artifact.rows.encoding import Encoded
from training.report.sample import Columns, Sample, affordable, columns_of, values

Float64 = npt.NDArray[np.float64]

REPEATS = 5
_FEWEST_REPEATS = 2
_FEWEST_ROWS = 200
# Largest number of features that are shuffled: those with which the answers vary most.
_MAX_FEATURES = 40
_FEWEST_FEATURES = 10
_BINS = 10


@dataclass(frozen=True, slots=True)
class Importance:
    """What shuffling each feature costs.

    Attributes:
        features: names of the shuffled features, the most important first.
        increase: float64 (n_features, n_repeats, n_targets), growth of the RMSE in target units.
        rows: number of rows that were answered.
        n_features: number of the schema's features.
    """

    features: tuple[str, ...]
    increase: Float64
    rows: int
    n_features: int

    @property
    def repeats(self) -> int:
        return int(self.increase.shape[1])


def permutation_importance(predictor: Predictor, sample: Sample, seed: int) -> Importance:
    """Shuffle one feature after another and answer again; the encoded columns of a feature move together.

    Args:
        predictor: the stored network.
        sample: rows with their true values.
        seed: seed of the shuffles.
    """
    columns = columns_of(predictor.schema)
    n_features, n_rows, repeats = _within(affordable(predictor), len(columns), len(sample.y))
    X = Encoded(sample.X.numeric[:n_rows], sample.X.categorical[:n_rows])
    y = sample.y[:n_rows]
    before = values(predictor, X)
    names = list(columns)
    if n_features < len(names):
        names = _screened(X, before, columns)[:n_features]
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(n_rows) for _ in range(repeats)]
    base = _rmse(y, before)
    increase = np.stack(
        [np.stack([_rmse(y, values(predictor, _shuffled(X, columns[n], o))) - base for o in orders]) for n in names]
    )
    scale = np.array([target.std for target in predictor.schema.targets])
    order = np.argsort(-(increase.mean(axis=1) / scale).mean(axis=1), kind="stable")
    return Importance(tuple(names[i] for i in order), increase[order], n_rows, len(columns))


def _within(answers: int, n_features: int, n_rows: int) -> tuple[int, int, int]:
    """Numbers of features, rows and repeats that need at most ``answers``: rows are cut first, repeats last."""
    features, repeats = min(n_features, _MAX_FEATURES), REPEATS
    rows = min(n_rows, max(_FEWEST_ROWS, answers // (features * repeats)))
    features = min(features, max(_FEWEST_FEATURES, answers // (rows * repeats)))
    repeats = min(repeats, max(_FEWEST_REPEATS, answers // (rows * features)))
    return features, rows, repeats


def _screened(X: Encoded, answers: Float64, columns: dict[str, Columns]) -> list[str]:
    """Names of the features; first come those that alone explain most of the answers, (n_samples, n_targets)."""
    spread = np.maximum(answers.std(axis=0), np.finfo(float).tiny)
    z = (answers - answers.mean(axis=0)) / spread
    scores = {}
    for name, (numeric, categorical) in columns.items():
        shares = [_share_between(_binned(X.numeric[:, i]), z) for i in numeric]
        shares += [_share_between(X.categorical[:, i], z) for i in categorical]
        scores[name] = max(shares)
    return sorted(scores, key=lambda name: -scores[name])


def _binned(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Bin of each value: its decile, or a further bin if it is missing."""
    bins = np.full(len(values), _BINS)
    present = np.isfinite(values)
    if present.any():
        edges = np.quantile(values[present], np.linspace(0, 1, _BINS + 1)[1:-1])
        bins[present] = np.searchsorted(edges, values[present], side="right")
    return bins


def _share_between(groups: npt.NDArray[np.integer], z: Float64) -> float:
    """Share of the variance of standardised answers that lies between groups of rows, mean over the targets."""
    counts = np.maximum(np.bincount(groups), 1)
    sums = np.stack([np.bincount(groups, weights=column) for column in z.T])
    return float((np.square(sums) / counts).sum(axis=1).mean() / len(z))


def _shuffled(X: Encoded, columns: Columns, order: npt.NDArray[np.int64]) -> Encoded:
    numeric, categorical = X.numeric.copy(), X.categorical.copy()
    for i in columns.numeric:
        numeric[:, i] = numeric[order, i]
    for i in columns.categorical:
        categorical[:, i] = categorical[order, i]
    return Encoded(numeric, categorical)


def _rmse(y: Float64, value: Float64) -> Float64:
    return np.asarray(np.sqrt(np.square(y - value).mean(axis=0)))
