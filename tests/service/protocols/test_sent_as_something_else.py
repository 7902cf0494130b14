"""Intact bodies sent as another format, dates that no format can write, and parameters in the wrong place."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pytest

from service.settings.settings import Settings
from tests.service.conftest import calling, worker_of
from tests.service.protocols.bodies import ARROW, CSV, JSON, NDJSON, PARQUET, arrow_stream, csv_table, parquet_file
from tests.service.protocols.conftest import json_inputs
from tests.service.protocols.test_absent_columns import INFER, PREDICT, ROWS, SCHEMA

pytestmark = pytest.mark.anyio
TEXT = json.dumps({"rows": ROWS})
LINES = "".join(f"{json.dumps(row)}\n" for row in ROWS)


@pytest.fixture
async def client(tmp_path):
    async with calling(worker_of(tmp_path, Settings(), schema=SCHEMA)) as client:
        yield client


async def received(client, media_type, body):
    response = await client.post("/predict", content=body, headers={"content-type": media_type})
    assert response.status_code == 400, response.text
    return response.json()["error"]["message"].partition("Received: ")[2]


async def test_what_the_first_bytes_tell_is_said(client):
    utf16, mark = "UTF-16, it seems. Send UTF-8.", "a byte order mark. Send UTF-8 without one."
    assert await received(client, JSON, TEXT.encode("utf-8-sig")) == mark
    for media_type, text in ((JSON, TEXT), (CSV, csv_table(ROWS).decode())):
        assert await received(client, media_type, text.encode("utf-16")) == utf16
        packed = await received(client, media_type, gzip.compress(text.encode()))
        assert packed == "gzip. Say so by Content-Encoding: gzip."
    parquet, arrow = parquet_file(ROWS), arrow_stream(ROWS)
    for media_type in (JSON, ARROW):
        message = "a Parquet file. Say so by Content-Type: application/vnd.apache.parquet."
        assert await received(client, media_type, parquet) == message
    for media_type in (CSV, PARQUET):
        message = "an Arrow stream. Say so by Content-Type: application/vnd.apache.arrow.stream."
        assert await received(client, media_type, arrow) == message
    assert await received(client, PARQUET, b"PK\x03\x04") == "a ZIP file, as .xlsx is. Send its table as CSV."
    for media_type in (JSON, ARROW, PARQUET):
        assert await received(client, media_type, b"") == "nothing."
    # A damaged body of the right format gets the usual message.
    assert "footer" in await received(client, PARQUET, parquet[:-9])
    assert "only read" in await received(client, ARROW, arrow[: len(arrow) // 4])
    latin = csv_table(ROWS).replace(b"Cern", "Zürich".encode("latin-1"))
    assert (await received(client, CSV, latin)).endswith("Save the table as UTF-8.")


async def test_ndjson_may_begin_with_a_byte_order_mark(client):
    plain = await client.post("/predict", content=LINES, headers={"content-type": NDJSON})
    marked = LINES.encode("utf-8-sig")

    async def pieces():
        for at in range(0, len(marked), 2):
            yield marked[at : at + 2]

    for content in (marked, pieces()):
        response = await client.post("/predict", content=content, headers={"content-type": NDJSON})
        assert response.text == plain.text
        assert "error" not in plain.text


@pytest.mark.parametrize(
    ("far", "unit"), [(2**60, "s"), (5 * 10**13, "s"), (-(2**55), "s"), (2**62, "ms"), (2**62, "us"), (-(2**61), "us")]
)
async def test_a_moment_outside_the_years_that_can_be_written_is_refused_and_never_another_one(client, far, unit):
    column = pa.array([0, far], pa.int64()).cast(pa.timestamp(unit))
    table = pa.Table.from_pylist(ROWS)
    table = table.set_column(table.column_names.index("built"), "built", column)
    body = arrow_stream(table)
    response = await client.post("/predict", content=body, headers={"content-type": ARROW})
    assert response.status_code == 422, response.text
    (detail,) = response.json()["error"]["details"]
    assert (detail["row"], detail["field"]) == (1, "built")
    assert detail["received"] == str(np.datetime64(far, unit))
    by_row = await client.post("/predict?on_error=row", content=body, headers={"content-type": ARROW, "accept": JSON})
    usual = [ROWS[0] | {"built": "1970-01-01"}]
    expected = (await client.post("/predict", json={"rows": usual})).json()["predictions"][0]["value"]
    assert by_row.json()["columns"]["value"] == [expected, None]


async def test_what_predict_takes_in_its_query_is_not_passed_over_elsewhere(client):
    infer = {"inputs": json_inputs(SCHEMA, ROWS)}
    for path, body in ((INFER, infer), (PREDICT, {"instances": ROWS})):
        for query in ("interval=0.5", "extra=ignore", "on_error=row"):
            response = await client.post(f"{path}?{query}", json=body)
            assert response.status_code == 400
            assert "Expected no such parameter in the query of this path." in response.json()["error"]
        usual = await client.post(path, json=body)
        other = await client.post(f"{path}?api-version=2&missing_columns=impute", json=body)
        assert other.status_code == 200
        assert other.content == usual.content


@pytest.mark.parametrize("name", ["interval", "missing_columns"])
async def test_a_parameter_beside_the_inputs_is_not_passed_over(client, name):
    response = await client.post(INFER, json={"inputs": json_inputs(SCHEMA, ROWS), name: 0.5})
    assert response.status_code == 400
    assert response.json()["error"].startswith(f"'{name}': Expected it among the parameters: ")


async def test_plain_words_for_datatypes(client):
    inputs = json_inputs(SCHEMA, ROWS)
    rooms = next(i for i in inputs if i["name"] == "rooms")
    rooms.update(datatype="BYTES", data=["6", "2"])
    assert " for an integer. Received: BYTES." in (await client.post(INFER, json={"inputs": inputs})).json()["error"]
    rooms.update(datatype="UINT8", data=[-1, 2])
    assert (
        "Expected UINT8, 0 to 255. Received: -1." in (await client.post(INFER, json={"inputs": inputs})).json()["error"]
    )
