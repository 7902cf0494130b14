"""A protocol's reader turns any bytes into a request or an ApiError, and raises nothing else."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.predictor import Predictor
from service.app.operations import ROUTES
from service.live.model import LiveModel
from service.predict.requests import PredictRequest
from service.protocols import open_inference_pb2 as pb
from service.protocols import tf_serving
from service.protocols.datatypes import ALL, from_bytes
from service.protocols.oip_grpc import read_message
from service.protocols.oip_grpc_infer import Inference as GrpcInference
from service.protocols.oip_http import Inference, header_length
from service.wire.errors import ApiError
from tests.builders import build_schema, sample_rows
from tests.service.protocols.conftest import binary_inputs, json_inputs

SCHEMA = build_schema()
ROWS = sample_rows(SCHEMA, 3)
FUZZ = settings(max_examples=300, deadline=None)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
trees = st.recursive(
    scalars, lambda c: st.lists(c, max_size=4) | st.dictionaries(st.text(max_size=6), c, max_size=4), max_leaves=12
)


@pytest.fixture(scope="module")
def model(built_home: Any, predictor: Predictor) -> LiveModel:
    return LiveModel(predictor, max_rows=500)


def outcome(model: LiveModel, read: Any) -> None:
    """Read a body, and answer the request as the batcher does."""
    try:
        request = read()
    except ApiError as error:
        assert 400 <= error.plain().status < 500
        assert "error" in json.loads(error.plain().body())
        return
    assert isinstance(request, PredictRequest)
    assert 1 <= request.n_rows <= 500
    (answer,) = model.answer([request])
    if isinstance(answer, ApiError):
        assert answer.status == 422
    else:
        assert len(answer.value) == request.n_rows


def infer(model: LiveModel, body: bytes, length: int | None) -> None:
    outcome(model, lambda: Inference(model, max_rows=500).read(body, length))


@FUZZ
@given(body=st.binary(max_size=200), length=st.none() | st.integers(0, 250))
def test_any_bytes_as_a_body(model: LiveModel, body: bytes, length: int | None) -> None:
    infer(model, body, length)
    outcome(model, lambda: tf_serving.read(model, body))
    outcome(model, lambda: GrpcInference(model, read_message(pb.ModelInferRequest, body), max_rows=500).read())


@FUZZ
@given(document=trees)
def test_any_json_as_a_body(model: LiveModel, document: Any) -> None:
    body = json.dumps(document, allow_nan=True).encode("utf-8", "replace")
    infer(model, body, None)
    outcome(model, lambda: tf_serving.read(model, body))


@FUZZ
@given(where=st.randoms(use_true_random=False), value=trees)
def test_a_good_request_with_something_replaced(model: LiveModel, where: random.Random, value: Any) -> None:
    inputs = json_inputs(SCHEMA, ROWS)
    documents = (
        {"id": "a", "parameters": {"interval": 0.8}, "inputs": inputs, "outputs": [{"name": "value"}]},
        {"instances": ROWS, "interval": 0.8},
        {"inputs": {name: [row[name] for row in ROWS] for name in SCHEMA.names}},
    )
    for i, document in enumerate(documents):
        changed = copy.deepcopy(document)
        at: Any = changed
        while True:
            key = where.choice(sorted(at)) if isinstance(at, dict) else where.randrange(len(at))
            if not isinstance(at[key], (dict, list)) or not at[key] or where.random() < 0.3:
                break
            at = at[key]
        at[key] = value
        body = json.dumps(changed).encode("utf-8", "replace")
        if i == 0:
            infer(model, body, None)
        else:
            outcome(model, lambda body=body: tf_serving.read(model, body))


@FUZZ
@given(where=st.randoms(use_true_random=False), junk=st.binary(max_size=24), size=st.integers(-(2**65), 2**65))
def test_a_good_binary_request_with_bytes_and_sizes_changed(
    model: LiveModel, where: random.Random, junk: bytes, size: int
) -> None:
    inputs, parts = binary_inputs(SCHEMA, ROWS)
    if where.random() < 0.3:
        where.choice(inputs)["parameters"]["binary_data_size"] = size
    if where.random() < 0.3:
        where.choice(inputs)["shape"] = [size]
    if where.random() < 0.3:
        where.choice(inputs)["datatype"] = where.choice(ALL)
    binary = bytearray(b"".join(parts))
    start = where.randrange(len(binary))
    binary[start : start + where.randrange(len(junk) + 1)] = junk
    head = json.dumps({"inputs": inputs}).encode()
    infer(model, head + bytes(binary), len(head))


@FUZZ
@given(where=st.randoms(use_true_random=False), junk=st.binary(max_size=24))
def test_a_good_message_with_bytes_changed(model: LiveModel, where: random.Random, junk: bytes) -> None:
    message = pb.ModelInferRequest(model_name="houses")
    inputs, parts = binary_inputs(SCHEMA, ROWS)
    for tensor in inputs:
        message.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
    message.raw_input_contents.extend(parts)
    data = bytearray(message.SerializeToString())
    start = where.randrange(len(data))
    data[start : start + where.randrange(len(junk) + 1)] = junk
    outcome(model, lambda: GrpcInference(model, read_message(pb.ModelInferRequest, bytes(data)), max_rows=500).read())


@FUZZ
@given(datatype=st.sampled_from(ALL), size=st.integers(0, 40), data=st.binary(max_size=120))
def test_any_bytes_as_a_tensor(datatype: str, size: int, data: bytes) -> None:
    try:
        values = from_bytes("x", datatype, size, data)
    except ApiError:
        return
    assert len(values) == size


@FUZZ
@given(value=st.binary(max_size=30), path=st.text(max_size=40))
def test_any_header_and_any_path(value: bytes, path: str) -> None:
    with contextlib.suppress(ApiError):
        assert header_length([(b"inference-header-content-length", value)]) is not None
    for prefix in ("", "/v2", "/v2/", "/v2/models/", "/v1/models/"):
        match = ROUTES.find(prefix + path)
        assert match is None or match[0].path.format(**match[1]) == prefix + path
