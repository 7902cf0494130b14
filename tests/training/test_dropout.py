"""Dropout's rates, and whether the bytes behind its masks are as good as independent ones."""

import keras
import numpy as np
import pytest

from artifact.layers import CategoryEmbedding, StackedDropout
from artifact.layers.dropout import random_bytes
from tests.training.test_layers import array


def masks(n_calls: int, n_networks: int = 3, n_samples: int = 256, width: int = 128, seed: int = 5) -> np.ndarray:
    generator = keras.random.SeedGenerator(seed)
    return np.stack([array(random_bytes(n_networks, n_samples, width, generator)) for _ in range(n_calls)])


def test_each_network_has_a_rate_and_nothing_is_dropped_outside_training():
    layer = StackedDropout([0.0, 0.5], seed=0)
    x = np.ones((2, 500, 8), np.float32)
    np.testing.assert_array_equal(array(layer(x)), x)
    dropped = array(layer(x, training=True))
    np.testing.assert_array_equal(dropped[0], x[0])
    assert 0.45 < (dropped[1] == 0).mean() < 0.55
    assert dropped[1].max() == 2
    with pytest.raises(ValueError, match="rates"):
        StackedDropout([1.0])


@pytest.mark.parametrize("numbers", [(1, 4), (2, 3, 4), (5,)])
def test_some_of_the_networks_draw_what_they_draw_beside_all(numbers):
    picks = list(numbers)
    x, rates = np.ones((6, 40, 9), np.float32), [0.0, 0.5, 0.3, 0.2, 0.6, 0.4]
    everyone, some = (
        StackedDropout(rates, seed=2),
        StackedDropout([rates[i] for i in picks], seed=2, numbers=numbers),
    )
    codes = np.full((6, 400, 1), 2, np.int32)
    embedding = CategoryEmbedding(6, [4], other_rate=0.3, seed=3)
    part = CategoryEmbedding(len(picks), [4], other_rate=0.3, seed=3, numbers=numbers)
    embedding.build(codes.shape)
    part.build(codes[picks].shape)
    part.set_weights([weights[picks] for weights in embedding.get_weights()])
    for _ in range(2):
        np.testing.assert_array_equal(array(some(x[picks], training=True)), array(everyone(x, training=True))[picks])
        before = array(embedding(codes, training=True))[picks]
        np.testing.assert_array_equal(array(part(codes[picks], training=True)), before)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.2, 0.85, 0.999])
def test_the_mean_stays_as_it_is_at_any_rate(rate):
    """Units that stay are scaled by the share that really stays, not by the rate of the setting."""
    layer = StackedDropout([rate], seed=3)
    x = np.ones((1, 4096, 256), np.float32)
    dropped = array(layer(x, training=True))
    share = np.clip(np.round(rate * 256), 1, 255) / 256
    noise = 5 / np.sqrt(x.size)
    assert (dropped == 0).mean() == pytest.approx(share, abs=noise)
    assert dropped.max() == pytest.approx(1 / (1 - share))
    assert dropped.mean() == pytest.approx(1, abs=noise * np.sqrt(share / (1 - share)))


def test_bytes_are_uniform_in_all_positions():
    """The chi-square of 256 values has 255 degrees of freedom and a deviation of 22.6."""
    values = masks(16)
    for part in (values, values[..., 0::4], values[..., 3::4], values[:, 1], values[:, :, 7]):
        counts = np.bincount(part.ravel(), minlength=256)
        expected = part.size / 256
        assert abs(np.square(counts - expected).sum() / expected - 255) < 5 * 22.6


def test_bytes_tell_nothing_of_other_units_rows_networks_and_calls():
    values = masks(16).astype(np.float64)
    values -= values.mean()
    pairs = [(values[..., shift:], values[..., : values.shape[-1] - shift]) for shift in (1, 2, 3, 4, 5, 8, 64)]
    pairs += [(values[:, :, 1:], values[:, :, :-1]), (values[:, 1:], values[:, :-1]), (values[1:], values[:-1])]
    for one, other in pairs:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(one.size)


def test_every_unit_is_dropped_as_often_over_many_steps():
    stays = masks(400, n_samples=4, width=32) >= 26
    share = stays.mean(axis=0)
    deviation = np.sqrt(26 / 256 * 230 / 256 / 400)
    assert np.abs(share - 230 / 256).max() < 5 * deviation
    assert share.std() == pytest.approx(deviation, rel=0.2)


def test_a_seed_draws_the_same_again_and_another_one_others():
    first = masks(2)
    np.testing.assert_array_equal(first, masks(2))
    for other in (masks(2, seed=6), first[::-1]):
        assert (first == other).mean() == pytest.approx(1 / 256, abs=5 / 256 / 16)


@pytest.mark.parametrize("width", [1, 3, 5, 128])
def test_any_width_is_drawn_whole(width):
    values = masks(1, n_networks=2, n_samples=300, width=width)
    assert values.shape == (1, 2, 300, width)
    assert values.dtype == np.uint8
    assert len(np.unique(values)) > 150
