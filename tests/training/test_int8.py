"""The copy in 8-bit integers: it is kept if its answers are near the network's, and else left out with a note."""

from __future__ import annotations

import numpy as np
import onnx
import polars as pl
import pytest

from artifact import manifest as files
from artifact.golden import read_golden
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from artifact.rows.encoding import Encoded
from artifact.runtimes import open_runtime
from training.export import int8
from training.export.onnx_graph import UnsupportedError
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.train import train

WIDE = TrainConfig(folds=2, repeats=1, members=2, epochs=3, hidden=(64, 64), embedding_bins=4, int8=True)


def table(n=400):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, n))
    town = rng.choice(["Leeds", "York"], n)
    return pl.DataFrame({"a": a, "b": b, "town": town, "y": 10 * a - 4 * b + 3 * (town == "York")})


def trained(tmp_path, config):
    path = tmp_path / "table.parquet"
    table().write_parquet(path)
    registry = LocalRegistry(tmp_path / "home")
    manifest = train(Request(str(path), ("y",), "m", config), registry)
    return manifest, registry.resolve("m").path


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("wide"), WIDE)


def test_a_copy_that_answers_well_is_kept_and_its_cost_is_stated(wide):
    manifest, folder = wide
    assert files.INT8_MODEL in manifest.files
    assert manifest.int8.tolerance == int8.TOLERANCE
    assert 0 < manifest.int8.difference < int8.TOLERANCE
    assert 0.9 < manifest.int8.rmse_ratio <= manifest.int8.rmse_limit == int8.RMSE_LIMIT
    assert not [note for note in manifest.notes if "int8" in note]
    predictor = Predictor.load(folder, runtime="onnx-int8")
    assert max(predictor.differences(read_golden(folder)).values()) == pytest.approx(manifest.int8.difference, rel=0.5)


def test_the_products_between_hidden_layers_are_of_integers_and_no_others(wide):
    _, folder = wide
    graph = onnx.load(folder / files.INT8_MODEL).graph
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    originals = [w for w in onnx.load(folder / files.ONNX_MODEL).graph.initializer if tuple(w.dims) == (64, 64)]
    # One product for each network.
    assert len(products) == len(originals) == 2
    for product, original in zip(products, originals, strict=True):
        _, weight, _, scales, _ = (weights.get(name) for name in product.input)
        # Each output has a scale of its own.
        assert (weight.dtype, weight.shape, scales.shape) == (np.int8, (64, 64), (64,))
        # Weights have seven bits: with eight, two products overflow the 16 bits in which processors without VNNI add
        # them.
        np.testing.assert_array_equal(abs(weight.astype(int)).max(axis=0), 63)
        assert (abs(weight - onnx.numpy_helper.to_array(original) / scales) < 0.51).all()
        assert original.name not in weights


def test_the_range_of_an_activation_is_that_of_the_rows(tmp_path):
    x = onnx.helper.make_tensor_value_info("numeric", onnx.TensorProto.FLOAT, [None, 2])
    made = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["numeric"], ["y"])], "g", [x], [made])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    rows = np.linspace(-3, 7, 1400, dtype=np.float32).reshape(700, 2)
    ranges = int8.ranges_of(model, ["y"], [Encoded(rows, np.zeros((700, 0), np.int32), [])])
    assert ranges == [(-7.0, 3.0)]


def test_an_answer_of_the_copy_does_not_depend_on_its_batch(wide):
    _, folder = wide
    runtime, X = open_runtime(folder, "onnx-int8"), Predictor.load(folder).encoder.encode_rows(read_golden(folder).rows)
    whole = runtime.run(X.numeric, X.categorical)
    for n in (1, 3, 100):
        part = runtime.run(X.numeric[:n], X.categorical[:n])
        np.testing.assert_array_equal(part.value, whole.value[:n])
        np.testing.assert_array_equal(part.spread, whole.spread[:n])


@pytest.mark.parametrize(("name", "limit"), [("_AT_EXPORT", 1e-6), ("RMSE_LIMIT", 0.5)])
def test_a_copy_that_answers_worse_is_left_out_and_the_note_says_by_how_much(wide, tmp_path, monkeypatch, name, limit):
    _, folder = wide
    monkeypatch.setattr(int8, name, limit)
    path = tmp_path / "table.parquet"
    table().write_parquet(path)
    prepared = prepare(table(), Request(str(path), ("y",), "m", WIDE))
    predictor = Predictor.load(folder)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / files.ONNX_MODEL).write_bytes((folder / files.ONNX_MODEL).read_bytes())
    X_train, _ = prepared.rows(prepared.plan.folds[0].train)
    X, y = prepared.rows(prepared.plan.folds[0].validation)
    int8_facts, note = int8.write_int8(copy, predictor, read_golden(folder), X_train, X, y)
    assert int8_facts is None
    assert note.startswith("model.int8.onnx was left out: expected answers within")
    assert f"{limit:g}" in note
    assert [p.name for p in copy.iterdir()] == [files.ONNX_MODEL]


def test_a_narrow_network_has_nothing_to_quantise_and_the_manifest_says_so(tmp_path):
    manifest, folder = trained(
        tmp_path, TrainConfig(folds=2, repeats=1, epochs=1, hidden=(16, 16), embedding_bins=4, int8=True)
    )
    assert manifest.int8 is None
    (note,) = [note for note in manifest.notes if note.startswith("model.int8.onnx")]
    assert note == "model.int8.onnx was left out: no product between hidden layers is 64 x 64 or larger."
    assert not (folder / files.INT8_MODEL).exists()


def test_a_network_that_onnx_has_no_form_of_is_stored_for_keras(tmp_path, monkeypatch):
    def fails(model, path):
        path.write_bytes(b"half")
        raise NotImplementedError("no such operation:\n  Erfinv")

    def refuses(model, path, **options):
        raise UnsupportedError("no such layer")

    monkeypatch.setattr("training.export.models.write_onnx", refuses)
    monkeypatch.setattr("training.export.models.export_onnx", fails)
    config = TrainConfig(folds=2, repeats=1, epochs=1, hidden=(8,), embedding_bins=4, int8=True)
    manifest, folder = trained(tmp_path, config)
    assert files.ONNX_MODEL not in manifest.files
    assert not (folder / files.ONNX_MODEL).exists()
    missing, copy = [note for note in manifest.notes if " was left out: " in note]
    assert missing.startswith("model.onnx was left out: the export failed. The service needs Keras for this version.")
    assert missing.endswith("no such operation: Erfinv")
    assert copy == "model.int8.onnx was left out: the version has no model.onnx."
    predictor = Predictor.load(folder)
    assert predictor.runtime.name == "keras"
    predictor.predict_rows(read_golden(folder).rows[:3])
