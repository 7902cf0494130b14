"""The Open Inference Protocol over HTTP: answers with the Predictor's numbers, and errors in its form."""

import gzip
import json

import httpx
import numpy as np
import pytest
import zstandard
from prometheus_client import CollectorRegistry

from service.app import front
from service.app.app import App
from service.metrics.metrics import Metrics
from service.protocols.any_body import LARGE
from service.settings.settings import Settings
from service.worker import Worker
from tests.builders import build_schema, plain_features, sample_rows
from tests.service.conftest import no_inner_app
from tests.service.protocols.conftest import ENDS, binary_body, binary_inputs, json_inputs, raw, serving

pytestmark = pytest.mark.anyio
SCHEMA = build_schema()
ROW = SCHEMA.example_row()
INFER = "/v2/models/houses/infer"


def one(**changes):
    """Tensors of one usual row, with some changed; None leaves a tensor out."""
    inputs = {tensor["name"]: tensor for tensor in json_inputs(SCHEMA, [ROW])}
    for name, change in changes.items():
        if change is None:
            del inputs[name]
        else:
            inputs[name] = {**inputs.get(name, {"name": name}), **change}
    return list(inputs.values())


def error_of(response):
    body = response.json()
    assert list(body) == ["error"]
    assert isinstance(body["error"], str)
    assert "Traceback" not in body["error"]
    assert response.headers["content-type"] == "application/json"
    return body["error"]


@pytest.mark.parametrize("level", [None, 0.8])
async def test_json_tensors_get_the_predictors_numbers(client, predictor, level):
    rows = sample_rows(predictor.schema, 30)
    body = {"id": "q1", "inputs": json_inputs(predictor.schema, rows), "parameters": {"interval": level}}
    response = await client.post(INFER, json=body)
    assert response.status_code == 200
    document = response.json()
    assert (document["id"], document["model_name"], document["model_version"]) == (
        "q1",
        "houses",
        predictor.model_version,
    )
    expected = predictor.predict_rows(rows, level)
    assert [(o["name"], o["datatype"], o["shape"]) for o in document["outputs"]] == [(e, "FP64", [30]) for e in ENDS]
    for output in document["outputs"]:
        assert output["data"] == getattr(expected, output["name"])[:, 0].tolist()


async def test_binary_tensors_get_the_predictors_numbers(client, predictor):
    rows = sample_rows(predictor.schema, 30)
    inputs, parts = binary_inputs(predictor.schema, rows)
    body, headers = binary_body({"inputs": inputs, "parameters": {"binary_data_output": True}}, parts)
    response = await client.post(INFER, content=body, headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers["inference-header-content-length"])
    head, rest = json.loads(response.content[:length]), response.content[length:]
    assert "id" not in head
    expected = predictor.predict_rows(rows)
    assert [o["parameters"]["binary_data_size"] for o in head["outputs"]] == [240] * 3
    for i, name in enumerate(ENDS):
        values = np.frombuffer(rest[i * 240 : (i + 1) * 240])
        assert values.tolist() == getattr(expected, name)[:, 0].tolist()


async def test_outputs_are_those_asked_for_in_that_order_and_form(client):
    outputs = [{"name": "upper"}, {"name": "value", "parameters": {"binary_data": True}}]
    response = await client.post(INFER, json={"inputs": one(), "outputs": outputs})
    length = int(response.headers["inference-header-content-length"])
    upper, value = json.loads(response.content[:length])["outputs"]
    assert (upper["name"], value["name"], value["parameters"]) == ("upper", "value", {"binary_data_size": 8})
    assert np.frombuffer(response.content[length:])[0] < upper["data"][0]
    outputs = [{"name": "lower", "parameters": {"binary_data": False}}]
    body = {"inputs": one(), "outputs": outputs, "parameters": {"binary_data_output": True}}
    response = await client.post(INFER, json=body)
    assert [o["name"] for o in response.json()["outputs"]] == ["lower"]


