"""Every wire format of ``POST /predict``, in this process."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import subprocess
import sys
import time

import httpx
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import zstandard
from prometheus_client import CollectorRegistry

from artifact.registry import Registry
from service.app import App
from service.metrics import Metrics
from service.settings import Settings
from service.worker import Worker
from tests.builders import build_schema, build_version, sample_rows
from tests.processes import ROOT
from tests.service.conftest import no_inner_app
from tests.service.protocols.bodies import (
    ARROW,
    BODIES,
    CSV,
    JSON,
    NDJSON,
    PARQUET,
    answers,
    arrow_stream,
    csv_table,
    json_columns,
    json_rows,
    ndjson,
    parquet_file,
)

pytestmark = pytest.mark.anyio
SCHEMA = build_schema()
ROWS = sample_rows(SCHEMA, 1500)
ROW = SCHEMA.example_row()
FORMATS = (JSON, CSV, NDJSON, ARROW, PARQUET)


@pytest.fixture
def worker(registry):
    settings = Settings(
        max_body_bytes=2_000_000,
        max_bulk_bytes=1_000_000,
        max_unpacked_bytes=3_000_000,
        max_line_bytes=100_000,
        max_rows=5000,
        max_bulk_rows=5000,
        body_seconds=2,
        linger_seconds=0.1,
    )
    return Worker(settings, registry, Metrics(CollectorRegistry()))


async def post(client, media_type, body, path="/predict", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(path, content=body, headers={"content-type": media_type, **named})


def error_of(response, status, code):
    assert response.status_code == status, response.content[:300]
    body = response.json()
    assert list(body) == ["error"]
    assert body["error"]["code"] == code
    assert "Traceback" not in response.text
    return body["error"]


def expected(predictor, rows=ROWS, level=None):
    found = predictor.predict_rows(rows, level)
    return {end: getattr(found, end)[:, 0].tolist() for end in ("value", "lower", "upper")}


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
        found = answers(gives, response.content)
        for end, values in found.items():
            assert [i for i, value in enumerate(values) if value is None] == sorted(bad)
            assert [value for value in values if value is not None] == whole[end]
    refused = await post(client, takes, body, "/predict?on_error=request", accept=JSON)
    details = error_of(refused, 422, "invalid_request")["details"]
    assert sorted({d["row"] for d in details}) == sorted(bad)


async def test_on_error_in_json(client):
    rows = [ROW, {**ROW, "rooms": 99}, 5, {**ROW, "agee": 1}, {**ROW, "age": "old"}]
    body = json.dumps({"rows": rows, "on_error": "row"})
    found = (await post(client, JSON, body)).json()["predictions"]
    assert "value" in found[0]
    assert [row["error"]["details"][0]["field"] for row in found[1:]] == ["rooms", None, "agee", "age"]
    assert [row["error"]["details"][0]["row"] for row in found[1:]] == [1, 2, 3, 4]
    columns = {name: [value, value] for name, value in ROW.items()} | {"age": [1, "x"]}
    found = (await post(client, JSON, json.dumps({"columns": columns, "on_error": "row"}))).json()
    assert found["columns"]["value"][1] is None
    assert found["columns"]["value"][0] is not None
    assert [(e["row"], e["error"]["details"][0]["field"]) for e in found["errors"]] == [(1, "age")]
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
        broken = json_rows(ROWS).replace(b'"rooms": ', b'"rooms": %s, "x": ' % text, 1)
        assert (await post(client, JSON, broken)).status_code == 422
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
        await worker.start()
        transport = httpx.ASGITransport(app=App(worker, no_inner_app))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for takes, body_of in BODIES.values():
                response = await post(client, takes, body_of(rows), "/predict?on_error=request", accept=JSON)
                if policy == "refuse":
                    (detail,) = error_of(response, 422, "invalid_request")["details"]
                    assert (detail["row"], detail["field"]) == (600, "age")
                else:
                    assert answers(JSON, response.content) == expected(predictor, rows)
                    assert "outside" not in response.text
        await worker.stop()


async def test_several_targets_have_columns_each(tmp_path):
    registry = Registry(tmp_path)
    build_version(registry, schema=build_schema(targets=("price", "rent")), spread=False, promote=True)
    worker = Worker(Settings(), registry, Metrics(CollectorRegistry()))
    await worker.start()
    transport = httpx.ASGITransport(app=App(worker, no_inner_app))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await post(client, CSV, csv_table(ROWS[:3]))
        head = "price_value,price_lower,price_upper,rent_value,rent_lower,rent_upper,warnings"
        assert response.text.splitlines()[0] == head
        response = await post(client, NDJSON, ndjson(ROWS[:3]))
        assert sorted(json.loads(response.text.splitlines()[0])["targets"]) == ["price", "rent"]
        table = pa.ipc.open_stream((await post(client, ARROW, arrow_stream(ROWS[:3]))).content).read_all()
        assert table.column_names == head.split(",")
        found = (await post(client, JSON, json_columns(ROWS * 2))).json()["columns"]
        assert found["rent"]["upper"][0] == table["rent_upper"][0].as_py()
    await worker.stop()


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_compressed_in_and_out(client, predictor, name, encoding):
    takes, body_of = BODIES[name]
    body = body_of(ROWS)
    packed = gzip.compress(body) if encoding == "gzip" else zstandard.compress(body)
    response = await post(client, takes, packed, content_encoding=encoding, accept_encoding=f"{encoding};q=0.5, br")
    assert answers(takes, response.content) == expected(predictor)
    if takes in (JSON, CSV):
        assert response.headers["content-encoding"] == encoding
    plain = await post(client, takes, packed, content_encoding=encoding, accept_encoding="identity")
    assert "content-encoding" not in plain.headers
    small = await post(client, takes, body_of(ROWS[:2]), accept_encoding=encoding)
    assert "content-encoding" not in small.headers
    for damaged in (packed[: len(packed) // 2], b"x" + packed[1:], b"", body):
        response = await post(client, takes, damaged, content_encoding=encoding)
        lines = response.content.splitlines()
        if takes == NDJSON and response.status_code == 200:
            assert json.loads(lines[-1])["error"]["code"] == "not_readable"
        else:
            error_of(response, 400, "not_readable")


@pytest.mark.parametrize("takes", FORMATS)
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_a_bomb_ends_early(client, takes, encoding):
    zeros = bytes(400 * 2**20) if takes == JSON else bytes(20 * 2**20)
    bomb = gzip.compress(zeros, 9) if encoding == "gzip" else zstandard.compress(zeros, 19 if takes != JSON else 3)
    assert len(bomb) < 500_000
    started = time.perf_counter()
    error_of(await post(client, takes, bomb, content_encoding=encoding), 413, "too_large")
    assert time.perf_counter() - started < 2


async def test_media_types(client):
    body = csv_table(ROWS[:2])
    error = error_of(await post(client, "application/xml", body), 415, "unsupported_media_type")
    assert all(f"'{media_type}'" in error["message"] for media_type in FORMATS)
    error = error_of(await post(client, CSV, body, accept="image/png"), 406, "not_acceptable")
    assert all(f"'{media_type}'" in error["message"] for media_type in FORMATS)
    error_of(await post(client, CSV, body, content_encoding="br"), 415, "unsupported_media_type")
    error_of(await post(client, CSV, body, accept="text/csv;q=0"), 406, "not_acceptable")
    for accept, gives in (
        ("image/png, */*;q=0.1", CSV),
        ("text/*", CSV),
        ("application/*", JSON),
        ("application/json;q=0.4, application/x-ndjson;q=0.5", NDJSON),
        ("application/jsonl", NDJSON),
        ("text/csv;q=x, application/json", JSON),
    ):
        assert (await post(client, "Text/CSV; charset=utf-8", body, accept=accept)).headers["content-type"] == gives


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("interval=2", "interval"),
        ("interval=x", "interval"),
        ("interval=0.9999", "interval"),
        ("on_error=x", "on_error"),
        ("extra=x", "extra"),
        ("intervall=0.9", "intervall"),
        ("&".join(["interval=0.9"] * 50), None),
    ],
)
@pytest.mark.parametrize("takes", [JSON, CSV, NDJSON])
async def test_parameters(client, takes, query, field):
    body = {JSON: json_rows, CSV: csv_table, NDJSON: ndjson}[takes](ROWS[:2])
    error = error_of(await post(client, takes, body, f"/predict?{query}"), 422, "invalid_request")
    assert error["details"][0]["field"] == field


CSV_ROW = csv_table([ROW])
HEADER = CSV_ROW.splitlines()[0]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "not_readable"),
        (b"\n", 400, "not_readable"),
        (HEADER, 422, "invalid_request"),
        (HEADER + b"\n\n\n", 422, "invalid_request"),
        (b"a,b\n1,2\n", 422, "invalid_request"),
        (HEADER + b",age\n", 422, "invalid_request"),
        (HEADER.replace(b"age,", b"") + b"\n", 422, "invalid_request"),
        (CSV_ROW + b"1,2\n", 422, "invalid_request"),
        (CSV_ROW + b"1,2,3,4,5,6,7,8,9\n", 422, "invalid_request"),
        (CSV_ROW + b'"open', 400, "not_readable"),
        (CSV_ROW + b"\xff\xfe,\n", 400, "not_readable"),
        (CSV_ROW.decode().encode("utf-16"), 400, "not_readable"),
        (CSV_ROW + b"x" * 200_000, 400, "not_readable"),
        (CSV_ROW.replace(b"30.0", b"NaN"), 422, "invalid_request"),
        (CSV_ROW.replace(b"30.0", b"1_0"), 422, "invalid_request"),
        (CSV_ROW.replace(b"30.0", b"1e999"), 422, "invalid_request"),
        (CSV_ROW.replace(b"30.0", b"1-2"), 422, "invalid_request"),
        (CSV_ROW.replace(b"30.0", b""), 422, "invalid_request"),
        (CSV_ROW.replace(b"true", b"yes"), 422, "invalid_request"),
        (
            CSV_ROW + CSV_ROW.splitlines()[1] * 1 + b"\n" + b"\n".join([CSV_ROW.splitlines()[1]] * 6000),
            413,
            "too_large",
        ),
        (b"x" * 1_000_001, 413, "too_large"),
    ],
    ids=range(21),
)
async def test_bad_csv(client, log, body, status, code):
    error_of(await post(client, CSV, body), status, code)
    assert log.text == ""


async def test_csv_that_people_write(client):
    text = "\ufeff" + CSV_ROW.decode().replace("30.0", " 30 ").replace("true", "True")
    assert (await post(client, CSV, text.encode())).status_code == 200
    unquoted = CSV_ROW.replace(b"age", b" age ").replace(b"\r\n", b"\n")
    assert (await post(client, CSV, unquoted)).status_code == 200
    ragged = CSV_ROW + b"1,2\r\n" + CSV_ROW.splitlines()[1]
    response = await post(client, CSV, ragged, "/predict?on_error=row")
    lines = response.text.splitlines()
    assert lines[0] == "value,lower,upper,warnings,error"
    assert lines[2] == ',,,,"Expected 7 values, as the header line has."'


async def test_extra_columns(client, predictor):
    rows = [{**row, "price": 5, "note": "x"} for row in ROWS[:600]]
    for takes, body_of in BODIES.values():
        refused = await post(client, takes, body_of(rows), "/predict?on_error=request")
        assert "Unknown feature 'price'" in error_of(refused, 422, "invalid_request")["details"][0]["message"]
        response = await post(client, takes, body_of(rows), "/predict?extra=ignore")
        assert answers(takes, response.content) == expected(predictor, rows=ROWS[:600])
    only = await post(client, CSV, b"a\n1\n", "/predict?extra=ignore")
    assert error_of(only, 422, "invalid_request")["details"][0]["field"] == "age"


async def test_arrow_types(client, predictor):
    table = pl.DataFrame(ROWS, infer_schema_length=None).with_columns(
        pl.col("age").cast(pl.Float32).cast(pl.Float64),
        pl.col("rooms").cast(pl.UInt8),
        pl.col("town").cast(pl.Categorical),
        pl.col("sold").str.to_datetime(time_zone="UTC", time_unit="us"),
    )
    rows = [{**row, "age": float(np.float32(row["age"]))} for row in ROWS]
    want = expected(predictor, rows)
    for body in (arrow_stream(table.to_arrow()), arrow_stream(table.to_arrow(compat_level=pl.CompatLevel.oldest()))):
        response = await post(client, ARROW, body)
        assert answers(ARROW, response.content) == want
    chunked = arrow_stream(table.to_arrow(), compression="zstd")
    assert answers(ARROW, (await post(client, ARROW, chunked)).content) == want
    sink = io.BytesIO()
    table.write_parquet(sink)
    assert answers(PARQUET, (await post(client, PARQUET, sink.getvalue())).content) == want
    pandas_like = pa.table(
        {
            **{n: [r[n] for r in ROWS] for n in SCHEMA.names},
            "heating": pa.array([r["heating"] for r in ROWS]).dictionary_encode(),
        }
    )
    assert (await post(client, PARQUET, parquet_file(pandas_like))).status_code == 200


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("age", pa.array(["30", "31"])),
        ("age", pa.array([True, False])),
        ("age", pa.array([None, 1.0])),
        ("age", pa.array([None, None])),
        ("age", pa.array([np.inf, 1.0])),
        ("age", pa.array([[1.0], [2.0]])),
        ("age", pa.array([b"1", b"2"])),
        ("rooms", pa.array([2.5, 3.0])),
        ("garden", pa.array([0, 1])),
        ("town", pa.array([1, 2])),
        ("town", pa.array([1, 2]).dictionary_encode()),
        ("sold", pa.array([1.5e9, 1.6e9])),
        ("sold", pa.array(["soon", "later"])),
        ("heating", pa.array([None, "gas"])),
        ("heating", pa.array(["coal", "gas"]).dictionary_encode()),
    ],
    ids=range(15),
)
async def test_arrow_and_parquet_columns_of_a_wrong_type_name_their_rows(client, log, name, values):
    table = pa.table({**{n: [value, value] for n, value in ROW.items()}, name: values})
    bodies = [(ARROW, arrow_stream(table)), (PARQUET, parquet_file(table))]
    for takes, body in bodies:
        details = error_of(await post(client, takes, body), 422, "invalid_request")["details"]
        assert {d["field"] for d in details} == {name}
        assert details[0]["row"] == 0
    assert log.text == ""


async def test_damaged_arrow_and_parquet(client, log):
    table = pa.Table.from_pylist(ROWS)
    for takes, body in ((ARROW, arrow_stream(table)), (PARQUET, parquet_file(table))):
        error_of(await post(client, takes, b""), 400, "not_readable")
        for cut in (1, 8, 100, len(body) // 2, len(body) - 9):
            response = await post(client, takes, body[:cut])
            # An Arrow stream may end after any batch; then its rows are answered.
            assert response.status_code in (400, 422), (takes, cut)
        error_of(await post(client, takes, csv_table(ROWS)), 400, "not_readable")
        empty = arrow_stream(table.slice(0, 0)) if takes == ARROW else parquet_file(table.slice(0, 0))
        error_of(await post(client, takes, empty), 422, "invalid_request")
    doubled = pa.Table.from_arrays([pa.array([1.0])] * 2, ["age", "age"])
    for takes, body in ((ARROW, arrow_stream(doubled)), (PARQUET, parquet_file(doubled))):
        details = error_of(await post(client, takes, body), 422, "invalid_request")["details"]
        assert details[0]["message"] == "Expected each column once."
    assert log.text == ""


async def test_arrow_and_parquet_that_unpack_to_too_much(client):
    n = 4000
    wide = pa.table({name: [value] * n for name, value in ROW.items()} | {"note": ["x" * 5000] * n})
    body = arrow_stream(wide, compression="zstd")
    assert len(body) < 200_000
    error_of(await post(client, ARROW, body, "/predict?extra=ignore"), 413, "too_large")
    body = parquet_file(pa.table({"note": [f"{i}" + "x" * 2000 for i in range(n)]}), use_dictionary=False)
    error_of(await post(client, PARQUET, body), 413, "too_large")
    many = pa.table({name: [value] * 5001 for name, value in ROW.items()})
    error_of(await post(client, PARQUET, parquet_file(many)), 413, "too_large")
    error_of(await post(client, ARROW, arrow_stream(many)), 413, "too_large")


async def test_large_requests_are_bounded_in_number(client, worker):
    worker.bulk._max_requests = 1
    bodies = [post(client, CSV, csv_table(ROWS)) for _ in range(4)]
    found = sorted(r.status_code for r in await asyncio.gather(*bodies))
    assert found[0] == 200
    assert found[-1] == 429


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

    monkeypatch.setattr(worker.live.model().predictor, "run", fail)
    error_of(await post(client, CSV, csv_table(ROWS)), 500, "model_failed")
    assert "broken" in log.text


def test_importing_and_using_the_service_without_arrow_does_not_import_it():
    code = "import sys, service.app, service.protocols.predict, service.worker; assert 'pyarrow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", ["age", "garden", "town"])
async def test_what_arrow_holds_and_python_does_not_is_refused_with_its_row(client, name):
    table = pa.Table.from_pylist(ROWS[:2])
    far = pa.array([None, 2**62], pa.timestamp("us", "UTC"))
    table = table.set_column(table.column_names.index(name), name, far)
    for media_type, body in ((ARROW, arrow_stream(table)), (PARQUET, parquet_file(table))):
        response = await post(client, media_type, body)
        assert response.status_code == 422, response.text
        assert {"row": 1, "field": name} in [
            {"row": d["row"], "field": d["field"]} for d in response.json()["error"]["details"]
        ]
