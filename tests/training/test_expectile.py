"""Expectiles: their loss, their constant, the simpler models of the same loss, and a verdict that is fair to them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

from artifact.errors import DataError
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from artifact.runtimes import Outputs
from training.devices.threads import few_threads
from training.ensemble.weights import errors_of
from training.evaluation.baselines import BOOSTING, GLM, baseline_names, baselines, predict
from training.evaluation.metrics import by_target
from training.evaluation.verdict import verdict
from training.families.settings import Samples
from training.families.trees.forest import enough_iterations, grow
from training.objectives import KINDS, objective_of
from training.objectives.expectile.sides import sample_expectile
from training.objectives.expectile.simpler import ExpectileLine, boosting_loss
from training.objectives.kinds import meaning
from training.prepare.bounds import Bounds
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.train import train

N = 1200
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 2))
# Skewed, and wider where the second column is high.
Y = 2 * X[:, 0] + RNG.exponential(size=N) * np.exp(0.5 * X[:, 1])
WEIGHT = RNG.uniform(0, 2, N)
LEVELS = (0.02, 0.5, 0.8, 0.97)


def config(level: float = 0.8, **settings: object) -> TrainConfig:
    return TrainConfig.build(settings={"objective": "expectile", "expectile": level, **settings})


def balance(y: np.ndarray, value: np.ndarray | float, level: float, weight: np.ndarray | None = None) -> float:
    """What is 0 at an expectile: errors above it and below it, by how much they count."""
    error = y - value
    return float(np.average(np.where(error > 0, level, 1 - level) * error, weights=weight))


def frame() -> pl.DataFrame:
    return pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y})


def trained(folder, **settings):
    """A version of the table, and its answers to it."""
    frame().write_csv(folder / "t.csv")
    given = {"model": "mlp", "folds": 2, "repeats": 1, "epochs": 12, "hidden": [16], "row_weight": "equal"}
    registry = LocalRegistry(folder / "home")
    chosen = TrainConfig.build(settings=given | settings)
    manifest = train(Request(str(folder / "t.csv"), ("y",), "m", chosen), registry)
    rows = [{"a": a, "b": b} for a, b in X.tolist()]
    return manifest, Predictor.load(registry.resolve("m").path).predict_rows(rows).value[:, 0].astype(np.float64)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
def test_the_best_constant_is_the_sample_expectile(level, weight):
    expected = stats.expectile(Y, level, weights=weight)
    assert sample_expectile(Y, weight, level) == pytest.approx(expected, rel=1e-9)
    (found,) = KINDS["expectile"].best_constant(Y[:, None], weight, config(level))
    assert found == pytest.approx(expected, rel=1e-9)
    around = [found - 0.01, found, found + 0.01]
    near = [np.average(KINDS["expectile"].errors(Y, at, config(level)), weights=weight) for at in around]
    assert near[1] < min(near[0], near[2])


@pytest.mark.parametrize("level", [0.5, 0.8, 0.97])
def test_an_intercept_that_is_learnt_alone_ends_at_the_sample_expectile(level):
    # Here: loading TensorFlow takes seconds that the other tests need not spend.
    import tensorflow as tf

    objective, y = objective_of(config(level)), tf.constant(Y[None, None, :, None], tf.float32)
    intercept, log_spread = tf.Variable(0.0), tf.zeros_like(y)
    for _ in range(200):
        with tf.GradientTape() as tape:
            answers = tf.concat([tf.zeros_like(y) + intercept, log_spread], axis=-1)
            loss = tf.reduce_mean(objective.loss(y, answers))
        intercept.assign_sub(0.2 * tape.gradient(loss, intercept))
    assert float(intercept) == pytest.approx(stats.expectile(Y, level), abs=1e-3)
    score = objective.score(Y[:, None], np.asarray(answers[0], np.float32))
    assert score == pytest.approx(np.mean(KINDS["expectile"].errors(Y, float(intercept), config(level))), rel=1e-4)


def test_half_is_the_squared_error():
    outputs = RNG.normal(size=(1, N, 2)).astype(np.float32)
    mse = TrainConfig(row_weight="equal")
    found, expected = objective_of(config(0.5)), objective_of(mse)
    y = Y[:, None]
    assert found.score(y, outputs) == expected.score(y, outputs)
    tensors = y[None, None].astype(np.float32), outputs[None]
    np.testing.assert_array_equal(found.loss(*tensors), expected.loss(*tensors))
    np.testing.assert_array_equal(found.error(*tensors), expected.error(*tensors))
    value = outputs[0, :, 0].astype(np.float64)
    errors = KINDS["expectile"].errors(Y, value, config(0.5))
    np.testing.assert_allclose(errors, KINDS["mse"].errors(Y, value, mse), rtol=1e-14)
    assert KINDS["expectile"].best_constant(y, None, config(0.5)) == pytest.approx(Y.mean())


def test_half_trains_the_networks_of_the_squared_error_and_another_level_lies_where_it_should(tmp_path):
    answers = {}
    for name, settings in {
        "mse": {"objective": "mse"},
        "half": {"objective": "expectile", "expectile": 0.5},
        "high": {"objective": "expectile", "expectile": 0.95},
        "low": {"objective": "expectile", "expectile": 0.05},
    }.items():
        (tmp_path / name).mkdir()
        manifest, answers[name] = trained(tmp_path / name, **settings)
        assert manifest.coverage.covered["y"] == pytest.approx(0.9, abs=0.05)
    np.testing.assert_allclose(answers["half"], answers["mse"], atol=1e-4 * Y.std())
    for name, level in (("high", 0.95), ("low", 0.05)):
        assert abs(balance(Y, answers[name], level)) < 0.03 * Y.std()
        assert abs(balance(Y, answers["mse"], level)) > 0.1 * Y.std()
    assert manifest.lineage.config["expectile"] == 0.05
    assert manifest.verdict.metric == "expectile_loss"
    assert {"expectile", GLM, BOOSTING} == set(manifest.baselines)
    assert "expectile loss" in manifest.verdict.sentence


def jax_trains_the_level(tmp_path) -> None:
    import keras

    assert keras.backend.backend() == "jax"
    _, answers = trained(tmp_path, objective="expectile", expectile=0.95)
    assert abs(balance(Y, answers, 0.95)) < 0.03 * Y.std()


def test_boosted_trees_take_the_loss():
    with few_threads(N):
        squared = HistGradientBoostingRegressor(random_state=0).fit(X, Y).predict(X)
        half = HistGradientBoostingRegressor(loss=boosting_loss(0.5), random_state=0).fit(X, Y).predict(X)
        np.testing.assert_allclose(half, squared, atol=1e-5)
        # One leaf of all rows: the intercept alone.
        alone = HistGradientBoostingRegressor(loss=boosting_loss(0.9), min_samples_leaf=N, max_iter=2)
        expected = stats.expectile(Y, 0.9, weights=WEIGHT)
        np.testing.assert_allclose(alone.fit(X, Y, sample_weight=WEIGHT).predict(X), expected, rtol=1e-6)
        for level in (0.1, 0.9):
            model = HistGradientBoostingRegressor(loss=boosting_loss(level), early_stopping=True, random_state=0)
            answers = model.fit(X, Y, sample_weight=WEIGHT).predict(X)
            assert abs(balance(Y, answers, level, WEIGHT)) < 0.05 * Y.std()


def test_the_line_is_of_least_asymmetric_squares():
    ridge = Ridge(1e-3 * N).fit(X, Y)
    np.testing.assert_allclose(ExpectileLine(0.5).fit(X, Y).predict(X), ridge.predict(X), rtol=1e-8)
    for level in LEVELS:
        line = ExpectileLine(level).fit(X, Y, WEIGHT)
        error = Y - line.predict(X)
        counts = WEIGHT * np.where(error > 0, 2 * level, 2 - 2 * level)
        assert np.average(counts * error) == pytest.approx(0, abs=1e-9)
        np.testing.assert_allclose(X.T @ (counts * error), 1e-3 * WEIGHT.sum() * line.coef_[:-1], rtol=1e-6)


@pytest.mark.parametrize("level", [0.1, 0.9])
def test_the_baselines_learn_the_level_from_the_rows_that_weigh(level):
    asked = config(level)
    prepared = prepare(frame(), Request("memory", ("y",), "m", asked))
    assert baseline_names(asked, prepared.schema) == ("expectile", GLM, BOOSTING)
    losses = {}
    counted = np.arange(N) < N // 2
    spoilt = np.where(counted, Y, Y + 1e3)[:, None]
    for name, model in baselines(prepared.schema, prepared.X, spoilt, asked, counted.astype(float)):
        answers = predict(model, prepared.X)[counted]
        assert abs(balance(Y[counted], answers[:, 0], level)) < 0.05 * Y.std()
        losses[name] = by_target(("y",), Y[counted][:, None], answers, config=asked)["y"]["expectile_loss"]
    assert max(losses[GLM], losses[BOOSTING]) < 0.5 * losses["expectile"]


def test_a_network_that_knows_only_the_level_beats_nothing():
    """Beside the mean it would look well: the verdict has to compare it with the level's own constant."""
    asked, y = config(0.95), RNG.normal(size=(500, 1))
    high = np.full_like(y, stats.expectile(y[:, 0], 0.95))
    mean = np.full_like(y, y.mean())
    errors = KINDS["expectile"].errors
    assert errors(y, high, asked).mean() < 0.5 * errors(y, mean, asked).mean()
    found = verdict(y, high + 1e-3 * RNG.normal(size=y.shape), {"expectile": high}, asked)
    assert not found.beats_mean
    assert "does not beat predicting the expectile beyond chance" in found.sentence
    moved = verdict(y, high + 0.2, {"expectile": high + 5}, asked).sentence
    assert "than that of predicting the expectile, the best baseline" in moved
    assert "worse than the expectile of the test rows themselves (expectile loss" in moved


