"""The lean graph: the same function as any Keras model of Trueline's layers, in few operations."""

from __future__ import annotations

import typing

import keras
import numpy as np
import onnx
import polars as pl
import pytest

from artifact.layers import TargetScaling
from artifact.runtimes import OnnxRuntime
from artifact.runtimes.base import Outputs
from tests.training.conftest import mixed_table
from tests.training.fits import fit_on
from training.export.models import check_parity, export_onnx
from training.export.onnx_graph import UnsupportedError, write_onnx
from training.families import FAMILIES
from training.networks.inputs import Inputs, Preprocessed, heads
from training.networks.model import feed, whole
from training.objectives import KINDS, objective_of
from training.prepare.in_memory import Prepared, prepare
from training.prepare.request import Request
from training.settings.config import Activation, TrainConfig

TARGETS = ("price", "second")


def prepared(drop: tuple[str, ...] = (), targets: tuple[str, ...] = ("price",), **settings: object) -> Prepared:
    """Rows with every kind of feature, without those in ``drop``."""
    table = mixed_table(120).drop(drop).with_columns(second=(pl.col("price") * 0.01 + 3).sqrt())
    table = table.drop("second") if targets == ("price",) else table
    values = {"folds": 2, "repeats": 1, "hidden": (16, 12), "embedding_bins": 6, "embedding_dim": 3, **settings}
    return prepare(table, Request("", targets, "m", TrainConfig.build(None, values)))


def network(rows: Prepared, networks: int = 2) -> keras.Model:
    """A network as training makes it, with a different value for every weight."""
    config, n_targets = rows.config, rows.y.shape[1]
    family, objective = FAMILIES[config.required("model")], objective_of(config)
    ready = Preprocessed.of(rows.schema, rows.X, fitted_on=np.arange(len(rows.y)), squeeze=family.squeeze)
    inputs = Inputs.of(rows.schema, ready, networks, 0)
    members, n_values, n_spreads = config.members or 1, objective.n_values(n_targets), objective.n_spreads(n_targets)
    outputs = heads(family.layers(inputs, config), networks, members, n_values, n_spreads, ntk=family.ntk)
    core = keras.Model(inputs.tensors, outputs)
    rng = np.random.default_rng(0)
    core.set_weights([w + 0.2 * rng.normal(size=w.shape) for w in core.get_weights()])
    mean, std = rows.y.mean(axis=0), rows.y.std(axis=0)
    if objective.kind.link == "log":
        mean = 0 * mean
    bounds = (rows.y.min(axis=0).tolist(), rows.y.max(axis=0).tolist())
    link = objective.kind.link
    scaling = TargetScaling(mean.tolist(), std.tolist(), *bounds, link=link, n_quantiles=objective.n_quantiles)
    return whole(rows.schema, ready, core, scaling)


def check(model: keras.Model, rows: Prepared, path, *, exact: bool = False) -> onnx.ModelProto:
    """Write a model, and compare every output with Keras's."""
    write_onnx(model, path, exact=exact)
    X = rows.X
    answers = model(feed(X, [t.name for t in model.inputs]), training=False)
    expected = Outputs(**{name: np.asarray(keras.ops.convert_to_numpy(t)) for name, t in answers.items()})
    runtime = OnnxRuntime(path)
    outputs = runtime.run(X.numeric, X.categorical)
    check_parity(expected, outputs, rows.schema)
    assert np.ptp(outputs.value) > 0
    for n in (1, 3, 50):
        # A row gets the same bits in any batch.
        for part, all_of_them in zip(runtime.run(X.numeric[:n], X.categorical[:n]), outputs, strict=True):
            assert (part is None) == (all_of_them is None)
            if part is not None:
                np.testing.assert_array_equal(part, all_of_them[:n])
    written = onnx.load(path)
    assert [opset.domain for opset in written.opset_import] == [""]
    return written


@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("model", ["mlp", "tabm", "realmlp"])
def test_families_answer_as_keras(model, networks, tmp_path):
    rows = prepared(model=model, members=3 if model == "tabm" else 1, embedding_activation="relu")
    check(network(rows, networks), rows, tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("hidden", "products"),
    [
        # One product each for bins and flags with all first layers, the second layers' blocks, the heads' blocks, two
        # means.
        ((16, 12), 5),
        # The blocks of four layers of 200 x 200 hold more zeros than their operations are worth, those of heads do not;
        # wide layers take the embedding as a product of its own.
        ((200, 200), 9),
    ],
)
def test_small_networks_are_computed_together(hidden, products, tmp_path):
    rows = prepared(model="mlp", hidden=hidden)
    written = check(network(rows, networks=4), rows, tmp_path / "m.onnx")
    operations = [node.op_type for node in written.graph.node]
    # The product that copies columns to bins is one more.
    assert operations.count("MatMul") + operations.count("Gemm") == products + 1
    assert operations.count("Split") == (0 if hidden == (16, 12) else 1)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("objective", KINDS)
