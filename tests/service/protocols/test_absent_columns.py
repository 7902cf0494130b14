"""A feature without a column: every wire format of columns refuses it, or takes it as missing on request.

Case 06 of the field: `area` had gaps in training, and the new table calls it `Area` or lacks it. Case 06b is the same
with a category.
"""

import json

import pytest
from prometheus_client import CollectorRegistry

from artifact.predictor import Predictor
from artifact.rows.schema import Feature
from service.metrics.metrics import Metrics
from service.protocols import open_inference_pb2 as pb
from service.protocols.oip_grpc import GrpcServer
from service.settings.settings import Settings
from service.worker import Worker
from tests.builders import build_schema
from tests.processes import free_port
from tests.service.conftest import calling, worker_of
from tests.service.protocols.bodies import BODIES, CSV, JSON, answers, csv_table, json_columns
from tests.service.protocols.conftest import binary_body, binary_inputs, json_inputs
from tests.service.protocols.test_oip_grpc import Client, grpc

pytestmark = pytest.mark.anyio
SCHEMA = build_schema(
    (
        Feature(name="town", kind="category", categories=("Cern", "Lodi"), missing="impute", example="Cern"),
        Feature(name="area", kind="number", minimum=30, maximum=200, missing="impute", example=80.0),
        Feature(
            name="built", kind="datetime", parts=("days",), minimum=0, maximum=1e9, missing="impute", example="1990"
        ),
        Feature(name="new", kind="boolean", minimum=0, maximum=1, missing="impute", example=True),
        Feature(name="rooms", kind="integer", minimum=1, maximum=9, example=3),
    )
)
ROWS = [
    {"town": "Cern", "area": 141.6, "built": "1999-01-01", "new": True, "rooms": 6},
    {"town": "Lodi", "area": 73.8, "built": "2001-05-01", "new": False, "rooms": 2},
]
TABLES = [name for name in BODIES if name not in ("rows", "ndjson")]
INFER, PREDICT = "/v2/models/houses/infer", "/v1/models/houses:predict"


@pytest.fixture
def worker(tmp_path):
    return worker_of(tmp_path, Settings(max_rows=500), schema=SCHEMA)


@pytest.fixture
def model(worker):
    return Predictor.load(worker.registry.resolve("houses:champion").path)


@pytest.fixture
async def client(worker):
    async with calling(worker) as client:
        yield client


def without(rows, *names, rename=None):
    """The rows without some columns, or with them under other names."""
    return [{(rename or {}).get(n, n): v for n, v in row.items() if n not in names} for row in rows]


def imputed(model, *names):
    answer = model.predict_rows(without(ROWS, *names))
    return {end: getattr(answer, end)[:, 0].tolist() for end in ("value", "lower", "upper")}


def details(response):
    assert response.status_code == 422, response.text
    return {d["field"]: d["message"] for d in response.json()["error"]["details"]}


async def post(client, name, rows, query=""):
    media_type, body_of = BODIES[name]
    return await client.post(f"/predict{query}", content=body_of(rows), headers={"content-type": media_type})


@pytest.mark.parametrize("name", TABLES)
async def test_case_06_a_renamed_column_is_refused_with_the_nearest_name(client, name):
    rows = without(ROWS, rename={"area": "Area"})
    faults = details(await post(client, name, rows))
    nearest = "The nearest is 'Area': rename it, or ask with ?missing_columns=impute."
    assert faults["area"] == f"Expected this column. {nearest}"
    assert faults["Area"].startswith("Unknown feature 'Area'. There are: 'area'")
    ignoring = details(await post(client, name, rows, "?extra=ignore"))
    assert ignoring == {"area": f"Expected this column. {nearest}"}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("feature", ["town", "area", "built", "new"])
async def test_case_06_06b_a_column_of_any_kind_that_is_not_there_is_refused_or_imputed(client, model, name, feature):
    rows = without(ROWS, feature)
    faults = details(await post(client, name, rows))
    assert faults == {feature: "Expected this column. Send it, or ask with ?missing_columns=impute."}
    for query in ("", "&on_error=row"):
        response = await post(client, name, rows, f"?missing_columns=impute{query}")
        assert response.status_code == 200, response.text
        assert answers(BODIES[name][0], response.content) == imputed(model, feature)


