"""Shared by the tests of wire formats: a service with low limits, rows, and the expected answers."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from service.metrics.metrics import Metrics
from service.settings.settings import Settings
from service.worker import Worker
from tests.builders import build_schema, sample_rows
from tests.service.protocols.bodies import ARROW, CSV, JSON, NDJSON, PARQUET

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
    http_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(path, content=body, headers={"content-type": media_type, **http_headers})


def error_of(response, status, code):
    assert response.status_code == status, response.content[:300]
    body = response.json()
    assert list(body) == ["error"]
    assert body["error"]["code"] == code
    assert "Traceback" not in response.text
    return body["error"]


def expected(predictor, rows=ROWS, level=None):
    predictions = predictor.predict_rows(rows, level)
    return {end: getattr(predictions, end)[:, 0].tolist() for end in ("value", "lower", "upper")}
