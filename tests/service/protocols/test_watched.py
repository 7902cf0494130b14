"""In every lane and protocol, one tap sees each answered row once, and the same is counted of it."""

from __future__ import annotations

import json

import grpc
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from service.metrics.metrics import Metrics
from service.protocols import open_inference_pb2 as pb
from service.protocols.oip_grpc import SERVICE, GrpcServer
from service.settings.settings import Settings
from service.worker import Worker
from tests.builders import build_schema, sample_rows
from tests.processes import free_port
from tests.service.conftest import calling
from tests.service.protocols import bodies
from tests.service.protocols.conftest import binary_body, binary_inputs, json_inputs

pytestmark = pytest.mark.anyio
SCHEMA = build_schema()
ROWS = sample_rows(SCHEMA, 700)
INFER = "/v2/models/houses/infer"
BUCKET = "trueline_prediction_position_bucket"
COUNTED = (BUCKET, "trueline_prediction_position_count", "trueline_rows_total", "trueline_warnings_total")


@pytest.fixture
def batches():
    return []


@pytest.fixture
async def worker(registry, batches):
    worker = Worker(Settings(max_rows=5000), registry, Metrics(CollectorRegistry()))
    worker.tap.watch(batches.extend)
    return worker


@pytest.fixture
async def client(worker):
    async with calling(worker) as client:
        yield client


def tensors(rows):
    inputs = json_inputs(SCHEMA, rows)
    for tensor in inputs:
        if None in tensor["data"] and tensor["datatype"] != "BYTES":
            tensor |= {"datatype": "FP64", "data": [None if v is None else float(v) for v in tensor["data"]]}
    return json.dumps({"inputs": inputs}).encode()


def tensor_bytes(rows):
    inputs, parts = binary_inputs(SCHEMA, rows)
    return binary_body({"inputs": inputs}, parts)


def grpc_message(rows):
    message = pb.ModelInferRequest(model_name="houses")
    inputs, parts = binary_inputs(SCHEMA, rows)
    for tensor in inputs:
        message.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
    message.raw_input_contents.extend(parts)
    return message.SerializeToString()


def posts(path, content_type, body, **headers):
    """A function that sends rows over HTTP."""

    async def ask(worker, client, rows):
        whole = body(rows)
        content, more = whole if isinstance(whole, tuple) else (whole, {})
        http_headers = {"content-type": content_type, **headers, **more}
        answer = await client.post(path, content=content, headers=http_headers)
        assert answer.status_code == 200, answer.text[:500]

    return ask


async def by_grpc(worker, _client, rows):
    port = free_port()
    server = GrpcServer(worker, host="127.0.0.1", port=port, open_paths=())
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(f"/{SERVICE}/ModelInfer", None, pb.ModelInferResponse.FromString)
            await call(grpc_message(rows), timeout=10)
    finally:
        await server.stop()


def instances(rows):
    return json.dumps({"instances": rows}).encode()


def padded(rows):
    """JSON that is large enough for the bulk lane."""
    return bodies.json_rows(rows) + b" " * 70_000


PREDICT = "/predict"
WAYS = {
    "JSON rows": posts(PREDICT, bodies.JSON, bodies.json_rows),
    "JSON columns": posts(PREDICT, bodies.JSON, bodies.json_columns),
    "large JSON rows": posts(PREDICT, bodies.JSON, padded),
    "JSON rows, errors by row": posts(f"{PREDICT}?on_error=row", bodies.JSON, bodies.json_rows),
    "CSV": posts(PREDICT, bodies.CSV, bodies.csv_table),
    "NDJSON as a stream": posts(PREDICT, bodies.NDJSON, bodies.ndjson),
    "NDJSON to JSON": posts(PREDICT, bodies.NDJSON, bodies.ndjson, accept=bodies.JSON),
    "Arrow": posts(PREDICT, bodies.ARROW, bodies.arrow_stream),
    "Parquet": posts(PREDICT, bodies.PARQUET, bodies.parquet_file),
    "Open Inference": posts(INFER, bodies.JSON, tensors),
    "Open Inference in bytes": posts(INFER, "", tensor_bytes),
    "TensorFlow Serving": posts("/v1/models/houses:predict", bodies.JSON, instances),
    "gRPC": by_grpc,
}


async def counts(worker):
    text = (await worker.metrics_text()).decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(COUNTED))
    return {name: float(value) for name, _, value in lines}