@pytest.mark.parametrize("name", TABLES)
async def test_each_imputed_row_has_a_warning_that_names_the_column(client, name):
    media_type, body_of = BODIES[name]
    body = body_of(without(ROWS, "town", "area"))
    response = await client.post(
        "/predict?missing_columns=impute", content=body, headers={"content-type": media_type, "accept": JSON}
    )
    assert sorted((w["row"], w["field"], w["kind"], w["message"]) for w in response.json()["warnings"]) == [
        (row, field, "missing_column", f"'{field}' has no column; answered as missing.")
        for row in (0, 1)
        for field in ("area", "town")
    ]
    metrics = (await client.get("/metrics")).text
    assert 'trueline_warnings_total{kind="missing_column"} 4.0' in metrics


@pytest.mark.parametrize("name", TABLES)
async def test_a_column_that_training_never_saw_missing_stays_refused(client, name):
    rows = without(ROWS, rename={"rooms": "Rooms"})
    for query in ("?extra=ignore", "?extra=ignore&missing_columns=impute"):
        assert details(await post(client, name, rows, query)) == {
            "rooms": "Expected this column: training never saw the feature missing. The nearest is 'Rooms': rename it."
        }


async def test_a_large_table_of_json_columns_is_refused_alike(client, model):
    rows = without(ROWS * 200, "area")
    assert list(details(await post(client, "columns", rows))) == ["area"]
    response = await post(client, "columns", rows, "?missing_columns=impute")
    assert response.json()["columns"]["value"] == imputed(model, "area")["value"] * 200
    # A number that only the slower reader takes.
    body = json_columns(rows).replace(b"[6,", b"[1e400,", 1)
    assert list(details(await client.post("/predict?missing_columns=impute", content=body))) == ["rooms"]


@pytest.mark.parametrize("name", ["rows", "ndjson"])
async def test_a_row_may_leave_out_what_training_saw_missing(client, model, name):
    response = await post(client, name, without(ROWS, "area", "town"))
    assert response.status_code == 200, response.text
    assert answers(BODIES[name][0], response.content) == imputed(model, "area", "town")
    assert b"missing_column" not in response.content
    refusal = await post(client, name, without(ROWS, rename={"area": "Area"}))
    assert b"Unknown feature 'Area'. There are: 'area'" in refusal.content


async def test_a_column_that_is_there_without_a_value_is_no_absent_one(client, model):
    rows = [{**row, "area": None} for row in ROWS]
    response = await post(client, "csv", rows)
    assert answers(CSV, response.content) == imputed(model, "area")
    assert b"no column" not in response.content


async def test_no_feature_at_all_is_refused_though_imputing(client):
    response = await client.post(
        "/predict?missing_columns=impute&extra=ignore", content=b"x\n1\n", headers={"content-type": CSV}
    )
    assert set(details(response)) == {"rooms"}


async def test_other_choices_are_refused_with_those_there_are(client):
    for path, body in (
        ("/predict", json_columns(ROWS)),
        (INFER, json.dumps({"inputs": json_inputs(SCHEMA, ROWS)})),
        (PREDICT, json.dumps({"instances": ROWS})),
    ):
        response = await client.post(f"{path}?missing_columns=ignore", content=body)
        assert response.status_code in (400, 422)
        assert "Expected 'refuse' or 'impute'." in response.text
    body = json.dumps({"inputs": json_inputs(SCHEMA, ROWS), "parameters": {"missing_columns": True}})
    assert "Expected 'refuse' or 'impute'. Received: true." in (await client.post(INFER, content=body)).text


async def test_the_policy_of_warnings_decides_of_imputed_columns_too(worker, model):
    rows = without(ROWS, "area")
    for policy, status in (("ignore", 200), ("refuse", 422)):
        other = Worker(Settings(warnings=policy), worker.registry, Metrics(CollectorRegistry()))
        async with calling(other) as client:
            response = await post(client, "csv", rows, "?missing_columns=impute")
            assert response.status_code == status
            assert b"no column" not in response.content or policy == "refuse"


# Tensors


def tensors(rows):
    names = [n for n in SCHEMA.names if n in rows[0]]
    return [t for t in json_inputs(SCHEMA, [{**ROWS[0], **row} for row in rows]) if t["name"] in names]


