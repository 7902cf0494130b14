"""CSV as people and programs write it, with common mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from artifact.rows.encoding import Encoder
from artifact.rows.schema import Feature, FeatureSchema, Target
from artifact.rows.texts.format import TextFormat
from service.predict.parts import Options
from service.protocols.csv_format import read_csv
from tests.service.protocols.bodies import CSV, csv_table
from tests.service.protocols.formats.conftest import ROW, error_of, post

pytestmark = pytest.mark.anyio
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
        (CSV_ROW.replace(b"true", b"maybe"), 422, "invalid_request"),
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


async def test_case_v17_values_that_train_and_predict_read(client):
    expected = (await post(client, CSV, CSV_ROW)).content
    for value, same in ((b"true", b"1"), (b"true", b"Yes"), (b"Leeds", b" Leeds "), (b"30.0", b"3e1")):
        assert (await post(client, CSV, CSV_ROW.replace(value, same))).content == expected
    empty = (await post(client, CSV, CSV_ROW.replace(b"41000.0", b""))).content
    for marker in (b"NA", b"NaN", b"null", b"#N/A", b"None", b"-"):
        assert (await post(client, CSV, CSV_ROW.replace(b"41000.0", marker))).content == empty
    row = CSV_ROW.replace(b"2021-05-01T00:00:00Z", b"2021/5/1")
    assert (await post(client, CSV, row)).content == expected


def test_case_v17_csv_is_read_as_the_table_that_trained():
    features = (
        Feature(name="area", kind="number", text=TextFormat(decimal=",", thousands=".", suffix="m2")),
        Feature(name="sold", kind="datetime", parts=("days",), text=TextFormat(order="dmy"), missing="impute"),
        Feature(name="net", kind="integer", text=TextFormat(brackets=True, missing_values=("gone", "-999"))),
        Feature(name="town", kind="category", text=TextFormat(missing_values=("unknown",))),
    )
    schema = FeatureSchema(features=features, targets=(Target(name="y", minimum=0, maximum=1, std=1),))
    body = (
        "area;sold;net;town\n1.234,5 m2;03/04/2024;(7);Alma \n60;2024-04-03;-999;unknown\n50,5;0000-00-00;gone;Brod\n"
    )
    (part,) = read_csv(body.encode(), schema, Options())
    assert part.columns["area"] == [1234.5, 60, 50.5]
    days = [np.datetime64("2024-04-03"), np.datetime64("2024-04-03"), None]
    assert part.columns["sold"] == days
    assert part.columns["net"] == [-7, None, None]
    assert part.columns["town"] == ["Alma", None, "Brod"]
    assert Encoder(schema.lenient()).encode_columns(part.columns).numeric[:, 0].tolist() == [1234.5, 60, 50.5]
