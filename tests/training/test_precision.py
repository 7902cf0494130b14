"""Mixed precision: only some layers compute in 16 bits, results are near float32's, and float32 is stored."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from artifact.runtimes import open_runtime
from tests.training.test_fit import SCHEMA, N, X, fit, problem, settings, y
from training.devices.devices import Device
from training.devices.precision import LARGE_STEP, layers_in, precision_of, products_in
from training.export.models import write_model
from training.fit.loops.problem import Hardware, Steps
from training.networks.model import Fitted, feed
from training.table.folds import cross_validation

AMPERE = Device("gpu:0", "NVIDIA A100-SXM4-80GB", (8, 0), "gpu:0")
VOLTA = Device("gpu:0", "Tesla V100-SXM2-32GB", (7, 0), "gpu:0")
UNKNOWN = Device("gpu:0", "some other GPU", None, "gpu:0")
CPU = Device("cpu:0")
MIXED = "mixed_bfloat16"


@pytest.mark.parametrize(
    ("setting", "devices", "products", "precision"),
    [
        ("auto", (), LARGE_STEP, "float32"),
        ("auto", (CPU,), LARGE_STEP, "float32"),
        ("auto", (VOLTA,), LARGE_STEP, "float32"),
        ("auto", (UNKNOWN,), LARGE_STEP, "float32"),
        ("auto", (AMPERE,), LARGE_STEP, MIXED),
        ("auto", (AMPERE,), LARGE_STEP - 1, "tf32"),
        ("auto", (AMPERE, VOLTA), LARGE_STEP, "float32"),
        ("float32", (AMPERE,), LARGE_STEP, "float32"),
        ("tf32", (AMPERE,), 1, "tf32"),
        ("tf32", (CPU,), 1, "float32"),
        (MIXED, (CPU,), 1, MIXED),
        (MIXED, (VOLTA,), 1, MIXED),
    ],
)
def test_auto_takes_what_pays(setting, devices, products, precision):
    assert precision_of(setting, devices, products) == precision


def test_steps_are_compiled_where_there_are_many_or_their_products_are():
    config = settings(model="mlp", hidden=(256, 256))
    small, large = problem(config, 2, steps=Steps(64)), problem(config, 2, steps=Steps(64_000))
    assert not replace(small, steps=Steps(64, 0, 2_499)).pays_compiling
    assert replace(small, steps=Steps(64, 0, 2_500)).pays_compiling
    assert 1_000_000 < small.products < 1e11 / 2_499
    assert not replace(large, steps=Steps(64_000, 0, 1)).pays_compiling
    assert replace(large, steps=Steps(64_000, 0, round(1.01e11 / large.products))).pays_compiling
    assert not replace(small, steps=Steps(64, 0, 2_499), hardware=Hardware((AMPERE,))).pays_compiling


def test_only_hidden_layers_compute_in_16_bits_and_only_while_a_step_is_traced():
    core = problem(settings(model="tabm"), 2).core
    x = np.ones((2, 8, core.get_layer("hidden_0").input.shape[-1]), np.float32)

    def policies() -> dict[str, str]:
        return {layer.name: layer.dtype_policy.name for layer in core.layers}

    before = policies()
    assert set(before.values()) == {"float32"}
    with layers_in(core, MIXED):
        inside = policies()
        hidden = core.get_layer("dropout_0")(core.get_layer("hidden_0")(x), training=True)
        assert keras.backend.standardize_dtype(hidden.dtype) == "bfloat16"
        assert keras.backend.standardize_dtype(core.get_layer("values")(hidden).dtype) == "float32"
    assert [name for name, policy in inside.items() if policy == MIXED] == ["hidden_0", "dropout_0"]
    assert policies() == before
    with pytest.raises(KeyError), layers_in(core, MIXED):
        raise KeyError
    with layers_in(core, "tf32"):
        assert policies() == before


def test_tf32_is_let_in_for_the_steps_alone():
    import tensorflow as tf

    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    before = enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        for precision, inside in (("float32", False), ("tf32", True), (MIXED, True)):
            with products_in(precision):
                assert enabled() is inside
            assert enabled() is False
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def check_that_mixed_precision_learns_as_much(family: str) -> Fitted:
    """Fit in both precisions; returns the networks of mixed precision."""
    folds = cross_validation(N, 3, 1, seed=0).folds
    errors = {}
    for precision in ("float32", MIXED):
        fitted = fit(folds, settings(model=family, epochs=40, precision=precision))
        assert fitted.computed is not None
        assert fitted.computed.precision == precision
        unseen = [fitted.unseen[i].value - y[fold.validation] for i, fold in enumerate(folds)]
        errors[precision] = float(np.sqrt(np.square(np.concatenate(unseen)).mean()))
    assert errors[MIXED] == pytest.approx(errors["float32"], rel=0.15)
    # Steps were taken in 16 bits: the rounding changes the result.
    assert errors[MIXED] != errors["float32"]
    layers = [*fitted.model.layers, *fitted.model.get_layer(family).layers]
    assert {layer.dtype_policy.name for layer in layers} == {"float32"}
    assert {keras.backend.standardize_dtype(v.dtype) for v in fitted.model.trainable_variables} == {"float32"}
    return fitted


@pytest.mark.parametrize("family", ["mlp", "tabm", "realmlp"])
def test_mixed_precision_learns_as_much(family):
    check_that_mixed_precision_learns_as_much(family)


def test_what_mixed_precision_trained_is_stored_as_float32_and_onnx_answers_the_same(tmp_path):
    config = settings(model="mlp", epochs=3, precision=MIXED)
    model = fit(cross_validation(N, 3, 1, seed=0).folds, config).model
    # This raises where both differ.
    assert write_model(model, tmp_path, SCHEMA, X).note is None
    stored = open_runtime(tmp_path, "onnx").run(X.numeric, X.categorical)
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    answers = loaded(feed(X, [t.name for t in loaded.inputs]))
    assert {layer.dtype_policy.name for layer in loaded.layers} == {"float32"}
    np.testing.assert_allclose(np.asarray(answers["value"]), stored.value, rtol=0, atol=1e-5)
