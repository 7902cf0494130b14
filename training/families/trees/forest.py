"""Grows boosted trees by scikit-learn, out of fold, and keeps them as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor

from artifact.layers.trees import BoostedTrees, Nodes
from artifact.rows.schema import FeatureSchema
from training.devices.threads import few_threads
from training.families.settings import FEW_ROWS, Samples, Settings
from training.networks.inputs import request_inputs
from training.objectives.kinds import KINDS, scale_of
from training.table.encode import matrix
from training.table.folds import Fold
from training.table.split import Indices

Float64 = npt.NDArray[np.float64]
# There are more trees than the usual hundred. Each takes a smaller step, and looks at half of the features at each
# split. This is better on all tables of the benchmark.
SETTINGS: dict[str, Any] = {
    "learning_rate": 0.05,
    "max_features": 0.5,
    "min_samples_leaf": 10,
    "max_leaf_nodes": 31,
    "early_stopping": False,
}
MOST_TREES, _STEP = 800, 50
# Fewer trees are taken where the error grows by at most this share: a row takes time in each tree.
_WORTH = 0.002


@dataclass(frozen=True, slots=True)
class Grown:
    """Trees that were measured.

    Attributes:
        model: Keras model, ``{"numeric", "categorical"}`` -> ``{"value"}``, of trees that all rows have grown.
        unseen: answers to each fold's validation rows by trees that did not see them, float32
            (n_rows, n_targets), offsets subtracted.
        iterations: number of trees of each target.
    """

    model: Any
    unseen: list[npt.NDArray[np.float32]]
    iterations: int


class _Unit(NamedTuple):
    """Converts the trees' answers to target units; all float64 (n_targets,).

    Attributes:
        mean, std: shift and scale of the targets that the trees are grown on.
        minimum, maximum: ends of the targets that they have seen, beyond which they never answer.
    """

    mean: Float64
    std: Float64
    minimum: Float64
    maximum: Float64

    def of(self, scaled: Float64) -> Float64:
        """Answers in target units, offsets subtracted; both are float64 (n_rows, n_targets)."""
        return np.clip(scaled * self.std + self.mean, self.minimum, self.maximum)


def grow(samples: Samples, folds: Sequence[Fold], all_rows: Indices) -> Grown:
    """Grow trees on the training rows of each fold, and choose their number by its validation rows.

    With few rows, the mean of all folds' trees is the model. With more rows, as many trees are grown again on all rows.

    Args:
        samples: the rows; their settings give the objective and the seed.
        folds: the folds of one repeat, or one fold of held-out rows.
        all_rows: rows that the final trees may be grown on.
    """
    y, config, weight = samples.y, samples.config, samples.weight
    features = matrix(samples.X)
    mean, std = scale_of(config.objective, y[all_rows], None)
    scaled = (y - mean) / std

    def grown(rows: npt.NDArray[np.int64], iterations: int) -> list[Any]:
        with few_threads(len(rows)):
            return [
                _regressor(config, iterations).fit(
                    features[rows], column, sample_weight=None if weight is None else weight[rows]
                )
                for column in scaled[rows].T
            ]

    counts = list(range(_STEP, MOST_TREES + 1, _STEP))
    stages: list[npt.NDArray[np.float64]] = []
    forests: list[list[Any]] = []
    for fold in folds:
        models = grown(fold.train, MOST_TREES)
        forests.append(models)
        stages.append(np.stack([_staged(model, features[fold.validation], counts) for model in models], axis=-1))
    iterations = enough_iterations(stages, [scaled[fold.validation] for fold in folds], counts, config)
    at = counts.index(iterations)
    # On few rows the mean of the folds' trees errs less than trees of all rows.
    if len(folds) == 1 or len(all_rows) >= FEW_ROWS:
        forests = [grown(all_rows, iterations)]
    seen = y[all_rows]
    unit = _Unit(mean, std, seen.min(axis=0), seen.max(axis=0))
    return Grown(
        model=_model(samples.schema, forests, iterations, unit),
        unseen=[unit.of(stage[at]).astype(np.float32) for stage in stages],
        iterations=iterations,
    )


def _regressor(config: Settings, iterations: int) -> HistGradientBoostingRegressor:
    kind = KINDS[config.objective]
    loss: Any = "absolute_error" if config.objective == "mae" else "squared_error"
    if callable(kind.boosting):
        loss = kind.boosting(config)
    return HistGradientBoostingRegressor(loss=loss, max_iter=iterations, random_state=config.seed, **SETTINGS)


def _staged(model: HistGradientBoostingRegressor, X: Float64, counts: Sequence[int]) -> Float64:
    """Answers by the first trees, float64 (len(counts), n_rows)."""
    stops = set(counts)
    with few_threads(len(X)):
        return np.stack([answers for i, answers in enumerate(model.staged_predict(X), 1) if i in stops])


def enough_iterations(stages: Sequence[Float64], y: Sequence[Float64], counts: Sequence[int], config: Settings) -> int:
    """The fewest trees whose error is nearly the least."""
    power, rule = (1 if config.objective == "mae" else 2), KINDS[config.objective].row_errors

    def error(value: Float64, true: Float64) -> Float64:
        return np.abs(value - true) ** power if rule is None else rule(true, value, config)

    of_folds = [error(stage, true) for stage, true in zip(stages, y, strict=True)]
    errors = np.concatenate(of_folds, axis=1).mean(axis=(1, 2)) ** (1 / power)
    return counts[int(np.flatnonzero(errors <= errors.min() * (1 + _WORTH))[0])]


def _model(schema: FeatureSchema, forests: Sequence[Sequence[Any]], iterations: int, unit: _Unit) -> Any:
    """The mean of forests; each forest has one scikit-learn model for each target."""
    tensors = request_inputs(schema)
    parts = [
        (j, nodes._replace(value=(nodes.value / len(forests)).astype(np.float32)))
        for models in forests
        for j, model in enumerate(models)
        for nodes in trees_of(model, iterations)
    ]
    sizes = [len(nodes.value) for _, nodes in parts]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    shifted = [
        nodes._replace(left=nodes.left + start, right=nodes.right + start)
        for (_, nodes), start in zip(parts, starts, strict=True)
    ]
    together = Nodes(*(np.concatenate(columns) for columns in zip(*shifted, strict=True)))
    layer = BoostedTrees(
        roots=starts.tolist(),
        target_of=[j for j, _ in parts],
        n_nodes=int(sum(sizes)),
        depth=max(_depth(nodes) for _, nodes in parts),
        mean=unit.mean.tolist(),
        std=unit.std.tolist(),
        minimum=unit.minimum.tolist(),
        maximum=unit.maximum.tolist(),
        name="trees",
    )
    value = layer(list(tensors.values()))
    layer.take(together._replace(left=together.left.astype(np.int32), right=together.right.astype(np.int32)))
    return keras.Model(tensors, {"value": value}, name="trees")


def trees_of(model: HistGradientBoostingRegressor, iterations: int) -> list[Nodes]:
    """The first trees of a scikit-learn model; the value that boosting starts from becomes a tree of one leaf."""
    start = np.zeros(1, np.int32)
    baseline = np.asarray(model._baseline_prediction, np.float32).reshape(1)
    trees = [Nodes(start, np.zeros(1, np.float32), start, start, start, baseline)]
    for (tree,) in model._predictors[:iterations]:
        nodes = tree.nodes
        leaf = nodes["is_leaf"].astype(bool)
        itself = np.arange(len(nodes), dtype=np.int32)
        # The largest float32 that is not above the threshold splits float32 values in the same way.
        threshold = nodes["num_threshold"].astype(np.float32)
        threshold = np.where(threshold > nodes["num_threshold"], np.nextafter(threshold, -np.inf), threshold)
        trees.append(
            Nodes(
                feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32),
                threshold=np.where(leaf, 0.0, threshold).astype(np.float32),
                left=np.where(leaf, itself, nodes["left"]).astype(np.int32),
                right=np.where(leaf, itself, nodes["right"]).astype(np.int32),
                missing_left=nodes["missing_go_to_left"].astype(np.int32),
                value=np.where(leaf, nodes["value"], 0.0).astype(np.float32),
            )
        )
    return trees


def _depth(nodes: Nodes) -> int:
    """Comparisons on the longest way from the root."""
    level, steps = np.zeros(1, np.int64), 0
    while True:
        inner = level[nodes.left[level] != level]
        if not len(inner):
            return steps
        level = np.concatenate([nodes.left[inner], nodes.right[inner]])
        steps += 1
