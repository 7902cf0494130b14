"""The answers of every wire format of ``POST /predict``, in this process."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry

from service.metrics.metrics import Metrics
from service.settings.settings import Settings
from service.worker import Worker
from tests.builders import build_schema
from tests.service.conftest import calling, worker_of
from tests.service.protocols.bodies import (
    ARROW,
    BODIES,
    CSV,
    JSON,
    NDJSON,
    answers,
    arrow_stream,
    csv_table,
    json_columns,
    json_rows,
    ndjson,
)
from tests.service.protocols.formats.conftest import FORMATS, ROW, ROWS, SCHEMA, error_of, expected, post

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("gives", [None, *FORMATS])
@pytest.mark.parametrize("name", BODIES)
async def test_every_format_answers_the_predictors_bits(client, predictor, name, gives):
    takes, body_of = BODIES[name]
    headers = {"accept": gives} if gives else {}
    response = await post(client, takes, body_of(ROWS), "/predict?interval=0.8", **headers)
    assert response.status_code == 200, response.content[:300]
    assert response.headers["content-type"] == (gives or takes)
    assert answers(gives or takes, response.content) == expected(predictor, level=0.8)
    if (gives or takes) != JSON:
        assert response.headers["x-model-version"] == predictor.model_version


@pytest.mark.parametrize("name", BODIES)
async def test_bad_rows_are_reported_in_their_places(client, predictor, name):
    rows = [dict(row) for row in ROWS[:700]]
    bad = {3: {"rooms": 99}, 511: {"heating": "coal"}, 512: {"age": None}, 699: {"rooms": 2.5}}
    for i, change in bad.items():
        rows[i] |= change
    good = [row for i, row in enumerate(rows) if i not in bad]
    whole = expected(predictor, good)
    takes, body_of = BODIES[name]
    table = pa.table({n: [float(r[n]) if n == "rooms" else r[n] for r in rows] for n in SCHEMA.names})
    body = body_of(table if name in ("arrow", "parquet") else rows)
    for gives in FORMATS:
        response = await post(client, takes, body, "/predict?on_error=row", accept=gives)
        entries = answers(gives, response.content)
        for end, values in entries.items():
            assert [i for i, value in enumerate(values) if value is None] == sorted(bad)
            assert [value for value in values if value is not None] == whole[end]
    refusal = await post(client, takes, body, "/predict?on_error=request", accept=JSON)
    details = error_of(refusal, 422, "invalid_request")["details"]
    assert sorted({d["row"] for d in details}) == sorted(bad)


async def test_on_error_in_json(client):
    rows = [ROW, {**ROW, "rooms": 99}, 5, {**ROW, "agee": 1}, {**ROW, "age": "old"}]
    body = json.dumps({"rows": rows, "on_error": "row"})
    answer = (await post(client, JSON, body)).json()["predictions"]
    assert "value" in answer[0]
    assert [row["error"]["details"][0]["field"] for row in answer[1:]] == ["rooms", None, "agee", "age"]
    assert [row["error"]["details"][0]["row"] for row in answer[1:]] == [1, 2, 3, 4]
    columns = {name: [value, value] for name, value in ROW.items()} | {"age": [1, "x"]}
    answer = (await post(client, JSON, json.dumps({"columns": columns, "on_error": "row"}))).json()
    assert answer["columns"]["value"][1] is None
    assert answer["columns"]["value"][0] is not None
    assert [(e["row"], e["error"]["details"][0]["field"]) for e in answer["errors"]] == [(1, "age")]
    wrong = await post(client, JSON, json.dumps({"rows": [ROW], "on_error": "ignore"}))
    assert error_of(wrong, 422, "invalid_request")["details"][0]["message"] == "Expected 'request' or 'row'."


async def test_large_json_says_what_small_json_says(client):
    rows = [dict(row) for row in ROWS]
    rows[1200] |= {"age": True, "town": 3, "sold": "soon"}
    for body in (json_rows(rows), json_columns(rows)):
        details = error_of(await post(client, JSON, body), 422, "invalid_request")["details"]
        assert sorted((d["row"], d["field"]) for d in details) == [(1200, "age"), (1200, "sold"), (1200, "town")]
    quoted = [{**ROW, "town": 'a "quoted" \\ }, { name'}] * 600
    response = await post(client, JSON, json_rows(quoted))
    assert len(response.json()["predictions"]) == 600
    tricky = [{**ROW, "town": "},{"}] * 1000
    assert len((await post(client, JSON, json_rows(tricky))).json()["predictions"]) == 1000
    nested = b'{"rows":[' + b",".join([b'{"age":[{},{}]}'] * 9000) + b"]}"
    assert error_of(await post(client, JSON, nested), 422, "invalid_request")
    twice = json_rows(ROWS[:700])[:-1] + b',"rows":' + json.dumps(ROWS[:650]).encode() + b"}"
    assert len((await post(client, JSON, twice)).json()["predictions"]) == 650
    spaced = json.dumps({"interval": 0.5, "rows": ROWS}, indent=1).encode()
    assert len((await post(client, JSON, spaced)).json()["predictions"]) == 1500
    for text in (b"NaN", b"1e400", b'"x"'):
        damaged = json_rows(ROWS).replace(b'"rooms": ', b'"rooms": %s, "x": ' % text, 1)
        assert (await post(client, JSON, damaged)).status_code == 422
    assert error_of(await post(client, JSON, json_rows(ROWS)[:-5]), 400, "not_json")


async def test_warnings_are_in_their_rows(client):
    rows = [dict(row) for row in ROWS[:700]]
    rows[600] |= {"age": 140, "town": "Bath"}
    for name, (takes, body_of) in BODIES.items():
        response = await post(client, takes, body_of(rows), accept=JSON if name == "rows" else CSV)
        lines = response.content.decode().splitlines()
        if name != "rows":
            assert [i - 1 for i, line in enumerate(lines[:]) if "outside" in line] == [600]
            assert "'town' = 'Bath' was not seen" in lines[601]
    columns = await post(client, ARROW, arrow_stream(rows), accept=JSON)
    assert [(w["row"], w["field"]) for w in columns.json()["warnings"]] == [(600, "age"), (600, "town")]


async def test_the_policy_of_warnings_holds_for_every_format(registry, predictor):
    rows = [dict(row) for row in ROWS[:700]]
    rows[600] |= {"age": 140}
    for policy in ("ignore", "refuse"):
        worker = Worker(Settings(warnings=policy), registry, Metrics(CollectorRegistry()))
        async with calling(worker) as client:
            for takes, body_of in BODIES.values():
                response = await post(client, takes, body_of(rows), "/predict?on_error=request", accept=JSON)
                if policy == "refuse":
                    (detail,) = error_of(response, 422, "invalid_request")["details"]
                    assert (detail["row"], detail["field"]) == (600, "age")
                else:
                    assert answers(JSON, response.content) == expected(predictor, rows)
                    assert "outside" not in response.text


async def test_several_targets_have_columns_each(tmp_path):
    worker = worker_of(tmp_path, Settings(), schema=build_schema(targets=("price", "rent")), spread=False)
    async with calling(worker) as client:
        response = await post(client, CSV, csv_table(ROWS[:3]))
        head = "price_value,price_lower,price_upper,rent_value,rent_lower,rent_upper,warnings"
        assert response.text.splitlines()[0] == head
        response = await post(client, NDJSON, ndjson(ROWS[:3]))
        assert sorted(json.loads(response.text.splitlines()[0])["targets"]) == ["price", "rent"]
        table = pa.ipc.open_stream((await post(client, ARROW, arrow_stream(ROWS[:3]))).content).read_all()
        assert table.column_names == head.split(",")
        columns = (await post(client, JSON, json_columns(ROWS * 2))).json()["columns"]
        assert columns["rent"]["upper"][0] == table["rent_upper"][0].as_py()


async def test_extra_columns(client, predictor):
    rows = [{**row, "price": 5, "note": "x"} for row in ROWS[:600]]
    for takes, body_of in BODIES.values():
        refusal = await post(client, takes, body_of(rows), "/predict?on_error=request")
        assert "Unknown feature 'price'" in error_of(refusal, 422, "invalid_request")["details"][0]["message"]
        response = await post(client, takes, body_of(rows), "/predict?extra=ignore")
        assert answers(takes, response.content) == expected(predictor, rows=ROWS[:600])
    only = await post(client, CSV, b"a\n1\n", "/predict?extra=ignore")
    assert error_of(only, 422, "invalid_request")["details"][0]["field"] == "age"


async def test_metrics_count_bulk_rows(client):
    await post(client, CSV, csv_table([*ROWS[:5], {**ROW, "age": 140}]))
    await post(client, CSV, csv_table([{**ROW, "rooms": 99}]))
    text = (await client.get("/metrics")).text
    assert "trueline_rows_total 6.0" in text
    assert 'trueline_warnings_total{kind="out_of_range"} 1.0' in text
    assert 'trueline_validation_failures_total{field="rooms",reason="range"} 1.0' in text


async def test_a_network_that_fails_is_a_500_that_the_log_explains(client, worker, monkeypatch, log):
    def fail(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(worker.deployment.route().predictor, "run", fail)
    error_of(await post(client, CSV, csv_table(ROWS)), 500, "model_failed")
    assert "broken" in log.text
