"""Arrow and Parquet: column types that fit a feature, and damaged files."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tests.processes import ROOT
from tests.service.protocols.bodies import ARROW, PARQUET, answers, arrow_stream, csv_table, parquet_file
from tests.service.protocols.formats.conftest import ROW, ROWS, SCHEMA, error_of, expected, post

pytestmark = pytest.mark.anyio


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


async def test_damaged_arrow_and_parquet(client, log):
    table = pa.Table.from_pylist(ROWS)
    for takes, body in ((ARROW, arrow_stream(table)), (PARQUET, parquet_file(table))):
        error_of(await post(client, takes, b""), 400, "not_readable")
        for size in (1, 8, 100, len(body) // 2, len(body) - 9):
            response = await post(client, takes, body[:size])
            # An Arrow stream may end after any batch; the rows before its end are answered.
            assert response.status_code in (400, 422), (takes, size)
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


def test_importing_and_using_the_service_without_arrow_does_not_import_it():
    code = "import sys, service.app.app, service.protocols.predict, service.worker; assert 'pyarrow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
