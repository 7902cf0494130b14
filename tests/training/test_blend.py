"""The weights of a mix: a part that helps on unseen rows counts, one that does not is left out."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from artifact.layers import Mixture
from artifact.runtimes import Outputs
from training.ensemble.weights import choose_weights, mean_of
from training.settings.config import TrainConfig


def outputs(y, error, *, spread=1.0):
    value = (y + error).astype(np.float32)
    return Outputs(value, None if spread is None else np.full_like(value, spread))


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2000, 1)), rng


def test_independent_errors_count_by_their_precision(truth):
    y, rng = truth
    parts = [outputs(y, rng.normal(0, s, y.shape)) for s in (1.0, 2.0)]
    # With independent errors the best weights are in proportion to the inverse variances: 0.8 and 0.2.
    assert choose_weights(parts, y, TrainConfig())[0] == pytest.approx(0.8, abs=0.05)


def test_what_does_not_help_is_left_out(truth):
    y, rng = truth
    good = rng.normal(0, 1, y.shape)
    parts = [outputs(y, good), outputs(y, 1.5 * good), outputs(y, rng.normal(0, 30, y.shape))]
    np.testing.assert_array_equal(choose_weights(parts, y, TrainConfig()), [1, 0, 0])


def test_rows_count_by_their_weight(truth):
    y, rng = truth
    first = np.arange(len(y)) < 1000
    near, far = rng.normal(0, 0.1, y.shape), rng.normal(0, 3, y.shape)
    parts = [outputs(y, np.where(first[:, None], near, far)), outputs(y, np.where(first[:, None], far, near))]
    weights = choose_weights(parts, y, TrainConfig(), first.astype(float))
    np.testing.assert_array_equal(weights, [1, 0])


def test_a_part_without_a_spread_does_not_stand_alone(truth):
    y, rng = truth
    parts = [outputs(y, rng.normal(0, 2, y.shape)), outputs(y, rng.normal(0, 0.1, y.shape), spread=None)]
    weights = choose_weights(parts, y, TrainConfig())
    assert 0 < weights[0] < 0.1


def test_gaussian_weighs_by_likelihood(truth):
    y, rng = truth
    error = rng.normal(0, 1, y.shape)
    # The values are the same: only their deviations differ, and one of them is right.
    parts = [outputs(y, error, spread=1.0), outputs(y, error, spread=20.0)]
    np.testing.assert_array_equal(choose_weights(parts, y, TrainConfig(objective="gaussian")), [1, 0])


@pytest.mark.parametrize("normal", [False, True])
def test_the_layer_mixes_as_the_choice_did(truth, normal):
    _, rng = truth
    shape = (50, 2)
    parts = [
        Outputs(rng.normal(size=shape).astype(np.float32), rng.uniform(1, 2, shape).astype(np.float32)),
        Outputs(rng.normal(size=shape).astype(np.float32)),
        Outputs(rng.normal(size=shape).astype(np.float32), rng.uniform(1, 2, shape).astype(np.float32)),
    ]
    weights = np.array([0.5, 0.3, 0.2])
    inputs = [{name: a for name, a in part._asdict().items() if a is not None} for part in parts]
    layer = Mixture.from_config(Mixture(weights.tolist(), normal).get_config())
    mixed = {name: keras.ops.convert_to_numpy(tensor) for name, tensor in layer(inputs).items()}
    expected = mean_of(parts, weights, normal=normal)
    np.testing.assert_allclose(mixed["value"], expected.value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed["spread"], expected.spread, rtol=1e-5)


def test_the_spread_of_normal_parts_is_that_of_their_mixture():
    rng = np.random.default_rng(0)
    parts = [Outputs(np.array([[v]], np.float32), np.array([[s]], np.float32)) for v, s in ((0.0, 1.0), (4.0, 2.0))]
    mixed = mean_of(parts, np.array([0.25, 0.75]), normal=True)
    sample = np.concatenate([rng.normal(0, 1, 100_000), rng.normal(4, 2, 300_000)])
    assert mixed.spread[0, 0] == pytest.approx(sample.std(), rel=0.01)


def test_weights_must_be_a_mean():
    with pytest.raises(ValueError, match="sum is 1"):
        Mixture([0.5, 0.6])
