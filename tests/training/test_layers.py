import keras
import numpy as np
import pytest
from keras import ops

from artifact.layers import (
    CategoryEmbedding,
    NumericPreprocessing,
    PiecewiseLinearEmbedding,
    StopGradient,
    TargetScaling,
)
from artifact.layers.categorical import embedding_width
from artifact.runtimes import OnnxRuntime
from training.export import export_onnx

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3)).astype(np.float32)
X[::5, 1] = np.nan


def array(tensor) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


LAYERS = [
    (NumericPreprocessing.adapted(X, [1]), X),
    (NumericPreprocessing.adapted(X, [], squeeze=False), X),
    (PiecewiseLinearEmbedding.adapted(np.nan_to_num(X), 8, dim=4), np.nan_to_num(X)),
    (CategoryEmbedding([4, 6], seed=1), RNG.integers(0, 4, (64, 2)).astype(np.int32)),
    (TargetScaling([3.0], [2.0], [0.0], [5.0]), RNG.normal(size=(64, 2)).astype(np.float32)),
    (StopGradient(), X),
]


@pytest.mark.parametrize(("layer", "inputs"), LAYERS, ids=lambda v: type(v).__name__)
def test_config_round_trip_gives_the_same_layer(layer, inputs):
    expected = layer(inputs)
    copy = type(layer).from_config(layer.get_config())
    copy(inputs)
    copy.set_weights(layer.get_weights())
    for a, b in zip(keras.tree.flatten(expected), keras.tree.flatten(copy(inputs)), strict=True):
        np.testing.assert_array_equal(array(a), array(b))


@pytest.mark.parametrize(("layer", "inputs"), LAYERS[:5], ids=lambda v: type(v).__name__)
def test_onnx_gives_the_same_answers(layer, inputs, tmp_path):
    name = "categorical" if inputs.dtype == np.int32 else "numeric"
    tensor = keras.Input(inputs.shape[1:], dtype=str(inputs.dtype), name=name)
    found = layer(tensor)
    outputs = found if isinstance(found, dict) else {"value": keras.layers.Identity()(found)}
    model = keras.Model({name: tensor}, outputs)
    expected = model({name: inputs})
    export_onnx(model, tmp_path / "layer.onnx")
    runtime = OnnxRuntime(tmp_path / "layer.onnx")
    answer = runtime.run(inputs, inputs)
    np.testing.assert_allclose(answer.value, array(expected["value"]), rtol=1e-6, atol=1e-6)
    if answer.spread is not None:
        np.testing.assert_allclose(answer.spread, array(expected["spread"]), rtol=1e-6)


def test_numeric_imputes_flags_and_bounds():
    values = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [np.nan], [1e38], [-1e38]], np.float32)
    layer = NumericPreprocessing.adapted(values[:6], [0])
    z = array(layer(values))
    assert layer.center == [2.0]
    assert layer.scale == [2.0]
    np.testing.assert_array_equal(z[:, 1], [0, 0, 0, 0, 0, 1, 0, 0])
    assert z[5, 0] == z[2, 0] == 0
    assert np.isfinite(z).all()
    np.testing.assert_allclose(z[6:, 0], [3, -3], atol=1e-4)


def test_numeric_copes_with_constant_empty_and_denormal_columns():
    values = np.array([[5, np.nan, 1e-40], [5, np.nan, 2e-40]], np.float32)
    layer = NumericPreprocessing.adapted(values, [])
    assert np.isfinite(array(layer(values))).all()


def test_half_constant_column_is_scaled_by_its_range():
    values = np.array([[0], [0], [0], [0], [10]], np.float32)
    assert NumericPreprocessing.adapted(values, []).scale == [5.0]


def test_piecewise_bins_fill_one_after_another():
    layer = PiecewiseLinearEmbedding([[0.0, 1.0, 3.0]], dim=1)
    layer.build((None, 1))
    bins, slope, bias = layer.get_weights()
    layer.set_weights([np.array([[[1.0], [10.0]]]), np.zeros_like(slope), np.zeros_like(bias)])
    x = np.array([[-1.0], [0.5], [1.0], [2.0], [5.0]], np.float32)
    # Below the first edge the first bin goes on, above the last edge the last bin does.
    np.testing.assert_allclose(array(layer(x))[:, 0], [-1.0, 0.5, 1.0, 6.0, 21.0])
    assert bins.shape == (1, 2, 1)


def test_piecewise_starts_linear_and_merges_close_edges():
    Z = np.array([[0.0], [0.0], [1e-6], [1.0]], np.float32)
    layer = PiecewiseLinearEmbedding.adapted(Z, 16, dim=2)
    assert layer.edges[0][0] == 0
    assert min(np.diff(layer.edges[0])) >= 0.01
    with pytest.raises(ValueError, match="ascending edges"):
        PiecewiseLinearEmbedding([[1.0, 1.0]])


def test_other_bucket_is_trained_by_replacement():
    layer = CategoryEmbedding([5], other_rate=0.5, seed=0)
    codes = np.full((1000, 1), 3, np.int32)
    layer(codes)
    table = layer.get_weights()[0]
    trained = array(layer(codes, training=True))
    others = (trained == table[1]).all(axis=1).mean()
    assert 0.4 < others < 0.6
    np.testing.assert_array_equal(array(layer(codes)), np.repeat(table[3:4], 1000, axis=0))
    with pytest.raises(ValueError, match="other_rate"):
        CategoryEmbedding([5], other_rate=1.0)


def test_embeddings_are_never_wider_than_one_hot():
    assert [embedding_width(n, 32) for n in (2, 3, 10, 100_000)] == [2, 3, 6, 32]


def test_target_scaling_restores_units_within_bounds():
    layer = TargetScaling([100.0], [10.0], [95.0], [120.0])
    found = layer(np.array([[0.0, 0.0], [9.0, 99.0], [-9.0, -99.0]], np.float32))
    np.testing.assert_allclose(array(found["value"])[:, 0], [100, 120, 95])
    spread = array(found["spread"])[:, 0]
    assert spread[0] == pytest.approx(10)
    assert (spread > 0).all()
    assert np.isfinite(spread).all()
