"""Boosted trees as part of a mix: the layer answers as scikit-learn does; rows measure trees that did not see them."""

from __future__ import annotations

import keras
import numpy as np
import onnx
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

import training.families.trees.forest as trees
from artifact.rows.encoding import Encoded
from artifact.runtimes import open_runtime
from tests.builders import build_schema
from training.devices.threads import few_threads
from training.export.models import write_model
from training.families import FAMILIES
from training.families.settings import Samples
from training.networks.model import feed
from training.settings.config import TrainConfig
from training.table.folds import Fold, cross_validation


@pytest.fixture(scope="module", autouse=True)
def _fewer():
    """Use as few trees as tests need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "MOST_TREES", 100)
        yield


@pytest.fixture(scope="module")
def grown():
    """Trees for two targets on the test schema's columns, with missing values, and the rows that they were grown on."""
    schema = build_schema()
    rng = np.random.default_rng(0)
    n = 300
    numeric = rng.normal(size=(n, len(schema.numeric_columns))).astype(np.float32)
    numeric[rng.random(numeric.shape) < 0.1] = np.nan
    codes = np.stack([rng.integers(0, c, n) for c in schema.cardinalities], axis=1).astype(np.int32)
    X = Encoded(numeric, codes)
    first = np.nan_to_num(numeric[:, 0]) * 3 + (codes[:, 0] == 2) + rng.normal(0, 0.1, n)
    y = np.stack([first, 1000 - 50 * np.isnan(numeric[:, 1]) * 1.0 + rng.normal(0, 1, n)], axis=1)
    folds = cross_validation(n, 3, 1, 0).folds
    return schema, X, y, folds, trees.grow(Samples(schema, X, y, TrainConfig()), folds, np.arange(n))


def test_the_layer_answers_as_scikit_learn_does(grown):
    _, X, y, folds, forest = grown
    np.testing.assert_allclose(answered(forest, X), by_scikit_learn(X, y, forest, [f.train for f in folds]), atol=2e-4)


def test_of_many_rows_one_forest_of_all_rows_is_served(grown, monkeypatch):
    schema, X, y, folds, _ = grown
    monkeypatch.setattr(trees, "FEW_ROWS", 100)
    forest = trees.grow(Samples(schema, X, y, TrainConfig()), folds, np.arange(len(X)))
    np.testing.assert_allclose(answered(forest, X), by_scikit_learn(X, y, forest, [np.arange(len(X))]), atol=2e-4)


def answered(forest, X):
    return keras.ops.convert_to_numpy(forest.model(feed(X, [t.name for t in forest.model.inputs]))["value"])


def by_scikit_learn(X, y, forest, parts):
    """The mean answer of scikit-learn's trees, grown on each part of the rows, within the range of the seen targets."""
    scaled = (y - y.mean(axis=0)) / y.std(axis=0)
    settings = trees.SETTINGS | {"max_iter": forest.iterations, "random_state": 0}
    columns = np.hstack([X.numeric, X.categorical]).astype(np.float64)
    with few_threads(len(X)):
        of_parts = [
            [HistGradientBoostingRegressor(**settings).fit(columns[rows], c[rows]).predict(columns) for c in scaled.T]
            for rows in parts
        ]
    expected = np.mean(of_parts, axis=0).T * y.std(axis=0) + y.mean(axis=0)
    return np.clip(expected, y.min(axis=0), y.max(axis=0))


def test_a_value_at_a_threshold_goes_the_way_it_went_in_float64():
    # These are neighbours in float32: their middle is neither of them, and rounds to the upper one.
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2))
    column = np.repeat([low, high], 50)[:, None].astype(np.float64)
    model = HistGradientBoostingRegressor(max_iter=1, min_samples_leaf=5, learning_rate=1.0)
    with few_threads(len(column)):
        model.fit(column, np.repeat([0.0, 1.0], 50))
    _, tree = trees.trees_of(model, 1)
    assert low <= tree.threshold[0] < high


def test_saved_and_exported_it_answers_the_same(grown, tmp_path):
    schema, X, _, _, forest = grown
    names = [t.name for t in forest.model.inputs]
    forest.model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    first, second = (keras.ops.convert_to_numpy(m(feed(X, names))["value"]) for m in (forest.model, again))
    np.testing.assert_array_equal(first, second)
    exported = write_model(forest.model, tmp_path, schema, X)
    assert exported.note is None
    operations = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert operations.count("TreeEnsembleRegressor") == 1
    assert len(operations) < 8
    answers = open_runtime(tmp_path, "onnx").run(X.numeric, X.categorical).value
    np.testing.assert_allclose(answers, first, rtol=1e-5, atol=1e-4)


def test_rows_are_answered_by_trees_that_did_not_see_them(grown):
    _, X, _, folds, _ = grown
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(len(X), 1))
    forest = trees.grow(Samples(build_schema(), X, noise, TrainConfig()), folds, np.arange(len(X)))
    unseen = np.concatenate([a - noise[f.validation] for a, f in zip(forest.unseen, folds, strict=True)])
    # Trees that had seen the noise would answer with much of it.
    assert np.mean(unseen**2) > 0.9 * noise.var()


def test_few_trees_are_taken_where_more_do_not_help(grown):
    _, X, _, folds, _ = grown
    step = np.where(np.nan_to_num(X.numeric[:, :1]) > 0, 1.0, 0.0) + np.random.default_rng(0).normal(0, 1, (len(X), 1))
    assert (
        trees.grow(Samples(build_schema(), X, step, TrainConfig()), folds, np.arange(len(X))).iterations
        < trees.MOST_TREES
    )


def test_weights_of_zero_are_rows_that_are_not_there(grown):
    schema, X, y, _, _ = grown
    weight = np.where(np.arange(len(X)) < 150, 2.0, 0.0)
    spoilt = np.where(weight[:, None] > 0, y[:, :1], 1e3)
    fold = Fold(np.arange(100), np.arange(100, 150))
    few = trees.grow(Samples(schema, X, y[:, :1], TrainConfig()), [fold], np.arange(150))
    all_rows = trees.grow(Samples(schema, X, spoilt, TrainConfig(), weight), [fold], np.arange(len(X)))
    assert few.iterations == all_rows.iterations
    assert np.abs(all_rows.unseen[0] - few.unseen[0]).max() < 5 * y[:, 0].std()


@pytest.mark.parametrize(
    ("objective", "mixes"),
    [
        ("mse", True),
        ("mae", True),
        ("expectile", True),
        ("gaussian", True),
        ("quantile", False),
        ("poisson", False),
    ],
)
def test_trees_join_where_an_answer_is_a_mean_or_a_median(objective, mixes):
    assert FAMILIES["trees"].mixes(objective) is mixes
