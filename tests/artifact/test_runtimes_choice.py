"""The runtime and the device that open a version, with a fake for ONNX Runtime's providers."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from artifact import manifest as files
from artifact.errors import ArtifactError, DataError
from artifact.golden import read_golden
from artifact.manifest import Int8, Manifest
from artifact.predictor import Predictor
from artifact.runtimes import GOLDEN_TOLERANCE, OTHER_TOLERANCE, open_runtime
from artifact.runtimes.by_onnx import CPU, CUDA
from tests.builders import write_version
from tests.processes import ROOT

REAL = ort.InferenceSession


class FakeGpu:
    """An onnxruntime that lists CUDA; its sessions compute on the CPU and record the providers that were requested.

    Attributes:
        requested: the providers of each session.
        opens: whether CUDA's provider opens: ``yes``, ``no`` (ONNX Runtime goes on by the CPU) or ``raises``.
    """

    def __init__(self, opens):
        self.opens, self.requested = opens, []

    def session(self, path, options, providers):
        self.requested.append(providers)
        wants_cuda = providers != [CPU]
        if wants_cuda and self.opens == "raises":
            raise RuntimeError("CUDA failure 35: driver too old")
        session = REAL(path, options, providers=[CPU])
        if wants_cuda and self.opens == "yes":
            session.get_providers = lambda: [CUDA, CPU]
        return session


@pytest.fixture
def gpu(monkeypatch, request):
    fake = FakeGpu(request.param)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(ort, "InferenceSession", fake.session)
    return fake


@pytest.fixture
def log(caplog):
    """BentoML's logging set-up, where another test has loaded it, keeps records from ``caplog``."""
    logger = logging.getLogger("bentoml.trueline")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize("gpu", ["yes"], indirect=True)
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_cuda_is_taken_where_it_opens_with_whole_float32(folder, gpu, device):
    predictor = Predictor.load(folder, device=device)
    assert predictor.runtime.device == "cuda"
    assert predictor.tolerance == OTHER_TOLERANCE
    assert gpu.requested == [[(CUDA, {"use_tf32": "0"}), CPU]]


@pytest.mark.parametrize("gpu", ["yes"], indirect=True)
def test_the_cpu_is_taken_where_it_is_asked_for(folder, gpu):
    predictor = Predictor.load(folder, device="cpu")
    assert (predictor.runtime.device, gpu.requested) == ("cpu", [[CPU]])
    assert predictor.tolerance == GOLDEN_TOLERANCE


@pytest.mark.parametrize("gpu", ["no", "raises"], indirect=True)
def test_auto_goes_on_by_the_cpu_and_says_why(folder, gpu, log):
    assert open_runtime(folder, device="auto").device == "cpu"
    assert gpu.requested[-1] == [CPU]
    assert f"computes on the CPU: {CUDA} did not open" in log.text
    assert ("driver too old" in log.text) == (gpu.opens == "raises")


@pytest.mark.parametrize("gpu", ["no", "raises"], indirect=True)
def test_cuda_that_does_not_open_is_refused(folder, gpu):
    with pytest.raises(DataError, match=rf"Expected ONNX Runtime with a GPU for device 'cuda'.*{CUDA} did not open"):
        open_runtime(folder, device="cuda")


def test_cuda_without_a_provider_is_refused_and_auto_says_nothing(folder, monkeypatch, log):
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])
    with pytest.raises(DataError, match="this onnxruntime has none; install the package onnxruntime-gpu"):
        Predictor.load(folder, device="cuda")
    assert open_runtime(folder, device="auto").device == "cpu"
    assert log.text == ""


@pytest.mark.parametrize(
    ("name", "file"), [("onnx", files.ONNX_MODEL), ("onnx-int8", files.INT8_MODEL), ("keras", files.KERAS_MODEL)]
)
def test_a_missing_model_file_is_named_with_what_to_do(tmp_path, name, file):
    with pytest.raises(ArtifactError, match=rf"Expected {file} in .* for runtime '{name}'\. Received: no such file\. "):
        open_runtime(tmp_path, name)