@pytest.mark.parametrize("binary", [False, True])
async def test_case_06_tensors_over_http(client, model, binary):
    def request(**parameters):
        inputs = tensors(without(ROWS, "area"))
        if not binary:
            return {"content": json.dumps({"inputs": inputs, "parameters": parameters})}
        described, parts = binary_inputs(SCHEMA, ROWS)
        pairs = [(d, p) for d, p in zip(described, parts, strict=True) if d["name"] != "area"]
        document = {"inputs": [d for d, _ in pairs], "parameters": parameters}
        body, headers = binary_body(document, [p for _, p in pairs])
        return {"content": body, "headers": headers}

    refusal = await client.post(INFER, **request())
    assert refusal.status_code == 400
    assert refusal.json()["error"] == ("'area': Expected this input. Send it, or ask with ?missing_columns=impute.")
    by_query = await client.post(f"{INFER}?missing_columns=impute", **request())
    by_parameter = await client.post(INFER, **request(missing_columns="impute"))
    for response in (by_query, by_parameter):
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["outputs"][0]["data"] == imputed(model, "area")["value"]
        warnings = json.loads(answer["parameters"]["warnings"])
        assert [(w["row"], w["field"], w["kind"]) for w in warnings] == [(i, "area", "missing_column") for i in (0, 1)]
    # The parameter in the body overrides the query.
    both = await client.post(f"{INFER}?missing_columns=impute", **request(missing_columns="refuse"))
    assert both.status_code == 400


async def test_case_06_tensors_over_grpc(worker, model):
    await worker.start()
    server = GrpcServer(worker, host="127.0.0.1", port=(port := free_port()), open_paths=())
    await server.start()
    fields = {"FP64": "fp64_contents", "BYTES": "bytes_contents", "BOOL": "bool_contents", "INT64": "int64_contents"}
    request = pb.ModelInferRequest(model_name="houses")
    for tensor in tensors(without(ROWS, "area")):
        entry = request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        data = [v.encode() if isinstance(v, str) else v for v in tensor["data"]]
        getattr(entry.contents, fields[tensor["datatype"]]).extend(data)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = Client(channel)
        code, sentence = await call.refusal("ModelInfer", request)
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert sentence == (
            "'area': Expected this input. Send it, or set 'missing_columns' to 'impute' among the parameters."
        )
        request.parameters["missing_columns"].string_param = "impute"
        entry = await call("ModelInfer", request)
        assert list(entry.outputs[0].contents.fp64_contents) == imputed(model, "area")["value"]
        assert "missing_column" in entry.parameters["warnings"].string_param
        request.parameters["missing_columns"].int64_param = 1
        assert "Expected 'refuse' or 'impute'. Received: 1." in (await call.refusal("ModelInfer", request))[1]
    await server.stop()
    await worker.stop()


# TensorFlow Serving


async def test_case_06_inputs_of_tensorflow_serving(client, model):
    columns = {name: [row[name] for row in ROWS] for name in SCHEMA.names if name != "area"}
    refusal = await client.post(PREDICT, json={"inputs": columns})
    assert (refusal.status_code, refusal.json()["error"]) == (
        400,
        "'area': Expected this column. Send it, or ask with ?missing_columns=impute.",
    )
    renamed = await client.post(PREDICT, json={"inputs": {**columns, "Area": [1, 2]}})
    assert "The nearest is 'Area': rename it" in renamed.json()["error"]
    answer = await client.post(f"{PREDICT}?missing_columns=impute", json={"inputs": columns})
    assert answer.json()["outputs"] == imputed(model, "area")
    rows = await client.post(PREDICT, json={"instances": without(ROWS, "area")})
    assert [row["value"] for row in rows.json()["predictions"]] == imputed(model, "area")["value"]


async def test_hostile_names_cost_little(client):
    rows = [{**ROWS[0], **{f"Area{'x' * i}": 1 for i in range(300)}}]
    del rows[0]["area"]
    faults = details(await post(client, "csv", rows, "?extra=ignore"))
    assert "The nearest is 'Area'" in faults["area"]
    long = csv_table([{**without(ROWS, "area")[0], "area" + "x" * 50_000: 1}])
    response = await client.post("/predict?extra=ignore", content=long, headers={"content-type": CSV})
    assert details(response)["area"].startswith("Expected this column. Send it")
