import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from artifact import manifest as files
from artifact.errors import ArtifactError
from artifact.rows.encoding import Encoder
from artifact.rows.schema import Feature
from artifact.runtimes import OnnxRuntime, open_runtime
from tests.builders import build_graph, build_schema, plain_features, sample_rows


def runtime_of(folder, schema, **options):
    onnx.save(build_graph(schema, **options), folder / files.ONNX_MODEL)
    return open_runtime(folder)


@pytest.mark.parametrize(
    "features", [plain_features(3), (Feature(name="c", kind="category", categories=("a", "b")),), None]
)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 64])
def test_answers_have_a_row_each_whatever_the_inputs(tmp_path, features, n):
    schema = build_schema(features, targets=("a", "b")) if features else build_schema(targets=("a", "b"))
    X = Encoder(schema).encode_rows(sample_rows(schema, n))
    answers = runtime_of(tmp_path, schema).run(X.numeric, X.categorical)
    assert answers.spread is not None
    assert answers.value.shape == answers.spread.shape == (n, 2)
    assert answers.value.dtype == answers.spread.dtype == np.float32
    assert (answers.spread > 0).all()


def test_an_answer_does_not_depend_on_its_batch(tmp_path):
    schema = build_schema()
    X = Encoder(schema).encode_rows(sample_rows(schema, 37))
    runtime = runtime_of(tmp_path, schema, hidden=(128, 128))
    whole = runtime.run(X.numeric, X.categorical)
    for size in (1, 2, 3, 7, 36):
        answers = runtime.run(X.numeric[:size], X.categorical[:size])
        np.testing.assert_array_equal(answers.value, whole.value[:size])
        np.testing.assert_array_equal(answers.spread, whole.spread[:size])


def test_a_network_without_spread_answers_none(tmp_path):
    schema = build_schema()
    X = Encoder(schema).encode_rows(sample_rows(schema, 2))
    assert runtime_of(tmp_path, schema, spread=False).run(X.numeric, X.categorical).spread is None


@pytest.mark.parametrize(("name", "file"), [("onnx", files.ONNX_MODEL), ("keras", files.KERAS_MODEL)])
def test_a_missing_model_file_is_named(tmp_path, name, file):
    with pytest.raises(ArtifactError, match=f"Expected {file} in .* for runtime '{name}'"):
        open_runtime(tmp_path, name)


def test_what_is_no_model_is_an_artifact_error(tmp_path):
    (tmp_path / files.ONNX_MODEL).write_bytes(b"not a model")
    with pytest.raises(ArtifactError, match="Expected an ONNX model"):
        open_runtime(tmp_path)


def test_a_model_without_a_value_output_is_refused(tmp_path):
    numeric = helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["n", 1])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", 1])
    graph = helper.make_graph([helper.make_node("Neg", ["numeric"], ["answer"])], "g", [numeric], [answer])
    path = tmp_path / files.ONNX_MODEL
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    with pytest.raises(ArtifactError, match=r"Expected an output 'value' .* Received: \['answer'\]"):
        OnnxRuntime(path)


def test_serving_with_onnx_imports_no_keras_and_no_tensorflow(tmp_path):
    runtime_of(tmp_path, build_schema())
    script = (
        "import sys, pathlib; from artifact.runtimes import open_runtime;"
        "import artifact.predictor, artifact.registry.local;"
        "assert 'onnxruntime' not in sys.modules; open_runtime(pathlib.Path(sys.argv[1]));"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch', 'sklearn', 'polars', 'onnx'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