def test_a_folder_without_any_model_misses_the_usual_one(tmp_path):
    with pytest.raises(ArtifactError, match=r"Expected model\.onnx"):
        open_runtime(tmp_path)


# int8


def with_copy(folder, tolerance, **options):
    """Put another network in place of the int8 copy, with a manifest that fits."""
    other = folder.parent / "other"
    other.mkdir()
    write_version(other, "v1", **options)
    shutil.copy(other / files.ONNX_MODEL, folder / files.INT8_MODEL)
    int8 = Int8(tolerance=tolerance, difference=0.0, rmse_ratio=1.0, rmse_limit=1.01)
    Manifest.read(folder).model_copy(update={"int8": int8}).write(folder)
    return folder


def test_the_copy_is_held_to_the_tolerance_of_its_manifest(folder):
    predictor = Predictor.load(with_copy(folder, 0.05), runtime="onnx-int8")
    assert (predictor.runtime.name, predictor.runtime.device, predictor.tolerance) == ("onnx-int8", "cpu", 0.05)
    assert Predictor.load(folder).tolerance == GOLDEN_TOLERANCE
    golden = read_golden(folder)
    for row in golden.value:
        row[0] += 0.4  # the target's deviation is 10
    predictor.replay(golden)
    for row in golden.value:
        row[0] += 0.2
    with pytest.raises(ArtifactError, match=r"within 0\.05 deviations\. Received: 0\.06 .* by onnx-int8 on cpu"):
        predictor.replay(golden)


def test_another_network_is_no_copy(folder):
    with pytest.raises(ArtifactError, match=r"Expected the golden rows' value as at training, within 0\.05"):
        Predictor.load(with_copy(folder, 0.05, seed=1), runtime="onnx-int8")


@pytest.mark.parametrize("gpu", ["yes"], indirect=True)
def test_the_copy_computes_on_the_cpu(folder, gpu):
    with_copy(folder, 0.05)
    assert open_runtime(folder, "onnx-int8", device="auto").device == "cpu"
    with pytest.raises(DataError, match="Expected device 'cpu' or 'auto' for runtime 'onnx-int8'"):
        open_runtime(folder, "onnx-int8", device="cuda")


ANSWER_NO_ROWS = """
import sys, pathlib, numpy as np
from artifact.runtimes import OnnxRuntime
answers = OnnxRuntime(pathlib.Path(sys.argv[1])).run(np.zeros((0, 2), np.float32), np.zeros((0, 0), np.int32))
print(answers.value.shape)
"""


def test_a_product_for_each_column_answers_no_rows(tmp_path):
    """A graph with one embedding for each number. ONNX Runtime 1.31 ends the process at no rows, so it gets its own."""
    numeric, value = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", k]) for n, k in (("numeric", 2), ("value", 1))
    )
    weights = [
        numpy_helper.from_array(np.ones((1, 1, 8), np.float32), "bins"),
        numpy_helper.from_array(np.ones((2, 8, 4), np.float32), "weight"),
        numpy_helper.from_array(np.array([2]), "last"),
        numpy_helper.from_array(np.array([0, 2]), "ends"),
    ]
    nodes = [
        helper.make_node("Unsqueeze", ["numeric", "last"], ["columns"]),
        helper.make_node("Mul", ["columns", "bins"], ["binned"]),
        helper.make_node("Transpose", ["binned"], ["rows"], perm=[1, 0, 2]),
        helper.make_node("MatMul", ["rows", "weight"], ["embedded"]),
        helper.make_node("ReduceSum", ["embedded", "ends"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "axis"], ["value"]),
    ]
    weights.append(numpy_helper.from_array(np.array([1]), "axis"))
    graph = helper.make_graph(nodes, "g", [numeric], [value], weights)
    path = tmp_path / files.ONNX_MODEL
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    result = subprocess.run(
        [sys.executable, "-c", ANSWER_NO_ROWS, path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "(0, 1)\n")
