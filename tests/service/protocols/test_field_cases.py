"""Requests of people who moved to the service, and the message that helps each of them on."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from artifact.rows.schema import Feature
from service.settings.settings import Settings
from tests.builders import build_schema, plain_features, sample_rows
from tests.service.conftest import calling, worker_of
from tests.service.protocols.bodies import ARROW, CSV, JSON, NDJSON, PARQUET, arrow_stream, parquet_file
from tests.service.protocols.conftest import json_inputs, serving

pytestmark = pytest.mark.anyio
SCHEMA = build_schema()
ROW = SCHEMA.example_row()
PREDICT = "/v1/models/houses:predict"
INFER = "/v2/models/houses/infer"
NAN, INF = float("nan"), float("inf")


async def send(client: httpx.AsyncClient, path: str, body: Any, media_type: str = JSON) -> httpx.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return await client.post(path, content=content, headers={"content-type": media_type})


def plain_error(response: httpx.Response) -> str:
    assert response.status_code == 400, response.text
    error: str = response.json()["error"]
    return error


def details_of(response: httpx.Response, status: int = 422) -> list[dict[str, Any]]:
    assert response.status_code == status, response.text
    assert "nan" not in response.text.replace("NaN", "")
    details: list[dict[str, Any]] = response.json()["error"]["details"]
    return details


def one_message(response: httpx.Response) -> str:
    (detail,) = details_of(response)
    message: str = detail["message"]
    return message


def tensors(rows: list[dict[str, Any]], **changed: Any) -> dict[str, Any]:
    inputs = json_inputs(SCHEMA, rows)
    return {"inputs": [{**tensor, **changed.get(tensor["name"], {})} for tensor in inputs]}


# V13: warnings in every protocol.


@pytest.mark.parametrize("by_row", [True, False])
async def test_case_v13_tensorflow_servings_answers_tell_what_is_unusual_in_headers(client, by_row: bool) -> None:
    rows = [ROW, {**ROW, "age": 140, "town": "Łódź"}]
    columns = {name: [row[name] for row in rows] for name in ROW}
    response = await send(client, PREDICT, {"instances": rows} if by_row else {"inputs": columns})
    assert response.status_code == 200
    assert list(response.json()) == ["predictions" if by_row else "outputs"]
    assert response.headers["x-trueline-warning-count"] == "2"
    warnings = json.loads(response.headers["x-trueline-warnings"])
    assert [(w["row"], w["field"], w["kind"]) for w in warnings] == [(1, "age", "out_of_range"), (1, "town", "unseen")]
    assert "'Łódź' was not seen" in warnings[1]["message"]
    usual = await send(client, PREDICT, {"instances": [ROW]})
    assert not [name for name in usual.headers if name.startswith("x-trueline")]


async def test_case_v13_many_or_long_warnings_stay_within_what_a_proxy_lets_through(client) -> None:
    rows = [{**ROW, "town": f"town {i}\r\nX-Evil: 1"} for i in range(500)]
    rows[0]["town"] = "x" * 20_000
    response = await send(client, PREDICT, {"instances": rows})
    assert response.status_code == 200
    assert response.headers["x-trueline-warning-count"] == "500"
    assert len(response.headers["x-trueline-warnings"]) <= 2048
    warnings = json.loads(response.headers["x-trueline-warnings"])
    assert [w["row"] for w in warnings] == list(range(len(warnings)))
    assert len(warnings) > 5
    assert "x-evil" not in response.headers


async def test_case_v13_the_policy_of_warnings_holds_there_too(tmp_path) -> None:
    worker = worker_of(tmp_path, Settings(warnings="ignore"))
    async with calling(worker) as client:
        response = await send(client, PREDICT, {"instances": [{**ROW, "age": 140}]})
        assert (response.status_code, "x-trueline-warnings" in response.headers) == (200, False)


async def test_case_v13_every_other_answer_has_its_own_place_for_them(client) -> None:
    row = {**ROW, "age": 140}
    (parameter,) = [(await send(client, INFER, tensors([row]))).json()["parameters"]["warnings"]]
    assert [w["field"] for w in json.loads(parameter)] == ["age"]
    outputs = {"parameters": {"binary_data_output": True}, **tensors([row])}
    response = await send(client, INFER, outputs)
    head = response.content[: int(response.headers["inference-header-content-length"])]
    assert "warnings" in json.loads(head)["parameters"]
    prediction = (await send(client, "/predict", {"rows": [row]})).json()["predictions"][0]
    assert [w["field"] for w in prediction["warnings"]] == ["age"]
    line = (await send(client, "/predict", json.dumps(row), NDJSON)).json()
    assert [w["field"] for w in line["warnings"]] == ["age"]


# V14: NaN, Infinity and -Infinity, as Python's json and JavaScript's template strings write them.

NUMBERS = [("NaN", NAN), ("Infinity", INF), ("-Infinity", -INF)]


@pytest.mark.parametrize(("name", "value"), NUMBERS)
async def test_case_v14_json_of_predict_names_the_number_and_says_null(client, name: str, value: float) -> None:
    rows = {"rows": [ROW, {**ROW, "income": value}]}
    columns = {"columns": {n: [v, value if n == "income" else v] for n, v in ROW.items()}}
    for body in (rows, columns):
        for path in ("/predict", "/predict?interval=0.8"):
            (detail,) = details_of(await send(client, path, body))
            assert (detail["row"], detail["field"], detail["received"]) == (1, "income", name)
            assert detail["message"].startswith(f"Expected a finite number: JSON has no {name}")
            assert detail["message"].endswith("Send null for a missing value.")


async def test_case_v14_where_training_saw_no_missing_value_null_is_no_way_out_and_that_is_said(client) -> None:
    message = one_message(await send(client, "/predict", {"rows": [{**ROW, "age": NAN}]}))
    assert message == (
        "Expected a finite number: JSON has no NaN. null says that a value is missing, but training never saw this "
        "feature missing."
    )


@pytest.mark.parametrize(("name", "value"), NUMBERS)
async def test_case_v14_tensorflow_serving_says_where_it_stands(client, name: str, value: float) -> None:
    bad = {**ROW, "income": value}
    columns = {n: [v, bad[n]] for n, v in ROW.items()}
    nested = {n: [[v] for v in values] for n, values in columns.items()}
    bodies = [
        {"instances": [ROW, bad]},
        {"instances": [ROW, list(bad.values())]},
        {"instances": [ROW, {n: [v] for n, v in bad.items()}]},
        {"inputs": columns},
        {"inputs": nested},
        {"inputs": [ROW, bad]},
    ]
    for body in bodies:
        error = plain_error(await send(client, PREDICT, body))
        assert error.startswith(f"Row 1, 'income': Expected a finite number: JSON has no {name}"), body
        assert error.endswith(f"Send null for a missing value. Received: {name}.")


@pytest.mark.parametrize(("name", "value"), NUMBERS)
async def test_case_v14_the_open_inference_protocol_says_where_it_stands(client, name: str, value: float) -> None:
    rows = [ROW, {**ROW, "income": value}]
    nested = {"income": {"shape": [2, 1], "data": [[ROW["income"]], [value]]}}
    for body in (tensors(rows), tensors(rows, **nested)):
        error = plain_error(await send(client, INFER, body))
        assert error.startswith(f"Row 1, 'income': Expected a finite number: JSON has no {name}")
        assert "Send null for a missing value." in error
    both = [{**ROW, "income": value}, {**ROW, "age": value}]
    error = plain_error(await send(client, INFER, tensors(both)))
    assert "Row 0, 'income'" in error and "Row 1, 'age'" in error


async def test_case_v14_outside_of_tensors_it_is_no_json_either(client) -> None:
    for parameters in ({"priority": NAN}, {"interval": NAN}):
        error = plain_error(await send(client, INFER, {"parameters": parameters, **tensors([ROW])}))
        assert error == "Expected a JSON body. Received: NaN or Infinity, which JSON does not have."


async def test_case_v14_in_one_tensor_of_all_features_the_column_is_named(tmp_path) -> None:
    async with serving(tmp_path, schema=build_schema(plain_features(3))) as (client, _):
        data = [0.1, 0.2, 0.3, 0.4, NAN, 0.6]
        for values in (data, [data[:3], data[3:]]):
            tensor = {"name": "input", "datatype": "FP64", "shape": [2, 3], "data": values}
            error = plain_error(await send(client, INFER, {"inputs": [tensor]}))
            assert error.startswith("Row 1, 'f1': Expected a finite number: JSON has no NaN")


async def test_case_v14_a_line_of_a_stream_is_answered_in_its_place(client) -> None:
    lines = [ROW, {**ROW, "income": NAN}, ROW, {**ROW, "age": -INF, "rooms": 99}]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    response = await send(client, "/predict", body, NDJSON)
    answers = [json.loads(line) for line in response.text.splitlines()]
    assert ["value" in row for row in answers] == [True, False, True, False]
    (detail,) = answers[1]["error"]["details"]
    assert (detail["row"], detail["field"], detail["received"]) == (1, "income", "NaN")
    assert "Send null" in detail["message"]
    assert [d["field"] for d in answers[3]["error"]["details"]] == ["age", "rooms"]
    refusal = await send(client, "/predict?on_error=request", body, NDJSON)
    assert [(d["row"], d["field"]) for d in details_of(refusal)] == [(1, "income"), (3, "age"), (3, "rooms")]


@pytest.mark.parametrize("by_row", [True, False])
async def test_case_v14_by_row_the_good_rows_are_answered(client, predictor, by_row: bool) -> None:
    rows = [{**ROW, "income": NAN, "age": "old"}, ROW] + [ROW] * 400 + [{**ROW, "income": INF}]
    body: dict[str, Any] = {"rows": rows} if by_row else {"columns": {k: [r[k] for r in rows] for k in ROW}}
    answer = (await send(client, "/predict", {**body, "on_error": "row"})).json()
    expected = float(predictor.predict_rows([ROW]).value[0, 0])
    values = [r.get("value") for r in answer["predictions"]] if by_row else answer["columns"]["value"]
    assert values == [None] + [expected] * 401 + [None]
    errors = [r["error"] for r in answer["predictions"] if "error" in r] if by_row else answer["errors"]
    details = [d for e in errors for d in (e if by_row else e["error"])["details"]]
    assert sorted((d["row"], d["field"]) for d in details) == [(0, "age"), (0, "income"), (402, "income")]


@pytest.mark.parametrize("text", ["1e400", "-1e400"])
async def test_case_v14_a_number_beyond_float64_is_named_as_what_it_becomes(client, text: str) -> None:
    body = json.dumps({"instances": [{**ROW, "income": "HERE"}]}).replace('"HERE"', text)
    error = plain_error(await send(client, PREDICT, body))
    assert error.startswith("Row 0, 'income': Expected a finite number")
    assert "float64 ends at 1.8e308" in error


@pytest.mark.parametrize("text", ["nan", "inf", "+Infinity", "undefined", "NaN,"])
async def test_case_v14_what_no_parser_takes_stays_not_json(client, text: str) -> None:
    body = json.dumps({"rows": [{**ROW, "income": "HERE"}]}).replace('"HERE"', text)
    response = await send(client, "/predict", body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "not_json")
    for path, key in ((PREDICT, "instances"), (INFER, "inputs")):
        error = plain_error(await send(client, path, body.replace('"rows"', f'"{key}"')))
        assert error.startswith("Expected a JSON body.")


# V16: the index that pandas writes, and a training file with its target.

INDEXES = ["", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__", "index", "level_0"]


def tables(rows: list[dict[str, Any]]) -> list[tuple[str, bytes]]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0])
    writer.writerows([str(v).lower() if isinstance(v, bool) else v for v in row.values()] for row in rows)
    table = pa.Table.from_pylist(rows)
    return [
        (CSV, text.getvalue().encode()),
        (ARROW, arrow_stream(table)),
        (PARQUET, parquet_file(table)),
        (JSON, json.dumps({"rows": rows}).encode()),
        (JSON, json.dumps({"columns": {name: [r[name] for r in rows] for name in rows[0]}}).encode()),
        (NDJSON, b"\n".join(json.dumps(row).encode() for row in rows)),
    ]


@pytest.mark.parametrize("name", INDEXES)
async def test_case_v16_an_index_column_is_recognised_and_both_ways_out_are_named(client, predictor, name: str) -> None:
    for media_type, body in tables([{name: 7, **ROW}]):
        message = one_message(await send(client, "/predict?on_error=request", body, media_type))
        assert message.startswith(f"Unknown feature '{name}'. ") and "the index of a pandas table" in message
        assert "index=False" in message and "?extra=ignore" in message
        lenient = await send(client, "/predict?extra=ignore", body, media_type)
        assert lenient.status_code == 200, lenient.text
    body = tensors([ROW])
    body["inputs"].append({"name": name, "datatype": "INT64", "shape": [1], "data": [7]})
    assert "the index of a pandas table" in plain_error(await send(client, INFER, body))
    assert "index=False" in plain_error(await send(client, PREDICT, {"instances": [{name: 7, **ROW}]}))


async def test_case_v16_a_feature_of_such_a_name_is_a_feature(tmp_path) -> None:
    features = [Feature(name="index", kind="number", minimum=0, maximum=9, example=1), *plain_features(1)]
    async with serving(tmp_path, schema=build_schema(features)) as (client, _):
        response = await send(client, "/predict", b"index,f0\n1,0.5\n", CSV)
        assert response.status_code == 200, response.text


async def test_a_training_file_with_its_target_gets_the_hint_that_helps(client) -> None:
    for media_type, body in tables([{**ROW, "price": 7}]):
        message = one_message(await send(client, "/predict?on_error=request", body, media_type))
        assert message.startswith("Unknown feature 'price'. It is the target, which the model predicts: leave it out.")
        assert "?extra=ignore" in message
    error = plain_error(await send(client, PREDICT, {"instances": [{**ROW, "price": 7}]}))
    assert "It is the target" in error


async def test_a_name_too_many_gets_the_way_out_and_a_misspelt_one_the_right_name(client) -> None:
    for media_type, body in tables([{**ROW, "id": 7}]):
        message = one_message(await send(client, "/predict?on_error=request", body, media_type))
        assert message.startswith("Unknown feature 'id'. There are: ")
        assert message.endswith("POST /predict?extra=ignore ignores names that are no feature.")
    row = {("agee" if name == "age" else name): value for name, value in ROW.items()}
    for media_type, body in tables([row]):
        details = details_of(await send(client, "/predict?on_error=request", body, media_type))
        (message,) = [d["message"] for d in details if d["field"] == "agee"]
        assert message.startswith("Unknown feature 'agee'. There are: 'age'")
        assert "extra=ignore" not in message


# V18: what was received, with its type.


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"garden": {"data": ["false"]}}, "Row 0, 'garden': Expected true, false or null. Received: \"false\"."),
        ({"garden": {"data": ["true"]}}, "Row 0, 'garden': Expected true, false or null. Received: \"true\"."),
        ({"age": {"shape": ["20"]}}, "'age': Expected a 'shape' of sizes from 0 on. Received: [\"20\"]."),
        ({"age": {"shape": "1"}}, "'age': Expected a 'shape' of sizes from 0 on. Received: \"1\"."),
        ({"age": {"shape": [2], "data": [[1], [2]]}, **{n: {"shape": [2]} for n in ROW if n != "age"}},
         "'age': Expected 2 elements in 'data', flat or nested as [2]. Received: a list of 2 lists."),
        ({"age": {"data": ["1", "2"]}}, "flat or nested as [1]. Received: a list of 2 strings."),
        ({"age": {"data": ["30"]}}, "Row 0, 'age': Expected a number or null. Received: \"30\"."),
        ({"age": {"datatype": "fp64"}}, "BYTES. Received: \"fp64\"."),
        ({"town": {"data": ['a"b\n']}, "heating": {"data": ["null"]}}, 'Received: "null".'),
    ],
)  # fmt: skip
async def test_case_v18_strings_are_quoted_in_what_was_received(client, changed: Any, expected: str) -> None:
    assert expected in plain_error(await send(client, INFER, tensors([ROW], **changed)))


@pytest.mark.parametrize("value", ["", "serving", "true", "1"])
async def test_case_v18_so_is_the_name_of_a_signature(client, value: str) -> None:
    error = plain_error(await send(client, PREDICT, {"signature_name": value, "instances": [ROW]}))
    assert error == f"'signature_name': Expected 'serving_default'. Received: \"{value}\"."


async def test_case_v18_what_is_described_in_words_is_not(client) -> None:
    assert plain_error(await send(client, PREDICT, {})).endswith("Received: neither.")
    error = plain_error(await send(client, PREDICT, {"inputs": {**{n: [v] for n, v in ROW.items()}, "age": [1, 2]}}))
    assert error.endswith("values.") and '"' not in error


# V26: values in lists of one, in rows.


async def test_case_v26_values_of_a_row_may_be_in_lists_of_one(client, predictor) -> None:
    rows = sample_rows(SCHEMA, 20)
    expected = predictor.predict_rows(rows).value[:, 0].tolist()
    nested = [{name: [value] for name, value in row.items()} for row in rows]
    some = [{name: [value] if name == "age" else value for name, value in row.items()} for row in rows]
    lists = [list(row.values()) for row in nested]
    for instances in (nested, some, lists):
        response = await send(client, PREDICT, {"instances": instances})
        assert response.status_code == 200, response.text
        assert [row["value"] for row in response.json()["predictions"]] == expected
        response = await send(client, PREDICT, {"inputs": instances})
        assert response.json()["outputs"]["value"] == expected


@pytest.mark.parametrize("value", [[], [1, 2], [[30.0]], [{}], ["old"]])
async def test_case_v26_any_other_list_is_refused_with_its_place(client, value: Any) -> None:
    error = plain_error(await send(client, PREDICT, {"instances": [ROW, {**ROW, "age": value}]}))
    assert error.startswith("Row 1, 'age': Expected a number.")


async def test_case_v26_one_feature_alone_may_be_wrapped_too(tmp_path) -> None:
    async with serving(tmp_path, schema=build_schema(plain_features(1))) as (client, model):
        expected = model.predict_rows([{"f0": 1.5}]).value[0, 0]
        for instance in (1.5, [1.5], [[1.5]], {"f0": 1.5}, {"f0": [1.5]}):
            response = await send(client, PREDICT, {"instances": [instance]})
            assert response.json()["predictions"][0]["value"] == expected, instance


async def test_case_v26_predict_itself_takes_values_only(client) -> None:
    assert one_message(await send(client, "/predict", {"rows": [{**ROW, "age": [30.0]}]})) == "Expected a number."


# A body of another shape.


@pytest.mark.parametrize(
    ("body", "way_out"),
    [
        (ROW, '{"rows": [{...}]}'),
        ({"rooms": 5}, '{"rows": [{...}]}'),
        ({**ROW, "price": 3, "interval": 0.8}, '{"rows": [{...}]}'),
        ({name: [value] for name, value in ROW.items()}, '{"columns": {...}}'),
        ([ROW], '{"rows": [...]}'),
        ({"rows": ROW}, '{"rows": [{...}]}'),
        ({"instances": [ROW]}, "POST /v1/models/NAME:predict"),
        ({"inputs": []}, "POST /v2/models/NAME/infer"),
        ({"dataframe_split": {"columns": [], "data": []}}, "to_json(orient='records')"),
        ({"dataframe_records": [ROW]}, "to_json(orient='records')"),
        ({"columns": list(ROW), "index": [0], "data": [list(ROW.values())]}, "to_json(orient='records')"),
        ({"0": ROW, "1": ROW}, "to_json(orient='records')"),
        ({name: {"0": value} for name, value in ROW.items()}, "to_json(orient='records')"),
        ({"schema": {"fields": []}, "data": [ROW]}, "to_json(orient='records')"),
    ],
)
@pytest.mark.parametrize("query", ["", "?interval=0.8"])
async def test_a_body_of_another_shape_is_told_what_to_send(client, body: Any, way_out: str, query: str) -> None:
    details = details_of(await send(client, f"/predict{query}", body))
    assert way_out in details[0]["message"]
    assert len(details) == 1


async def test_a_line_of_a_stream_that_holds_rows_is_told_to_be_one(client) -> None:
    response = await send(client, "/predict", json.dumps({"rows": [ROW]}), NDJSON)
    (detail,) = response.json()["error"]["details"]
    assert detail["message"] == "Expected a row by itself, feature name to value, without 'rows' around it."


async def test_an_arrow_file_is_told_from_a_stream(client) -> None:
    sink = io.BytesIO()
    table = pa.Table.from_pylist([ROW])
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    response = await send(client, "/predict", sink.getvalue(), ARROW)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "not_readable")
    assert "Received: an Arrow file, as Feather is. Write a stream" in response.json()["error"]["message"]


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
@pytest.mark.parametrize("with_line", [True, False])
async def test_case_v17_what_separates_the_values_of_csv_is_told_from_its_header(
    client, predictor, separator: str, with_line: bool
) -> None:
    rows = [{**ROW, "town": "a,b;c|d\te"}, {**ROW, "income": None}]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(ROW)
    texts = {None: "", True: "true", False: "false"}
    writer.writerows([texts[v] if v is None or isinstance(v, bool) else v for v in row.values()] for row in rows)
    body = (f"sep={separator}\r\n" if with_line else "") + text.getvalue()
    media_type = "text/tab-separated-values" if separator == "\t" else CSV
    response = await send(client, "/predict", body, media_type)
    assert response.status_code == 200, response.text
    values = [float(line["value"]) for line in csv.DictReader(io.StringIO(response.text))]
    assert values == predictor.predict_rows(rows).value[:, 0].tolist()


async def test_case_v17_a_feature_may_have_a_separator_in_its_name(tmp_path) -> None:
    features = [Feature(name=name, kind="number", minimum=0, maximum=9, example=1) for name in ("a;b", "c")]
    async with serving(tmp_path, schema=build_schema(features)) as (client, _):
        for body in ("a;b,c\n1,2\n", '"a;b";c\n1;2\n', '"a;b"\tc\n1\t2\n'):
            response = await send(client, "/predict", body, CSV)
            assert response.status_code == 200, response.text


# on_error=row: every fault of a row, in every format.

BAD = {"age": "old", "rooms": 99, "heating": "coal", "sold": "soon", "garden": "perhaps"}


def by_row_bodies(rows: list[dict[str, Any]]) -> list[tuple[str, bytes]]:
    as_text = [{name: None if value is None else str(value) for name, value in row.items()} for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(ROW))
    writer.writeheader()
    writer.writerows({k: str(v).lower() if isinstance(v, bool) else v for k, v in row.items()} for row in rows)
    table = pa.Table.from_pylist(as_text).set_column(2, "rooms", pa.array([float(row["rooms"]) for row in rows]))
    return [
        (JSON, json.dumps({"rows": rows}).encode()),
        (JSON, json.dumps({"columns": {name: [r[name] for r in rows] for name in ROW}}).encode()),
        (NDJSON, b"\n".join(json.dumps(row).encode() for row in rows)),
        (CSV, text.getvalue().encode()),
        (ARROW, arrow_stream(table)),
        (PARQUET, parquet_file(table)),
    ]


async def test_on_error_row_reports_every_fault_of_a_row_in_every_format(client) -> None:
    rows = [{**ROW, **BAD}, {**ROW, **BAD, "age": 30.0, "income": 1.0}]
    for media_type, body in by_row_bodies(rows):
        response = await send(client, "/predict?on_error=row", body, media_type)
        assert response.status_code == 200, response.text
        for row, fields in ((0, set(BAD)), (1, set(BAD) - {"age"})):
            messages = await _faults_of(response, media_type, row)
            for field in fields - ({"age"} if media_type in (ARROW, PARQUET) and row else set()):
                assert f"'{field}'" in messages, (media_type, row, field, messages)


async def _faults_of(response: httpx.Response, media_type: str, row: int) -> str:
    if media_type == JSON:
        answer = response.json()
        error = answer["predictions"][row]["error"] if "predictions" in answer else answer["errors"][row]["error"]
        return " ".join(f"'{d['field']}'" for d in error["details"])
    if media_type == NDJSON:
        return " ".join(f"'{d['field']}'" for d in json.loads(response.text.splitlines()[row])["error"]["details"])
    if media_type == CSV:
        return str(list(csv.DictReader(io.StringIO(response.text)))[row]["error"])
    if media_type == ARROW:
        return str(pa.ipc.open_stream(response.content).read_all()["error"][row].as_py())
    import pyarrow.parquet as pq

    return str(pq.read_table(io.BytesIO(response.content))["error"][row].as_py())


async def test_on_error_row_reports_what_the_decoder_found_and_what_the_schema_says_of_the_rest(client) -> None:
    row = {**ROW, "agee": 1, "income": NAN, "age": "old", "heating": "coal", "rooms": None}
    for body, media_type in ((json.dumps({"rows": [row, ROW]}), JSON), (json.dumps(row), NDJSON)):
        response = await send(client, "/predict?on_error=row", body, media_type)
        answer = response.json()
        error = (answer["predictions"][0] if media_type == JSON else answer)["error"]
        fields = sorted(d["field"] for d in error["details"])
        assert fields == ["age", "agee", "heating", "income", "rooms"]
    refusal = details_of(await send(client, "/predict?on_error=request", json.dumps(row), NDJSON))
    assert sorted(d["field"] for d in refusal) == ["age", "agee", "heating", "income", "rooms"]


async def test_on_error_row_reports_unusual_values_beside_faults_where_they_are_refused(tmp_path) -> None:
    async with calling(worker_of(tmp_path, Settings(warnings="refuse"))) as client:
        rows = [{**ROW, "age": 140, "heating": "coal"}, ROW, {**ROW, "town": "Bath"}]
        predictions = (await send(client, "/predict", {"rows": rows, "on_error": "row"})).json()["predictions"]
        assert sorted(d["field"] for d in predictions[0]["error"]["details"]) == ["age", "heating"]
        assert "value" in predictions[1]
        assert [d["field"] for d in predictions[2]["error"]["details"]] == ["town"]


async def test_on_error_row_leaves_out_no_fault_of_many_bad_rows(tmp_path) -> None:
    features = plain_features(30)
    async with calling(worker_of(tmp_path, Settings(), schema=build_schema(features))) as client:
        rows = [dict.fromkeys((f.name for f in features), "x") for _ in range(200)]
        rows[150] |= {"f3": None, "f4": 1.0}
        response = await send(client, "/predict?on_error=row", {"rows": rows})
        counts = [len(row["error"]["details"]) for row in response.json()["predictions"]]
        assert counts == [30] * 150 + [29] + [30] * 49


async def test_a_row_of_another_length_has_that_fault_alone(client) -> None:
    text = ",".join(ROW) + "\n30,41000,5\n"
    response = await send(client, "/predict?on_error=row", text, CSV)
    error = next(csv.DictReader(io.StringIO(response.text)))["error"]
    assert error == f"Expected {len(ROW)} values, as the header line has."


async def test_not_finite_numbers_of_binary_formats_are_what_they_were(client) -> None:
    """NaN means missing in Arrow, Parquet and the bytes of a tensor; only JSON does not have NaN."""
    table = pa.Table.from_pylist([ROW]).set_column(1, "income", pa.array([np.nan]))
    for media_type, body in ((ARROW, arrow_stream(table)), (PARQUET, parquet_file(table))):
        assert (await send(client, "/predict", body, media_type)).status_code == 200
