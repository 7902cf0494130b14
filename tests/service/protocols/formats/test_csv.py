"""CSV as people and programs write it, and as they should not."""

from __future__ import annotations

import pytest

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
