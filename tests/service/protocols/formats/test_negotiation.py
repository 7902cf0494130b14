"""Media types, compression and parameters of requests, whatever their format."""

from __future__ import annotations

import asyncio
import gzip
import json
import time

import pytest
import zstandard
from prometheus_client import CollectorRegistry

from service.metrics.metrics import Metrics
from service.settings.settings import Settings
from service.worker import Worker
from tests.service.conftest import calling
from tests.service.protocols.bodies import BODIES, CSV, JSON, NDJSON, answers, csv_table, json_rows, ndjson
from tests.service.protocols.formats.conftest import FORMATS, ROWS, error_of, expected, post

pytestmark = pytest.mark.anyio


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
    # An empty Accept asks for no format.
    for nothing in ("", " "):
        assert (await post(client, CSV, body, accept=nothing)).headers["content-type"] == CSV
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


async def test_large_requests_are_bounded_in_number(registry):
    worker = Worker(Settings(max_bulk_requests=1), registry, Metrics(CollectorRegistry()))
    async with calling(worker) as client:
        bodies = [post(client, CSV, csv_table(ROWS)) for _ in range(4)]
        statuses = sorted(r.status_code for r in await asyncio.gather(*bodies))
    assert statuses[0] == 200
    assert statuses[-1] == 429