def test_targets_of_different_units_count_alike_in_a_mix():
    y = np.column_stack([Y, 1e4 * Y])
    value = np.column_stack([Y + 1, 1e4 * Y + 1e4]).astype(np.float32)
    errors = errors_of(Outputs(value), y, config())
    alone = [errors_of(Outputs(value[:, [j]]), y[:, [j]], config()) for j in (0, 1)]
    np.testing.assert_allclose(alone[0], alone[1], rtol=1e-3)
    np.testing.assert_allclose(errors, alone[0], rtol=1e-3)


def test_trees_of_a_mix_learn_the_level(monkeypatch):
    monkeypatch.setattr("training.families.trees.forest.MOST_TREES", 100)
    prepared = prepare(frame(), Request("memory", ("y",), "m", config(0.9, folds=2)))
    off, losses = [], []
    for asked in (config(0.9), TrainConfig()):
        folds = prepared.plan.first_cut
        forest = grow(Samples(prepared.schema, prepared.X, prepared.y, asked), folds, np.arange(N))
        value = np.zeros(N)
        for fold, answers in zip(folds, forest.unseen, strict=True):
            value[fold.validation] = answers[:, 0]
        off.append(abs(balance(Y, value, 0.9)))
        losses.append(KINDS["expectile"].errors(Y, value, config(0.9)).mean())
    assert off[0] < 0.4 * off[1]
    assert losses[0] < 0.8 * losses[1]