async def test_shape_n_1_nested_or_flat_and_every_fitting_datatype(client, predictor):
    expected = float(predictor.predict_rows([ROW]).value[0, 0])
    for changes in (
        {"age": {"shape": [1, 1], "data": [[30.0]]}, "town": {"shape": [1, 1], "data": ["Leeds"]}},
        {"age": {"datatype": "UINT8", "data": [30]}, "rooms": {"datatype": "FP32", "data": [5.0]}},
        {"garden": {"datatype": "INT8", "data": [1]}, "age": {"datatype": "FP16", "data": [30]}},
    ):
        response = await client.post(INFER, json={"inputs": one(**changes)})
        assert response.status_code == 200, response.text
        assert response.json()["outputs"][0]["data"] == [expected]
    part = raw("FP16", [30.0])
    tensor = {"name": "age", "datatype": "FP16", "shape": [1], "parameters": {"binary_data_size": len(part)}}
    inputs = [tensor, *one(age=None)]
    body, headers = binary_body({"inputs": inputs}, [part])
    response = await client.post(INFER, content=body, headers=headers)
    assert response.json()["outputs"][0]["data"] == [expected]


async def test_missing_values_in_every_form_are_the_same(client, predictor):
    row = {**ROW, "income": None, "garden": None, "town": None, "sold": None}
    expected = float(predictor.predict_rows([row]).value[0, 0])
    nulls = one(**{name: {"data": [None]} for name in ("income", "garden", "town", "sold")})
    empty = one(income={"data": [None]}, garden={"data": [None]}, town={"data": [""]}, sold={"data": [""]})
    for inputs in (nulls, empty):
        response = await client.post(INFER, json={"inputs": inputs})
        assert response.json()["outputs"][0]["data"] == [expected]
    inputs, parts = binary_inputs(predictor.schema, [row])
    body, headers = binary_body({"inputs": inputs}, parts)
    response = await client.post(INFER, content=body, headers=headers)
    assert response.json()["outputs"][0]["data"] == [expected]


@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
async def test_one_matrix_where_all_features_are_numbers(tmp_path, datatype):
    async with serving(tmp_path, schema=build_schema(plain_features(4))) as (client, predictor):
        X = np.random.default_rng(0).uniform(-2, 2, size=(6, 4)).astype("f4" if datatype == "FP32" else "f8")
        rows = [dict(zip(predictor.schema.names, map(float, row), strict=True)) for row in X]
        expected = predictor.predict_rows(rows).value[:, 0].tolist()
        part = X.tobytes()
        tensor = {"name": "input", "datatype": datatype, "shape": [6, 4]}
        body, headers = binary_body({"inputs": [{**tensor, "parameters": {"binary_data_size": len(part)}}]}, [part])
        for data in (X.astype("f8").tolist(), X.astype("f8").ravel().tolist()):
            response = await client.post(INFER, json={"inputs": [{**tensor, "data": data}]})
            assert response.json()["outputs"][0]["data"] == expected
        response = await client.post(INFER, content=body, headers=headers)
        assert response.json()["outputs"][0]["data"] == expected
        response = await client.post(INFER, json={"inputs": [{**tensor, "shape": [8, 3], "data": X.ravel().tolist()}]})
        assert error_of(response) == "'input': Expected shape [n, 4]. Received: [8, 3]."
        for wrong in ({"name": "f9", "datatype": "INT8"}, {"name": "f9", "shape": [6]}):
            response = await client.post(INFER, json={"inputs": [{**tensor, **wrong}]})
            names = "'f0', 'f1', 'f2', 'f3'"
            assert error_of(response).startswith(f"'f9': Unknown input 'f9'. There are: {names}. Or send one ")


async def test_several_targets(tmp_path):
    async with serving(tmp_path, schema=build_schema(targets=("price", "rent"))) as (client, predictor):
        outputs = (await client.post(INFER, json={"inputs": one()})).json()["outputs"]
        expected = predictor.predict_rows([ROW])
        names = [f"{target}_{end}" for target in ("price", "rent") for end in ENDS]
        assert [output["name"] for output in outputs] == names
        assert outputs[4]["data"] == [float(expected.lower[0, 1])]
        assert [o["name"] for o in (await client.get("/v2/models/houses")).json()["outputs"]] == names


