"""TensorFlow Serving's REST API: the Predictor's numbers and the errors, in its shapes."""

import json

import pytest

from tests.builders import build_schema, plain_features, sample_rows
from tests.service.protocols.conftest import ENDS, serving
from tests.service.protocols.test_oip_http import error_of

pytestmark = pytest.mark.anyio
SCHEMA = build_schema()
ROW = SCHEMA.example_row()
PREDICT = "/v1/models/houses:predict"


def expected_of(predictor, rows, level=None):
    expected = predictor.predict_rows(rows, level)
    return {name: getattr(expected, name)[:, 0].tolist() for name in ENDS}


@pytest.mark.parametrize("level", [None, 0.8])
async def test_instances_and_inputs_get_the_predictors_numbers(client, predictor, level):
    rows = sample_rows(predictor.schema, 20)
    columns = expected_of(predictor, rows, level)
    as_rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    names = predictor.schema.names
    as_lists = [[row[name] for name in names] for row in rows]
    for instances in (rows, as_lists):
        response = await client.post(PREDICT, json={"instances": instances, "interval": level})
        assert response.status_code == 200, response.text
        assert response.json() == {"predictions": as_rows}
    inputs = {name: [row[name] for row in rows] for name in names}
    nested = {name: [[value] for value in values] for name, values in inputs.items()}
    for reply in (inputs, nested, as_lists):
        body = {"signature_name": "serving_default", "inputs": reply, "interval": level}
        response = await client.post(PREDICT, json=body, headers={"content-type": "text/plain"})
        assert response.json() == {"outputs": columns}


async def test_rows_as_inputs_may_leave_out_what_is_imputed(client, predictor):
    row = {name: ROW[name] for name in SCHEMA.names if SCHEMA.feature(name).missing == "refuse"}
    expected = {name: values[:1] for name, values in expected_of(predictor, [row]).items()}
    response = await client.post(PREDICT, json={"inputs": [row]})
    assert (response.status_code, response.json()) == (200, {"outputs": expected})


async def test_what_is_nested_too_deeply_is_refused(client):
    deep = b"[" * 300 + b"]" * 300
    for body in (b'{"instances": [' + deep + b"]}", b'{"inputs": {"age": ' + deep + b"}}"):
        response = await client.post(PREDICT, content=body)
        assert response.status_code == 400, response.text


async def test_one_feature_needs_no_list(tmp_path):
    async with serving(tmp_path, schema=build_schema(plain_features(1), targets=("price", "rent"))) as (client, model):
        expected = model.predict_rows([{"f0": 1.5}, {"f0": -1}])
        predictions = (await client.post(PREDICT, json={"instances": [1.5, -1]})).json()["predictions"]
        assert [row["rent_upper"] for row in predictions] == expected.upper[:, 1].tolist()
        assert (await client.post(PREDICT, json={"inputs": [[1.5], [-1]]})).json()["outputs"]["price_value"] == (
            expected.value[:, 0].tolist()
        )


async def test_status_and_metadata(client, predictor):
    version = predictor.model_version
    for path in ("/v1/models/houses", f"/v1/models/houses/versions/{version}"):
        (state,) = (await client.get(path)).json()["model_version_status"]
        assert state == {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        metadata = (await client.get(f"{path}/metadata")).json()
        assert metadata["model_spec"] == {"name": "houses", "signature_name": "", "version": version}
        signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert {name: t["dtype"] for name, t in signature["inputs"].items()} == {
            "age": "DT_DOUBLE", "income": "DT_DOUBLE", "rooms": "DT_INT64", "garden": "DT_BOOL",
            "town": "DT_STRING", "heating": "DT_STRING", "sold": "DT_STRING",
        }  # fmt: skip
        assert list(signature["outputs"]) == list(ENDS)
        assert (await client.post(f"{path}:predict", json={"instances": [ROW]})).status_code == 200


async def test_unknown_models_and_versions(client, predictor):
    response = await client.post("/v1/models/house:predict", json={"instances": [ROW]})
    assert (response.status_code, error_of(response)) == (404, "Unknown model 'house'. There are: 'houses'.")
    response = await client.get("/v1/models/houses/versions/1/metadata")
    assert response.status_code == 404
    assert error_of(response) == f"Unknown version '1' of 'houses'. There are: '{predictor.model_version}'."
    for path in ("/v1/models/houses:classify", "/v1/models", "/v1/", "/v1/models/a/b/c"):
        response = await client.post(path, json={})
        assert response.status_code == 404
        assert error_of(response).startswith("Unknown path")
    assert (await client.get(PREDICT)).status_code == 405


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "Expected a JSON body."),
        (
            b'{"instances": [NaN]}',
            "Row 0: Expected an object, or 7 values in the order of GET /schema. Received: 1 value.",
        ),
        (b'{"instances": [nan]}', "Expected a JSON body."),
        ([], "Expected a JSON object with 'instances' or 'inputs'."),
        ({}, "Expected 'instances' or 'inputs'. Received: neither."),
        ({"instances": [ROW], "inputs": {}}, "Expected 'instances' or 'inputs'. Received: both."),
        ({"instance": [ROW]}, "'instance': Unknown key 'instance'. There are: 'instances'"),
        ({"instances": [ROW], "signature_name": "x"}, "'signature_name': Expected 'serving_default'. Received: \"x\"."),
        ({"instances": [ROW], "signature_name": ""}, "'signature_name': Expected 'serving_default'. Received: \"\"."),
        ({"instances": {"a": 1}}, "'instances': Expected a list of rows, at least one."),
        ({"instances": []}, "'instances': Expected a list of rows, at least one."),
        ({"inputs": 5}, "'inputs': Expected a list of rows, at least one."),
        ({"instances": [ROW, [1, 2]]}, "Row 1: Expected an object, or 7 values in the order of GET /schema."),
        ({"instances": [{**ROW, "agee": 1}]}, "Row 0, 'agee': Unknown feature 'agee'. There are: 'age'"),
        ({"instances": [{**ROW, "age": "old"}]}, "Row 0, 'age': Expected a number. Received: \"old\"."),
        ({"instances": [{**ROW, "rooms": 99}]}, "Row 0, 'rooms': Expected a value in the training range [1, 12]."),
        ({"inputs": {**{k: [v] for k, v in ROW.items()}, "age": [1, 2]}}, "Expected columns of equal length"),
        ({"inputs": {"age": 5}}, "'age': Expected a list"),
        ({"instances": [ROW], "interval": 2}, "'interval': Expected a number in (0, 1). Received: 2."),
        ({"instances": [{}] * 501}, "Expected at most 500 rows"),
    ],
)
async def test_bad_bodies_are_a_4xx_that_says_why(client, body, expected, log):
    content = body if isinstance(body, bytes) else json.dumps(body)
    response = await client.post(PREDICT, content=content)
    assert response.status_code in (400, 413)
    assert expected in error_of(response)
    assert log.text == ""


async def test_metrics_have_the_template(client):
    await client.post(PREDICT, json={"instances": [{**ROW, "rooms": 99}]})
    text = (await client.get("/metrics")).text
    assert 'trueline_requests_total{route="/v1/models/{model}:predict",status="400"} 1.0' in text
    assert 'trueline_validation_failures_total{field="rooms",reason="range"} 1.0' in text