def test_as_many_trees_are_taken_as_the_level_needs():
    stages = [np.stack([np.full((4, 1), value) for value in (0.0, 1.0, 2.0)])]
    truth, counts = [np.array([[0.0], [0.0], [0.0], [4.0]])], [50, 100, 150]
    # The mean of these rows is 1, and their 0.75-expectile 2.
    assert [enough_iterations(stages, truth, counts, asked) for asked in (TrainConfig(), config(0.75))] == [100, 150]


@pytest.mark.parametrize("stream", [False, True])
def test_a_mix_is_trained_in_memory_and_streamed(tmp_path, monkeypatch, stream):
    monkeypatch.setattr("training.families.trees.forest.MOST_TREES", 100)
    path = tmp_path / "t.parquet"
    frame().write_parquet(path, row_group_size=100)
    quick = {"epochs": 6, "hidden": [16], "embedding_bins": 4, "repeats": 1, "folds": 1, "mix": ["mlp", "trees"]}
    registry = LocalRegistry(tmp_path / "home")
    request = Request(str(path), ("y",), "m", config(0.9, **quick), stream=stream)
    manifest = train(request, registry, bounds=Bounds(batch_rows=64, chunk_rows=100))
    assert "trees" in manifest.facts.mix.weights
    assert manifest.facts.mix.plain == "expectile loss"
    assert manifest.verdict.beats_mean
    assert (registry.resolve("m").path / "report" / "report.html").read_text().count("expectile loss") > 1


def test_what_does_not_suit_is_refused():
    with pytest.raises(DataError, match=r"expectile.* less than 1\. Received: expectile=1"):
        config(1.0)
    with pytest.raises(DataError, match=r"Expected objective=mse for model=ridge\. Received: objective=expectile"):
        config(model="ridge")
    # Kept by a start from an earlier version.
    assert "expectile" in meaning()