async def test_metadata_health_and_versions(client, predictor):
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    server = (await client.get("/v2")).json()
    assert (server["name"], server["extensions"]) == ("trueline", ["binary_tensor_data"])
    version = predictor.model_version
    for path in ("/v2/models/houses", f"/v2/models/houses/versions/{version}"):
        document = (await client.get(path)).json()
        assert (document["name"], document["versions"]) == ("houses", [version])
        assert {i["name"]: i["datatype"] for i in document["inputs"]} == {
            "age": "FP64", "income": "FP64", "rooms": "INT64", "garden": "FP64",
            "town": "BYTES", "heating": "BYTES", "sold": "BYTES",
        }  # fmt: skip
        assert {tuple(t["shape"]) for t in document["inputs"] + document["outputs"]} == {(-1,)}
        assert (await client.get(f"{path}/ready")).json() == {"name": "houses", "ready": True}
        assert (await client.post(f"{path}/infer", json={"inputs": one()})).status_code == 200


async def test_unknown_models_versions_and_paths_list_what_there_is(client, predictor):
    version = predictor.model_version
    for path in ("/v2/models/house", "/v2/models/house/ready", "/v2/models/house/versions/1/ready"):
        response = await client.get(path)
        assert response.status_code == 404
        assert error_of(response) == "Unknown model 'house'. There are: 'houses'."
    response = await client.post("/v2/models/houses/versions/7/infer", json={"inputs": one()})
    assert response.status_code == 404
    assert error_of(response) == f"Unknown version '7' of 'houses'. There are: '{version}'."
    for path in ("/v2/", "/v2/models", "/v2/models/houses/config", "/v2/models/{model}", "/v2/repository/index"):
        response = await client.get(path)
        assert response.status_code == 404
        assert error_of(response).startswith("Unknown ")
    response = await client.get(INFER)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert error_of(response) == "Expected POST for /v2/models/{model}/infer. Received: GET."


async def test_not_ready_is_a_503_and_live_stays_200(worker):
    transport = httpx.ASGITransport(app=App(worker, no_inner_app))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in ("/v2/health/ready", "/v2/models/houses/ready", "/v2/models/houses"):
            response = await client.get(path)
            assert response.status_code == 503
            assert "No model is live yet" in error_of(response)
        assert (await client.get("/v2/health/live")).status_code == 200


