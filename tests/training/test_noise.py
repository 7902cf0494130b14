"""Variances of normal distributions are corrected on unseen rows, in the answers that measure and in the model."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import polars as pl
import pytest

from artifact.layers import TargetScaling
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from training.fit.observer import Observer
from training.fit.trained import Trained
from training.networks.unseen import answers, joint_unseen, with_noise
from training.objectives.variance import Noise
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.train import train

CONFIG = TrainConfig(
    objective="gaussian", model="mlp", folds=2, repeats=2, epochs=6, hidden=(32,), embedding_bins=8, dropout=0.0
)


def likelihood(error, variance):
    """The negative log-likelihood, without its constant."""
    return float(np.mean(0.5 * np.square(error) / variance + 0.5 * np.log(variance)))


def test_the_correction_finds_scale_and_floor():
    rng = np.random.default_rng(0)
    variance = np.exp(rng.uniform(-6, 0, (20_000, 2)))
    true = np.stack([4 * variance[:, 0], variance[:, 1] + 0.05], axis=1)
    error = np.sqrt(true) * rng.normal(size=true.shape)
    noise = Noise.fit(error, variance)
    np.testing.assert_allclose(noise.variance(variance), true, rtol=0.15)
    assert noise.scale[0] == pytest.approx(4, rel=0.1)
    assert noise.floor[0] < 0.01
    assert noise.floor[1] == pytest.approx(0.05, rel=0.4)


def test_variances_that_are_right_stay():
    rng = np.random.default_rng(1)
    variance = np.exp(rng.uniform(-2, 2, (20_000, 1)))
    noise = Noise.fit(np.sqrt(variance) * rng.normal(size=variance.shape), variance)
    np.testing.assert_allclose(noise.variance(variance), variance, rtol=0.05)


def test_a_few_rows_of_misplaced_certainty_cost_little_of_the_rest():
    rng = np.random.default_rng(2)
    variance = np.full((1_000, 1), 0.25)
    error = 0.5 * rng.normal(size=variance.shape)
    variance[:50], error[:10] = 1e-6, 1.0
    error[10:50] = 0.0
    noise = Noise.fit(error, variance)
    assert likelihood(error, variance) > 1_000
    assert likelihood(error, noise.variance(variance)) < 0.1
    np.testing.assert_allclose(noise.variance(variance)[50:], 0.25, rtol=0.5)


def test_rows_without_weight_do_not_count():
    rng = np.random.default_rng(3)
    variance = np.ones((400, 1))
    error = rng.normal(size=variance.shape)
    error[200:] *= 10
    weight = np.r_[np.ones(200), np.zeros(200)]
    corrected = Noise.fit(error, variance, weight).variance(variance)
    np.testing.assert_allclose(corrected, np.mean(np.square(error[:200])), rtol=1e-6)
    assert np.isfinite(Noise.fit(error, variance, np.zeros(400)).scale).all()
    assert Noise.fit(np.zeros((5, 1)), np.ones((5, 1))).scale > 0


def table(n: int = 400) -> pl.DataFrame:
    """Every row occurs twice, each time with other noise: networks that learn the noise by heart are wrong."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, n // 2))
    frame = pl.DataFrame({"a": a, "b": b, "y": np.sin(2 * a) + b})
    return pl.concat([frame, frame]).with_columns(pl.col("y") + pl.Series(rng.normal(0, 0.5, n)))


@pytest.fixture(scope="module")
def fitted():
    prepared = prepare(table(), Request("", ("y",), "m", CONFIG))
    return prepared, Trained().fit(prepared, Observer()).fitted


def test_the_model_has_the_correction_of_all_rows_out_of_fold(fitted):
    prepared, result = fitted
    layer = result.model.get_layer("target")
    corrected = answers(result.model, prepared.X).spread.astype(np.float64)
    scale, floor = layer.spread_scale, layer.spread_floor
    layer.spread_scale, layer.spread_floor = [1.0], [0.0]
    try:
        raw = answers(result.model, prepared.X).spread.astype(np.float64)
    finally:
        layer.spread_scale, layer.spread_floor = scale, floor
    np.testing.assert_allclose(corrected, np.sqrt(result.noise.variance(np.square(raw))), rtol=1e-4)
    assert result.noise.scale[0] != 1.0


def test_a_fold_is_corrected_by_the_rows_of_the_others(fitted):
    """Other targets of one fold do not change its own spreads."""
    prepared, result = fitted
    fold, other = prepared.plan.first_cut
    before = joint_unseen(prepared, result).spread
    y = prepared.y.copy()
    y[fold.validation] += 100.0
    after = joint_unseen(dataclasses.replace(prepared, y=y), result).spread
    np.testing.assert_array_equal(after[fold.validation], before[fold.validation])
    assert (after[other.validation] > 2 * before[other.validation]).all()


def test_other_objectives_have_nothing_to_correct(fitted):
    prepared, result = fitted
    config = prepared.config.model_copy(update={"objective": "mse"})
    assert with_noise(dataclasses.replace(prepared, config=config), result) is result


@pytest.mark.parametrize("folds", [1, 2])
def test_what_is_served_has_the_correction_too(folds, tmp_path):
    """With held-out rows, these give the correction, and it stays when all rows have trained."""
    table().write_parquet(tmp_path / "table.parquet")
    registry = LocalRegistry(tmp_path / "home")
    config = CONFIG.model_copy(update={"folds": folds, "refit": True})
    train(Request(str(tmp_path / "table.parquet"), ("y",), "m", config), registry)
    folder = registry.resolve("m").path
    layer = keras.saving.load_model(folder / "model.keras").get_layer("target")
    assert layer.spread_scale != [1.0]
    predictor = Predictor.load(folder)
    rows = [{"a": 0.1, "b": 0.2}, {"a": 2.0, "b": -1.0}]
    assert np.isfinite(predictor.predict_rows(rows).value).all()


def test_the_layer_corrects_the_mixtures_variance():
    layer = TargetScaling([1.0], [2.0], link="normal", spread_scale=[3.0], spread_floor=[0.5])
    outputs = np.log(np.array([[[0.0, 1.0]], [[0.0, 2.0]]], np.float32) + np.array([1.0, 0.0], np.float32))
    outputs[..., 0] = [[1.0], [3.0]]
    answers = layer(outputs)
    variance = (1.0 + 4.0) / 2 + 1.0
    np.testing.assert_allclose(np.asarray(answers["spread"]), [[2 * np.sqrt(3 * (variance + 0.5))]], rtol=1e-6)
    again = TargetScaling.from_config(layer.get_config())
    assert (again.spread_scale, again.spread_floor) == ([3.0], [0.5])
