import keras
import numpy as np
import onnxruntime
import pytest
from keras import ops
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import PolynomialFeatures as SklearnPolynomial
from sklearn.preprocessing import StandardScaler

from artifact.layers import (
    CategoryEmbedding,
    DiagonalScale,
    JoinFeatures,
    MemberScale,
    NumericPreprocessing,
    OneHot,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    PolynomialFeatures,
    SoftBound,
    StackedDense,
    StackedDropout,
    StackedHeads,
    StopGradient,
    TargetScaling,
)
from artifact.layers.categorical import embedding_width
from artifact.layers.polynomial import n_products
from training.export.models import export_onnx

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3)).astype(np.float32)
X[::5, 1] = np.nan


def array(tensor) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


# Two networks side by side: rows that are the same for both, and different rows for each.
SAME = np.nan_to_num(X)[None]
EACH = RNG.normal(size=(2, 64, 3)).astype(np.float32)
CODES = RNG.integers(0, 4, (1, 64, 2)).astype(np.int32)
LAYERS = [
    (NumericPreprocessing.adapted(X, [1]), X),
    (NumericPreprocessing.adapted(X, [], squeeze=False), X),
    (StopGradient(), X),
    (PiecewiseLinearEmbedding.adapted(2, SAME[0], 8, dim=4, activation="relu"), SAME),
    (PeriodicEmbedding(2, frequencies=4, dim=3), SAME),
    (DiagonalScale(2), SAME),
    (CategoryEmbedding(2, [4, 6], seed=1), CODES),
    (CategoryEmbedding(2, [4, 6], seed=1, numbers=[0, 3]), CODES),
    (NumericPreprocessing.adapted(X, [1], standard=True, squeeze=False), X),
    (OneHot([4, 6]), CODES),
    (OneHot([4], most=3), CODES[:, :, :1]),
    (PolynomialFeatures(3), EACH),
    (PolynomialFeatures(2, degree=4), SAME),
    (SoftBound(), SAME),
    (JoinFeatures(2), [EACH, SAME]),
    (StackedDense(2, 8, "silu"), SAME),
    (StackedDense(2, 8, "parametric_mish", ntk=True), EACH),
    (MemberScale(2, 3, [1, 2]), EACH),
    (StackedDropout([0.1, 0.5], seed=1), EACH),
    (StackedDropout([0.1, 0.5], seed=1, numbers=[1, 4]), EACH),
    (MemberScale(2, 4, [1, 1, 1], draw="sign"), SAME),
    (StackedHeads(2, 4, 2), RNG.normal(size=(2, 4 * 64, 8)).astype(np.float32)),
    (StackedHeads(2, 4, 2, ntk=True), RNG.normal(size=(2, 4 * 64, 8)).astype(np.float32)),
    (TargetScaling([3.0], [2.0], [0.0], [5.0]), RNG.normal(size=(6, 64, 2)).astype(np.float32)),
    (TargetScaling([3.0, 1.0], [2.0, 1.0], link="normal"), RNG.normal(size=(6, 64, 4)).astype(np.float32)),
    (
        TargetScaling([3.0], [2.0], link="normal", spread_scale=[2.0], spread_floor=[0.1]),
        RNG.normal(size=(6, 64, 2)).astype(np.float32),
    ),
    (TargetScaling([0.0], [2.0], [0.0], [5.0], link="log"), RNG.normal(size=(6, 64, 2)).astype(np.float32)),
    (TargetScaling([0.0], [1.0], link="logistic"), RNG.normal(size=(6, 64, 1)).astype(np.float32)),
    (
        TargetScaling([3.0, 1.0], [2.0, 1.0], [0.0, 0.0], [5.0, 5.0], link="quantile", n_quantiles=3),
        RNG.normal(size=(6, 64, 6)).astype(np.float32),
    ),
]


@pytest.mark.parametrize(("layer", "inputs"), LAYERS, ids=lambda v: type(v).__name__)
def test_config_round_trip_gives_the_same_layer(layer, inputs):
    expected = layer(inputs)
    copy = type(layer).from_config(layer.get_config())
    copy(inputs)
    copy.set_weights(layer.get_weights())
    for a, b in zip(keras.tree.flatten(expected), keras.tree.flatten(copy(inputs)), strict=True):
        np.testing.assert_array_equal(array(a), array(b))


