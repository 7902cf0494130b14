"""The Keras runtime against ONNX Runtime, on real exported networks."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from artifact import manifest as files
from artifact.errors import ArtifactError, DataError
from artifact.golden import read_golden
from artifact.predictor import Predictor
from artifact.rows.encoding import Encoder
from artifact.rows.schema import Feature
from artifact.runtimes import OTHER_TOLERANCE, Outputs, open_runtime
from artifact.runtimes.buckets import computed_rows, cut
from tests.builders import build_schema, plain_features, sample_rows
from tests.keras_builders import build_network, write_keras_version
from tests.processes import ROOT, clean_environment
from training.devices.backend import load_backend

CATEGORIES = (
    Feature(name="town", kind="category", categories=("Leeds", "York"), missing="impute", example="Leeds"),
    Feature(name="heating", kind="category", categories=("gas", "oil", "heat pump"), example="gas"),
)
SCHEMAS = {
    "numeric only": build_schema(plain_features(3)),
    "categorical only": build_schema(CATEGORIES),
    "both": build_schema(),
    "several targets": build_schema(targets=("price", "rent", "tax")),
}


@pytest.fixture(scope="module", autouse=True)
def _backend():
    load_backend()


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """A folder of a version for each of the schemas."""
    folders = {name: tmp_path_factory.mktemp("version") for name in SCHEMAS}
    for name, folder in folders.items():
        write_keras_version(folder, "v1", schema=SCHEMAS[name])
    return folders


@pytest.fixture(scope="module")
def by_keras(versions):
    """The Keras runtime of each; loading one compiles seven calls."""
    return {name: open_runtime(folder, "keras") for name, folder in versions.items()}


def encoded(schema, n, seed=3):
    """``n`` encoded rows; a thousand different ones are enough."""
    rows = Encoder(schema).encode_rows(sample_rows(schema, min(n, 1000), seed=seed))
    at = np.arange(n) % max(len(rows), 1)
    return rows.numeric[at], rows.categorical[at]


def same(answers: Outputs, expected: Outputs, schema) -> None:
    std = np.array([target.std for target in schema.targets])
    for ours, theirs in zip(answers, expected, strict=True):
        if theirs is None:
            assert ours is None
            continue
        assert ours.shape == theirs.shape
        assert ours.dtype == np.float32
        scale = np.maximum(std, np.abs(theirs))
        assert (np.abs(ours - theirs) <= OTHER_TOLERANCE * scale).all()


@pytest.mark.parametrize("name", SCHEMAS)
def test_keras_answers_as_onnx_runtime_at_every_edge_of_a_bucket(versions, by_keras, name):
    schema, runtime, by_onnx = SCHEMAS[name], by_keras[name], open_runtime(versions[name], "onnx")
    assert (runtime.name, runtime.device) == ("keras", "cpu")
    for n in (0, 1, 3, 4, 5, 4096, 5000):
        X = encoded(schema, n)
        same(runtime.run(*X), by_onnx.run(*X), schema)


@pytest.mark.parametrize("name", ["both", "several targets"])
def test_a_version_is_loaded_checked_and_answers_by_keras(versions, name):
    predictor = Predictor.load(versions[name], runtime="keras")
    assert predictor.tolerance == OTHER_TOLERANCE
    assert max(predictor.differences(read_golden(versions[name])).values()) <= OTHER_TOLERANCE
    rows = sample_rows(predictor.schema, 5, seed=9)
    expected = Predictor.load(versions[name], runtime="onnx").predict_rows(rows)
    answer = predictor.predict_rows(rows)
    for end in ("value", "lower", "upper"):
        np.testing.assert_allclose(getattr(answer, end), getattr(expected, end), atol=10 * OTHER_TOLERANCE)


def test_a_version_without_onnx_loads_by_keras_unless_onnx_is_asked_for(tmp_path):
    manifest = write_keras_version(tmp_path, "v1", with_onnx=False)
    assert files.ONNX_MODEL not in manifest.files
    assert Predictor.load(tmp_path).runtime.name == "keras"
    with pytest.raises(ArtifactError, match=r"Expected model\.onnx .* runtime 'keras' serves it"):
        Predictor.load(tmp_path, runtime="onnx")


def test_no_call_is_traced_or_compiled_after_the_load(by_keras, monkeypatch):
    import keras

    runtime = by_keras["both"]

    def traced(*args, **kwargs):
        raise AssertionError("the network was traced again")

    monkeypatch.setattr(keras.layers.Layer, "__call__", traced)
    for n in (1, 2, 17, 300, 5000):
        assert len(runtime.run(*encoded(SCHEMAS["both"], n)).value) == n


def test_rows_are_cut_into_buckets():
    assert list(cut(0)) == [(0, 0, 1)]
    assert list(cut(5)) == [(0, 5, 16)]
    assert list(cut(4096)) == [(0, 4096, 4096)]
    assert list(cut(4097)) == [(0, 4096, 4096), (4096, 4097, 1)]
    assert [computed_rows(n) for n in (0, 1, 3, 257, 9000)] == [1, 1, 4, 1024, 4096 + 4096 + 1024]
    for n in range(1, 20_000, 37):
        parts = list(cut(n))
        assert [part[0] for part in parts] == [0, *(part[1] for part in parts[:-1])]
        assert parts[-1][1] == n
        assert all(stop - start <= bucket for start, stop, bucket in parts)


def test_many_threads_get_the_answers_to_their_own_rows(by_keras):
    runtime = by_keras["both"]
    sizes = [1, 3, 7, 40, 300, 1025]
    requests = [encoded(SCHEMAS["both"], n, seed=n) for n in sizes]
    expected = [runtime.run(*X) for X in requests]
    faults = []

    def call(i):
        for _ in range(20):
            for ours, theirs in zip(runtime.run(*requests[i]), expected[i], strict=True):
                if not np.array_equal(ours, theirs):
                    faults.append(sizes[i])

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(sizes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_what_is_no_model_is_an_artifact_error(tmp_path, versions):
    (tmp_path / files.KERAS_MODEL).write_bytes(b"not a model")
    with pytest.raises(ArtifactError, match="Expected a Keras model"):
        open_runtime(tmp_path, "keras")
    import keras

    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other.save(tmp_path / files.KERAS_MODEL)
    with pytest.raises(ArtifactError, match="Expected an output 'value'"):
        open_runtime(tmp_path, "keras")


def test_a_model_that_brings_code_is_refused(tmp_path):
    import keras

    inputs = keras.Input((2,), name="numeric")
    model = keras.Model({"numeric": inputs}, {"value": keras.layers.Lambda(lambda x: x[:, :1])(inputs)})
    model.save(tmp_path / files.KERAS_MODEL)
    with pytest.raises(ArtifactError, match=r"Expected a Keras model .*`Lambda`"):
        open_runtime(tmp_path, "keras")


def test_a_gpu_that_is_not_there_is_named(versions):
    with pytest.raises(DataError, match="Expected TensorFlow with a GPU for device 'cuda'"):
        open_runtime(versions["both"], "keras", device="cuda")
    assert open_runtime(versions["numeric only"], "keras", device="auto").device == "cpu"


def test_a_gpu_is_taken_with_memory_growth_and_without_tf32(monkeypatch):
    tf = pytest.importorskip("tensorflow")
    from artifact.runtimes.by_tensorflow import TensorFlow

    growing, tf32 = [], []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu 0", "gpu 1"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: growing.append((gpu, on)))
    monkeypatch.setattr(tf.config.experimental, "enable_tensor_float_32_execution", tf32.append)
    assert TensorFlow(1, "auto").device == TensorFlow(1, "cuda").device == "cuda"
    assert growing == [("gpu 0", True), ("gpu 1", True)] * 2
    assert tf32 == [False, False]
    assert TensorFlow(1, "cpu").device == "cpu"
    assert len(growing) == 4


WITHOUT_KERAS = """
import sys, pathlib
sys.modules["keras"] = None
from artifact.errors import DataError
from artifact.predictor import Predictor
try:
    Predictor.load(pathlib.Path(sys.argv[1]), runtime=sys.argv[2])
