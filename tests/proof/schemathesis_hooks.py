"""Hooks for schemathesis: bodies of the service's formats, how to read them, and rules that JSON Schema cannot express.

Schemathesis imports this module in its own process, by SCHEMATHESIS_HOOKS.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import schemathesis
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.builders import build_schema, sample_rows
from tests.service.protocols.bodies import ARROW, BODIES, CSV, NDJSON, PARQUET

ROWS = [sample_rows(build_schema(), n, seed=n) for n in (1, 2, 7)]
ENDS = {"value", "lower", "upper"}

for media_type, body_of in BODIES.values():
    if media_type in (CSV, NDJSON, ARROW, PARQUET):
        schemathesis.openapi.media_type(media_type, st.sampled_from([body_of(rows) for rows in ROWS]))
DATES = st.dates().map(str) | st.datetimes(timezones=st.sampled_from([None, UTC])).map(datetime.isoformat)
schemathesis.openapi.format("iso-8601", DATES)
schemathesis.openapi.media_type("application/octet-stream", st.binary(max_size=200))


@schemathesis.deserializer(CSV)
def read_csv(_context: Any, response: Any) -> str:
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert rows and set(rows[0]) >= ENDS
    return response.content.decode()


@schemathesis.deserializer(NDJSON)
def read_ndjson(_context: Any, response: Any) -> str:
    rows = [json.loads(line) for line in response.content.splitlines()]
    assert rows and all(set(row) >= ENDS or set(row) == {"error"} for row in rows)
    return response.content.decode()


@schemathesis.deserializer(ARROW, PARQUET)
def read_table(_context: Any, response: Any) -> list[dict[str, Any]]:
    if response.headers["content-type"][0] == ARROW:
        table = pa.ipc.open_stream(response.content).read_all()
    else:
        table = pq.read_table(io.BytesIO(response.content))
    assert set(table.column_names) >= ENDS
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _says_more_than_a_schema_can(case: Any) -> bool:
    """Whether a body that fits its JSON Schema may still be refused.

    JSON Schema cannot express three rules: all columns have one length; the number and the type of a tensor's data fit
    its shape and its datatype; and the bytes of a tensor are well-formed.
    """
    if case.operation.path.endswith("/infer"):
        return True
    body = case.body if isinstance(case.body, dict) else {}
    return body.get("columns") is not None or isinstance(body.get("inputs"), dict)


def _asks_for_an_answer(case: Any) -> bool:
    """Whether the request asks that a fault is answered: a bad row with an error in its place, or an absent column."""
    body = case.body if isinstance(case.body, dict) else {}
    query = case.query if isinstance(case.query, dict) else {}
    return "row" in (body.get("on_error"), query.get("on_error")) or query.get("missing_columns") == "impute"


@schemathesis.check
def what_does_not_fit_is_refused(context: Any, response: Any, case: Any) -> bool | None:
    """Replaces the check ``negative_data_rejection``."""
    return None if _asks_for_an_answer(case) else negative_data_rejection(context, response, case)


@schemathesis.check
def what_fits_is_answered(context: Any, response: Any, case: Any) -> bool | None:
    """Replaces the check ``positive_data_acceptance``."""
    return None if _says_more_than_a_schema_can(case) else positive_data_acceptance(context, response, case)