BAD = {
    "unknown input": (one(agee={"datatype": "FP64", "shape": [1], "data": [1]}), "Unknown input 'agee'. There are: 'a"),
    "twice": ([*one(), one()[0]], "'age': Expected each input once."),
    "none": ([], "Expected a tensor for each feature: 'age', 'income'"),
    "absent": (one(age=None, rooms=None), "'age': Expected this input: training never saw the feature missing."),
    "no name": ([{"datatype": "FP64"}], "Expected a tensor with a 'name'"),
    "no shape": (one(age={"shape": None}), "'age': Expected a 'shape' of sizes"),
    "negative": (one(age={"shape": [-1]}), "'age': Expected a 'shape' of sizes from 0 on. Received: [-1]."),
    "half": (one(age={"shape": [1.5]}), "'age': Expected a 'shape' of sizes"),
    "true": (one(age={"shape": [True]}), "'age': Expected a 'shape' of sizes"),
    "wide": (one(age={"shape": [1, 2], "data": [1, 2]}), "'age': Expected shape [n] or [n, 1]. Received: [1, 2]."),
    "deep": (one(age={"shape": [1, 1, 1]}), "'age': Expected shape [n] or [n, 1]. Received: [1, 1, 1]."),
    "scalar": (one(age={"shape": []}), "'age': Expected shape [n] or [n, 1]. Received: []."),
    "no rows": (one(age={"shape": [0], "data": []}), "'age': Expected at least one row."),
    "product": (one(age={"data": [1, 2]}), "'age': Expected 1 elements in 'data', flat or nested as [1]."),
    "rows": (one(town={"shape": [2], "data": ["a", "b"]}), "'town': Expected 1 rows, as 'age' has. Received: 2."),
    "datatype": (one(age={"datatype": "BF16"}), "'age': Expected a datatype of BOOL, INT64"),
    "unhashable": (one(age={"datatype": [1]}), "'age': Expected a datatype of BOOL, INT64"),
    "kind": (one(age={"datatype": "BYTES"}), "'age': Expected FP64 or FP32 or FP16"),
    "kind too": (one(town={"datatype": "FP32"}), "'town': Expected BYTES for a category. Received: FP32."),
    "text": (one(age={"data": ["old"]}), "Row 0, 'age': Expected a number or null. Received: \"old\"."),
    "bool": (one(age={"data": [True]}), "Row 0, 'age': Expected a number or null. Received: true."),
    "list": (one(age={"data": [[[1]]]}), "'age': Expected 1 elements"),
    "object": (one(age={"data": {"a": 1}}), "'age': Expected 1 elements"),
    "number": (one(town={"data": [1]}), "Row 0, 'town': Expected a string or null."),
    "int": (one(rooms={"data": [5.5]}), "Row 0, 'rooms': Expected an integer or null. Received: 5.5."),
    "int8": (one(rooms={"datatype": "INT8", "data": [128]}), "Row 0, 'rooms': Expected INT8, -128 to 127."),
    "range": (one(rooms={"data": [99]}), "Row 0, 'rooms': Expected a value in the training range [1, 12]."),
    "unseen": (one(heating={"data": ["wood"]}), "Row 0, 'heating': Unknown category 'wood' of 'heating'."),
    "refused missing": (one(age={"data": [None]}), "Row 0, 'age': Expected a value: training never saw"),
    "date": (one(sold={"data": ["soon"]}), "Row 0, 'sold': Expected an ISO 8601 date or time"),
    "no data": (one(age={"data": None}), "'age': Expected 'data', or a 'binary_data_size'"),
    "both": (one(age={"parameters": {"binary_data_size": 0}}), "'age': Expected 'data', or a 'binary_data_size'"),
    "no bytes": (one(age={"data": None, "parameters": {"binary_data_size": 8}}), "a 'binary_data_size' of 0 to 0"),
    "parameters": (one(age={"parameters": [1]}), "'parameters': Expected an object."),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_bad_tensors_are_a_400_that_says_why(client, name, log):
    inputs, expected = BAD[name]
    response = await client.post(INFER, json={"inputs": inputs})
    assert response.status_code == 400
    assert expected in error_of(response)
    assert log.text == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": 7}, "'id': Expected a string. Received: 7."),
        ({"inputs": {}}, "'inputs': Expected a list of objects."),
        ({"inputs": [1]}, "'inputs': Expected a list of objects."),
        ({"outputs": [{}]}, "'outputs': Expected an output with a 'name'."),
        ({"outputs": [{"name": "vale"}]}, "Unknown output 'vale'. There are: 'value', 'lower', 'upper'."),
        ({"outputs": [{"name": "value"}] * 2}, "'value': Expected each output once."),
        ({"outputs": [{"name": "value", "parameters": {"binary_data": 1}}]}, "'binary_data': Expected true or false."),
        ({"parameters": {"binary_data_output": "yes"}}, "'binary_data_output': Expected true or false."),
        ({"parameters": {"interval": 1}}, "'interval': Expected a number in (0, 1). Received: 1."),
        ({"parameters": {"interval": True}}, "'interval': Expected a number in (0, 1)."),
        ({"parameters": {"interval": "wide"}}, "'interval': Expected a number in (0, 1)."),
        ({"parameters": {"interval": [0.5]}}, "'interval': Expected a number in (0, 1)."),
        ({"parameters": {"interval": 0.9999}}, "'interval': Expected 'interval' of at most 0.99"),
    ],
)
async def test_bad_requests_are_a_400_that_says_why(client, changes, expected):
    response = await client.post(INFER, json={"inputs": one(), **changes})
    assert response.status_code == 400
    assert expected in error_of(response)


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 5000, b'{"inputs": nan}', b'{"id": "\xff"}', b"1", b"[]", b"null"])
async def test_what_is_no_json_object_is_a_400(client, body):
    response = await client.post(INFER, content=body)
    assert response.status_code == 400
    assert "Expected a JSON" in error_of(response)