except DataError as error:
    print(error)
"""


@pytest.mark.parametrize("runtime", ["keras", "auto"])
def test_without_keras_the_message_says_what_to_install(tmp_path, runtime):
    write_keras_version(tmp_path, "v1", with_onnx=False)
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, tmp_path, runtime], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("Expected Keras and its backend for runtime 'keras'.")
    assert "pip install '.[training]' in a clone of Trueline" in result.stdout


ON_JAX = """
import sys, pathlib, numpy as np
from artifact.errors import DataError
from artifact.golden import read_golden
from artifact.predictor import Predictor
from artifact.runtimes import open_runtime
import keras
assert keras.backend.backend() == "jax"
for folder in map(pathlib.Path, sys.argv[1:]):
    predictor = Predictor.load(folder, runtime="keras")
    print(predictor.runtime.device, max(predictor.differences(read_golden(folder)).values()))
    rows = read_golden(folder).rows * 20
    X = predictor.encoder.encode_rows(rows[:5000])
    by_onnx = open_runtime(folder, "onnx")
    for n in (0, 1, 3, 4, 5, 4096, 5000):
        ours, theirs = (r.run(X.numeric[:n], X.categorical[:n]).value for r in (predictor.runtime, by_onnx))
        assert ours.shape == theirs.shape == (n, len(predictor.schema.targets))
        assert np.abs(ours - theirs).max(initial=0) <= 1e-3, n
try:
    open_runtime(folder, "keras", device="cuda")
except DataError as error:
    print(error)
print("tensorflow" in sys.modules)
"""


def test_jax_answers_the_same_without_tensorflow(versions, tmp_path):
    environ = clean_environment(tmp_path, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    folders = [versions[name] for name in ("categorical only", "several targets")]
    command = [sys.executable, "-W", "ignore", "-c", ON_JAX, *folders]
    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    *answers, gpu, tensorflow = result.stdout.splitlines()
    assert len(answers) == len(folders)
    for line in answers:
        device, worst = line.split()
        assert device == "cpu"
        assert float(worst) <= OTHER_TOLERANCE
    assert gpu.startswith("Expected JAX with a GPU for device 'cuda'")
    assert tensorflow == "False"


def test_another_backend_is_named(monkeypatch, tmp_path, versions):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(DataError, match=r"Expected KERAS_BACKEND 'tensorflow' or 'jax' .* Received: 'torch'"):
        open_runtime(versions["both"], "keras")


def test_a_network_without_spread_answers_none(tmp_path):
    import keras

    model = build_network(SCHEMAS["numeric only"])
    keras.Model(model.inputs, {"value": model.output["value"]}).save(tmp_path / files.KERAS_MODEL)
    assert open_runtime(tmp_path).run(*encoded(SCHEMAS["numeric only"], 3)).spread is None