@pytest.mark.parametrize(("layer", "inputs"), LAYERS, ids=lambda v: type(v).__name__)
def test_onnx_gives_the_same_answers(layer, inputs, tmp_path):
    arrays = inputs if isinstance(inputs, list) else [inputs]
    tensors = [
        keras.Input(batch_shape=(*x.shape[:-2], None, x.shape[-1]), dtype=str(x.dtype), name=f"x{i}")
        for i, x in enumerate(arrays)
    ]
    result = layer(tensors if isinstance(inputs, list) else tensors[0])
    outputs = result if isinstance(result, dict) else {"value": keras.layers.Identity()(result)}
    model = keras.Model(tensors, outputs)
    expected = model(arrays)
    export_onnx(model, tmp_path / "layer.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "layer.onnx")
    names = [o.name for o in session.get_outputs()]
    answer = dict(zip(names, session.run(names, {f"x{i}": x for i, x in enumerate(arrays)}), strict=True))
    for name, value in expected.items():
        np.testing.assert_allclose(answer[name], array(value), rtol=1e-5, atol=1e-5)


def test_networks_side_by_side_answer_as_each_alone():
    rows = EACH
    for layer, single in (
        (StackedDense(2, 5, "tanh"), StackedDense(1, 5, "tanh")),
        (PiecewiseLinearEmbedding.adapted(2, SAME[0], 6), PiecewiseLinearEmbedding.adapted(1, SAME[0], 6)),
        (PeriodicEmbedding(2), PeriodicEmbedding(1)),
        (MemberScale(2, 3, [1, 1, 1]), MemberScale(1, 3, [1, 1, 1])),
    ):
        both = array(layer(rows))
        for i in range(2):
            single(rows[i : i + 1])
            single.set_weights([w[i : i + 1] for w in layer.get_weights()])
            np.testing.assert_allclose(array(single(rows[i : i + 1]))[0], both[i], rtol=1e-5, atol=1e-6)
    codes = CategoryEmbedding(2, [4, 6])
    both = array(codes(CODES))
    one = CategoryEmbedding(1, [4, 6])
    one(CODES)
    one.set_weights([w[1:] for w in codes.get_weights()])
    np.testing.assert_array_equal(array(one(CODES))[0], both[1])


def test_networks_start_from_different_draws():
    layer = StackedDense(3, 16)
    layer.build((None, None, 64))
    kernel = layer.get_weights()[0]
    assert not np.allclose(kernel[0], kernel[1])
    # He's initialisation counts the 64 inputs of one network, not those of all three.
    assert kernel.std() == pytest.approx((2 / 64) ** 0.5, rel=0.1)


def test_a_member_scales_all_columns_of_a_feature_by_one_draw():
    layer = MemberScale(1, 4, [1, 3])
    layer.build((1, None, 4))
    scale = layer.get_weights()[0][0, :, 0]
    np.testing.assert_array_equal(scale[:, 1], scale[:, 2])
    np.testing.assert_array_equal(scale[:, 1], scale[:, 3])
    assert (scale[:, 0] != scale[:, 1]).all()
    assert len(np.unique(scale[:, 0])) == 4
    with pytest.raises(ValueError, match="'draw'"):
        MemberScale(1, 4, [1], draw="uniform")


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
    layer = PiecewiseLinearEmbedding(1, [[0.0, 1.0, 3.0]], dim=1)
    layer.build((1, None, 1))
    bins, slope, bias = layer.get_weights()
    layer.set_weights([np.array([[[[1.0], [10.0]]]]), np.zeros_like(slope), np.zeros_like(bias)])
    x = np.array([[[-1.0], [0.5], [1.0], [2.0], [5.0]]], np.float32)
    # Below the first edge the first bin continues, above the last edge the last bin does.
    np.testing.assert_allclose(array(layer(x))[0, :, 0], [-1.0, 0.5, 1.0, 6.0, 21.0])
    assert bins.shape == (1, 1, 2, 1)


def test_piecewise_starts_linear_and_merges_close_edges():
    Z = np.array([[0.0], [0.0], [1e-6], [1.0]], np.float32)
    layer = PiecewiseLinearEmbedding.adapted(1, Z, 16, dim=2)
    assert layer.edges[0][0] == 0
    assert min(np.diff(layer.edges[0])) >= 0.01
    with pytest.raises(ValueError, match="ascending edges"):
        PiecewiseLinearEmbedding(1, [[1.0, 1.0]])


def test_other_bucket_is_trained_by_replacement():
    layer = CategoryEmbedding(1, [5], other_rate=0.5, seed=0)
    codes = np.full((1, 1000, 1), 3, np.int32)
    layer(codes)
    table = layer.get_weights()[0][0]
    trained = array(layer(codes, training=True))[0]
    others = (trained == table[1]).all(axis=1).mean()
    assert 0.4 < others < 0.6
    np.testing.assert_array_equal(array(layer(codes))[0], np.repeat(table[3:4], 1000, axis=0))
    with pytest.raises(ValueError, match="other_rate"):
        CategoryEmbedding(1, [5], other_rate=1.0)


def test_embeddings_are_never_wider_than_one_hot():
    assert [embedding_width(n, 32) for n in (2, 3, 10, 100_000)] == [2, 3, 6, 32]


def test_products_are_scikit_learns():
    for degree in (1, 2, 3, 5):
        products = array(PolynomialFeatures(2, degree)(SAME))[0]
        expected = SklearnPolynomial(degree, include_bias=False).fit_transform(SAME[0, :, :2])
        np.testing.assert_allclose(products, np.hstack([expected, SAME[0, :, 2:]]), rtol=1e-4, atol=1e-6)
        assert n_products(2, degree) == expected.shape[1]
    with pytest.raises(ValueError, match="'degree'"):
        PolynomialFeatures(2, 0)


def test_rare_codes_count_as_other():
    codes = np.arange(6, dtype=np.int32).reshape(1, 6, 1)
    np.testing.assert_array_equal(array(OneHot([6])(codes))[0], np.eye(6))
    few = array(OneHot([6], most=4)(codes))[0]
    np.testing.assert_array_equal(few.argmax(axis=1), [0, 1, 2, 3, 1, 1])
    assert few.shape == (6, 4)
    with pytest.raises(ValueError, match="'most'"):
        OneHot([6], most=1)


def test_standard_statistics_are_scikit_learns():
    values = np.array([[1, 7, np.nan], [2, 7, np.nan], [np.nan, 7, np.nan], [9, 7, np.nan]], np.float32)
    layer = NumericPreprocessing.adapted(values, [0], standard=True, squeeze=False)
    expected = StandardScaler().fit_transform(SimpleImputer().fit_transform(values[:, :2]))
    np.testing.assert_allclose(array(layer(values))[:, :2], expected, rtol=1e-6)
    assert layer.scale[1:] == [1, 1]


def test_target_scaling_restores_units_within_bounds():
    layer = TargetScaling([100.0], [10.0], [95.0], [120.0])
    answers = layer(np.array([[[0.0, 0.0], [9.0, 99.0], [-9.0, -99.0]]], np.float32))
    np.testing.assert_allclose(array(answers["value"])[:, 0], [100, 120, 95])
    spread = array(answers["spread"])[:, 0]
    assert spread[0] == pytest.approx(10)
    assert (spread > 0).all()
    assert np.isfinite(spread).all()


def test_a_mixture_of_networks_has_their_disagreement_in_its_spread():
    """Two networks have small spreads and different values (Lakshminarayanan et al. 2017)."""
    outputs = np.array([[[-1.0, np.log(0.5)]], [[1.0, np.log(0.5)]]], np.float32)
    answers = TargetScaling([10.0], [2.0], link="normal")(outputs)
    assert array(answers["value"]).item() == 10
    assert array(answers["spread"]).item() == pytest.approx(2 * np.sqrt(0.25 + 1))


def test_quantiles_move_with_their_median_when_it_is_kept_in_bounds():
    layer = TargetScaling([0.0], [1.0], [0.0], [5.0], link="quantile", n_quantiles=3)
    answers = layer(np.array([[[0.0, 9.0, 0.0]]], np.float32))
    quantiles = array(answers["quantiles"])[0, 0]
    assert array(answers["value"]).item() == quantiles[1] == 5
    np.testing.assert_allclose(np.diff(quantiles), np.log(2) + 1e-4, rtol=1e-5)


def test_an_unknown_link_lists_those_there_are():
    with pytest.raises(ValueError, match="identity, normal, log, logistic, quantile"):
        TargetScaling([0.0], [1.0], link="probit")