async def test_huge_shapes_are_refused_before_anything_is_made_of_them(client):
    for shape in ([501], [2**62], [10**30], [501, 1]):
        response = await client.post(INFER, json={"inputs": one(age={"shape": shape})})
        assert response.status_code in (400, 413)
        error_of(response)


def with_bytes(name, datatype, shape, part, size=None):
    """A body with one usual row, in which one tensor is sent as bytes."""
    parameters = {"binary_data_size": len(part) if size is None else size}
    tensor = {"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}
    return binary_body({"inputs": [tensor, *one(**{name: None})]}, [part])


BAD_BYTES = {
    "short": (with_bytes("age", "FP64", [1], b"\0" * 7), "Expected 8 bytes, for 1 elements of FP64. Received: 7"),
    "long": (with_bytes("age", "FP32", [1], b"\0" * 8), "'age': Expected 4 bytes"),
    "beyond": (with_bytes("age", "FP64", [1], b"\0" * 8, 9), "'age': Expected a 'binary_data_size' of 0 to 8"),
    "negative": (with_bytes("age", "FP64", [1], b"\0" * 8, -8), "'age': Expected a 'binary_data_size' of 0 to 8"),
    "float": (with_bytes("age", "FP64", [1], b"\0" * 8, 8.0), "'age': Expected a 'binary_data_size' of 0 to 8"),
    "left": (with_bytes("age", "FP64", [1], b"\0" * 9, 8), "Expected 8 bytes of tensors. Received: 1 bytes more."),
    "no length": (with_bytes("town", "BYTES", [1], b"\5\0"), "'town': Expected 1 elements, each after its length"),
    "far length": (with_bytes("town", "BYTES", [1], b"\xff\xff\xff\xffab"), "Expected an element of 4294967295"),
    "more": (with_bytes("town", "BYTES", [1], b"\1\0\0\0ab"), "'town': Expected 5 bytes, for 1 elements. Received: 6"),
    "not utf-8": (with_bytes("town", "BYTES", [1], b"\2\0\0\0\xff\xfe"), "Row 0, 'town': Expected UTF-8."),
    "bool": (with_bytes("garden", "BOOL", [1], b"\2"), "Row 0, 'garden': Expected true or false. Received: 2.0."),
    "infinite": (with_bytes("age", "FP32", [1], raw("FP32", [np.inf])), "Row 0, 'age': Expected a finite number."),
    "nan": (with_bytes("age", "FP64", [1], raw("FP64", [np.nan])), "Row 0, 'age': Expected a value: training never"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_BYTES)
async def test_bad_bytes_are_a_400_that_says_why(client, name, log):
    (body, headers), expected = BAD_BYTES[name]
    response = await client.post(INFER, content=body, headers=headers)
    assert response.status_code == 400
    assert expected in error_of(response)
    assert log.text == ""


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999", "9" * 5000, "ten", ""])
async def test_a_bad_header_length_is_a_400(client, length):
    body, headers = with_bytes("age", "FP64", [1], b"\0" * 8)
    response = await client.post(INFER, content=body, headers={**headers, "inference-header-content-length": length})
    assert response.status_code == 400
    assert "Inference-Header-Content-Length" in error_of(response)


async def test_warnings_come_as_a_parameter_and_are_counted_like_faults_by_route_template(client, predictor):
    response = await client.post(INFER, json={"inputs": one(age={"data": [140]})})
    (warning,) = json.loads(response.json()["parameters"]["warnings"])
    assert (warning["row"], warning["field"], warning["kind"]) == (0, "age", "out_of_range")
    await client.post(INFER, json={"inputs": one(rooms={"data": [99]})})
    await client.post(f"/v2/models/houses/versions/{predictor.model_version}/infer", json={"inputs": one()})
    await client.get("/v2/models/other")
    await client.get("/v2/nothing")
    text = (await client.get("/metrics")).text
    assert 'trueline_requests_total{route="/v2/models/{model}/infer",status="200"} 1.0' in text
    assert 'trueline_requests_total{route="/v2/models/{model}/infer",status="400"} 1.0' in text
    assert 'route="/v2/models/{model}/versions/{version}/infer",status="200"} 1.0' in text
    assert 'route="/v2/models/{model}",status="404"} 1.0' in text
    assert 'route="other",status="404"} 1.0' in text
    assert 'trueline_validation_failures_total{field="rooms",reason="range"} 1.0' in text
    assert 'trueline_warnings_total{kind="out_of_range"} 1.0' in text
    assert "houses/" not in text


@pytest.mark.parametrize("n_rows", [3, 490])
async def test_packed_bodies_small_and_large(client, predictor, n_rows):
    rows = sample_rows(predictor.schema, n_rows)
    body = json.dumps({"inputs": json_inputs(predictor.schema, rows), "id": "x" * 100 * n_rows}).encode()
    expected = predictor.predict_rows(rows).value[:, 0].tolist()
    assert (len(body) > LARGE) == (n_rows == 490)
    for packed in (gzip.compress, zstandard.compress):
        encoding = {"content-encoding": "gzip" if packed is gzip.compress else "zstd"}
        response = await client.post(INFER, content=packed(body), headers=encoding)
        assert response.json()["outputs"][0]["data"] == expected
    response = await client.post(INFER, content=body.replace(b"FP64", b"FP65"))
    assert (response.status_code, "'age': Expected a datatype" in error_of(response)) == (400, True)
    response = await client.post(INFER, content=gzip.compress(bytes(200_000)), headers={"content-encoding": "gzip"})
    assert (response.status_code, "when unpacked" in error_of(response)) == (413, True)
    response = await client.post(INFER, content=b"no gzip", headers={"content-encoding": "gzip"})
    assert (response.status_code, "Expected a gzip body" in error_of(response)) == (400, True)
    response = await client.post(INFER, content=b"", headers={"content-encoding": "br"})
    assert (response.status_code, "Expected Content-Encoding" in error_of(response)) == (415, True)


async def test_errors_before_the_app_have_the_protocols_shape_too(registry):
    worker = Worker(Settings(api_key="secret", max_requests=1), registry, Metrics(CollectorRegistry()))
    await worker.start()
    transport = httpx.ASGITransport(app=front.build(App(worker, no_inner_app), worker))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in ("/v2", "/v2/models/houses", "/v1/models/houses"):
            response = await client.get(path)
            assert response.status_code == 401
            assert error_of(response).startswith("Expected a key")
            assert (await client.get(path, headers={"x-api-key": "secret"})).status_code == 200
        assert (await client.get("/v2/health/ready")).status_code == 200
        worker.fleet.show("draining")
        for path in ("/v2/health/ready", "/v2/models/houses/ready"):
            response = await client.get(path, headers={"x-api-key": "secret"})
            assert response.status_code == 503
            assert "The service is stopping." in error_of(response)
    await worker.stop()


async def test_a_fault_of_ours_has_the_protocols_shape(client, worker, monkeypatch, log):
    monkeypatch.setattr(worker.batcher, "submit", lambda *_: 1 / 0)
    response = await client.post(INFER, json={"inputs": one()})
    assert response.status_code == 500
    assert error_of(response) == "The service failed on this request; its log says why."
    assert "ZeroDivisionError" in log.text