def test_objectives_answer_as_keras(objective, members, tmp_path):
    """There are two targets, except for a probability, which has one."""
    table = {"targets": ("price",)} if objective == "logistic" else {"targets": TARGETS}
    if objective == "logistic":
        rows = prepared(model="mlp", members=members)
        rows = prepare(
            mixed_table(120).with_columns(price=(pl.col("price") > 150_000).cast(pl.Int64)),
            Request("", ("price",), "m", rows.config.model_copy(update={"objective": "logistic"})),
        )
    else:
        rows = prepared(model="mlp", members=members, objective=objective, **table)
    check(network(rows), rows, tmp_path / "m.onnx")


@pytest.mark.parametrize("networks", [1, 2])
def test_corrected_variances_answer_as_keras(networks, tmp_path):
    rows = prepared(model="mlp", objective="gaussian", targets=TARGETS)
    model = network(rows, networks)
    write_onnx(model, tmp_path / "plain.onnx", exact=False)
    before = OnnxRuntime(tmp_path / "plain.onnx").run(rows.X.numeric, rows.X.categorical).spread
    (layer,) = (part for part in model.layers if isinstance(part, TargetScaling))
    layer.spread_scale, layer.spread_floor = [0.5, 4.0], [0.0, 0.2]
    check(model, rows, tmp_path / "m.onnx")
    after = OnnxRuntime(tmp_path / "m.onnx").run(rows.X.numeric, rows.X.categorical).spread
    np.testing.assert_allclose(after[:, 0], before[:, 0] * 0.5**0.5, rtol=1e-4)
    assert (after[:, 1] > 2 * before[:, 1]).all()


@pytest.mark.parametrize("networks", [1, 2])
@pytest.mark.parametrize(
    "drop",
    [("postcode", "town"), ("area", "rooms", "garden", "sold"), ("town",), ("area",), ("area", "town", "postcode")],
    ids="-".join,
)
@pytest.mark.parametrize("bins", [0, 6])
def test_any_columns_answer_as_keras(drop, bins, networks, tmp_path):
    rows = prepared(drop, model="mlp", embedding_bins=bins, embedding_activation="relu" if networks == 1 else None)
    for exact in (False, True):
        check(network(rows, networks), rows, tmp_path / "m.onnx", exact=exact)


@pytest.mark.parametrize("activation", typing.get_args(Activation))
def test_activations_answer_as_keras(activation, tmp_path):
    embedded = "relu" if activation == "parametric_mish" else activation
    rows = prepared(model="mlp", activation=activation, embedding_activation=embedded)
    check(network(rows), rows, tmp_path / "m.onnx")


@pytest.mark.parametrize("model", ["ridge", "polynomial", "stepwise"])
def test_lines_answer_as_keras(model, tmp_path):
    rows = prepared(model=model, targets=TARGETS)
    fitted = fit_on(rows, rows.plan.folds)
    check(fitted.model, rows, tmp_path / "m.onnx")


def test_wide_embeddings_answer_as_keras(tmp_path):
    """Many columns and bins are embedded column by column, few in one product."""
    rng = np.random.default_rng(0)
    table = pl.DataFrame({f"x{j}": rng.normal(size=200) for j in range(24)} | {"price": rng.normal(size=200)})
    config = TrainConfig(model="mlp", folds=2, repeats=1, hidden=(64, 8), embedding_bins=32, embedding_dim=4)
    for activation in (None, "relu"):
        with_activation = config.model_copy(update={"embedding_activation": activation})
        rows = prepare(table, Request("", ("price",), "m", with_activation))
        graph = check(network(rows), rows, tmp_path / "m.onnx").graph
        shapes = [tuple(w.dims) for w in graph.initializer if w.name.startswith("embedding")]
        assert (24, 34, 8) in shapes


def test_the_graph_is_a_fraction_of_what_a_general_converter_writes(tmp_path):
    rows = prepared(model="mlp", embedding_activation="relu")
    model = network(rows, 1)
    model(feed(rows.X, [t.name for t in model.inputs]))
    lean = check(model, rows, tmp_path / "lean.onnx")
    export_onnx(model, tmp_path / "general.onnx")
    general = onnx.load(tmp_path / "general.onnx")
    assert len(lean.graph.node) < 0.5 * len(general.graph.node)
    inputs = [[i.name for i in m.graph.input] for m in (lean, general)]
    assert sorted(inputs[0]) == sorted(inputs[1])
    assert [d.dim_param for i in lean.graph.input for d in i.type.tensor_type.shape.dim if d.dim_param] == [
        "n_samples"
    ] * 2


def test_what_is_not_known_is_refused_and_nothing_is_written(tmp_path):
    numeric = keras.Input((3,), name="numeric")
    model = keras.Model(numeric, {"value": keras.layers.Dense(1)(numeric)})
    with pytest.raises(UnsupportedError, match="layer Dense"):
        write_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