@pytest.mark.parametrize("n_rows", [1, 40, 700])
@pytest.mark.parametrize("way", WAYS)
async def test_every_way_shows_the_same_rows_and_answers_to_the_tap(worker, client, predictor, batches, way, n_rows):
    rows = ROWS[:n_rows]
    before = await counts(worker)
    assert batches == []  # golden rows of the warm-up are not shown
    await WAYS[way](worker, client, rows)
    after = await counts(worker)
    X, expected = predictor.encoder.encode_rows(rows), predictor.predict_rows(rows)
    np.testing.assert_array_equal(np.concatenate([batch.X.numeric for batch in batches]), X.numeric)
    np.testing.assert_array_equal(np.concatenate([batch.X.categorical for batch in batches]), X.categorical)
    ends = np.concatenate([batch.ends for batch in batches], axis=1)
    np.testing.assert_array_equal(ends, np.stack([expected.lower, expected.value, expected.upper]))
    assert {batch.predictor for batch in batches} == {worker.deployment.route().predictor}
    target = SCHEMA.targets[0]
    places = (expected.value[:, 0].astype(np.float64) - target.minimum) / (target.maximum - target.minimum)
    rises = {name: value - before[name] for name, value in after.items()}
    assert rises.pop("trueline_rows_total") == n_rows
    assert rises.pop('trueline_prediction_position_count{target="price"}') == n_rows
    for name, rise in rises.items():
        if name.startswith(BUCKET):
            bound = float(name.partition('le="')[2].partition('"')[0])
            assert rise == (places <= bound).sum(), name


@pytest.mark.parametrize("way", ["JSON rows, errors by row", "CSV", "JSON rows", "JSON columns"])
async def test_unusual_values_are_counted_alike_and_rows_that_are_refused_are_not_shown(worker, client, batches, way):
    rows = [dict(row) for row in ROWS[:30]]
    rows[3]["age"] = 140.0
    before = await counts(worker)
    await WAYS[way](worker, client, rows)
    after = await counts(worker)
    name = 'trueline_warnings_total{kind="out_of_range"}'
    assert after[name] - before[name] == 1
    batches.clear()
    rows[5]["heating"] = "coal"
    content = bodies.json_rows(rows)
    by_row = await client.post("/predict?on_error=row", content=content, headers={"content-type": bodies.JSON})
    whole = await client.post("/predict", content=content, headers={"content-type": bodies.JSON})
    await worker.tap.flush()
    assert (by_row.status_code, whole.status_code) == (200, 422)
    assert sum(len(batch.X) for batch in batches) == 29


@pytest.mark.parametrize("policy", ["ignore", "refuse"])
async def test_a_policy_decides_what_is_answered_and_so_what_is_shown(registry, batches, policy):
    worker = Worker(Settings(warnings=policy), registry, Metrics(CollectorRegistry()))
    worker.tap.watch(batches.extend)
    usual, unusual = ROWS[0], {**ROWS[0], "age": 140.0}
    async with calling(worker) as client:
        for rows in ([usual], [usual, unusual]):
            await client.post("/predict", json={"rows": rows})
        content = bodies.csv_table([usual, unusual])
        await client.post("/predict?on_error=row", content=content, headers={"content-type": bodies.CSV})
        await worker.tap.flush()
    assert sum(len(batch.X) for batch in batches) == (5 if policy == "ignore" else 2)


async def test_rows_without_a_finite_answer_are_not_shown(worker, client, batches, monkeypatch):
    model = worker.deployment.route()
    run = model.predictor.run

    def answer_nan(numeric, categorical):
        outputs = run(numeric, categorical)
        outputs.value[1] = np.inf
        return outputs

    monkeypatch.setattr(model.predictor, "run", answer_nan)
    headers = {"content-type": bodies.JSON}
    whole = await client.post("/predict", content=bodies.json_rows(ROWS[:3]), headers=headers)
    by_row = await client.post("/predict?on_error=row", content=bodies.json_rows(ROWS[:3]), headers=headers)
    await worker.tap.flush()
    assert (whole.status_code, by_row.status_code) == (422, 200)
    (batch,) = batches
    np.testing.assert_array_equal(batch.X.numeric, model.predictor.encoder.encode_rows(ROWS[:3]).numeric[[0, 2]])
    assert np.isfinite(batch.ends).all()
