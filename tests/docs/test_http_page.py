"""The examples in docs/http.md are the service's answers, word for word except figures."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from artifact.registry.local import LocalRegistry
from service.app.app import App
from service.app.front import build
from service.metrics.metrics import Metrics
from service.settings.settings import Settings
from service.worker import Worker
from tests.docs.test_protocols_page import _shape
from tests.docs.versions import schema_of
from tests.processes import ROOT
from tests.service.conftest import no_inner_app, worker_of

pytestmark = pytest.mark.anyio
PAGE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
ROW: dict[str, Any] = next(example["rows"][0] for example in EXAMPLES if "rows" in example)
MISSPELT = {("room" if name == "rooms" else name): value for name, value in ROW.items()}
JSON = {"content-type": "application/json"}

# The requests from which errors come, as the page says.
ERRORS: list[tuple[str, dict[str, Any]]] = [
    ("not_json", {"content": b'{"rows": [', "headers": JSON}),
    ("not_found", {"method": "GET", "url": "/predicts"}),
    ("method_not_allowed", {"method": "GET"}),
    ("too_large", {"content": b"x" * 9_000_000, "headers": JSON}),
    ("too_large", {"json": {"rows": [ROW] * 32_769}}),
    ("not_readable", {"content": b"PAR1" + b"\0" * 50, "headers": {"content-type": "application/vnd.apache.parquet"}}),
    ("not_acceptable", {"json": {"rows": [ROW]}, "headers": {"accept": "image/png"}}),
    ("unsupported_media_type", {"content": b"x", "headers": {"content-type": "text/plain"}}),
    ("unsupported_media_type", {"content": b"x", "headers": {**JSON, "content-encoding": "br"}}),
    ("invalid_request", {"json": {"rows": [{**MISSPELT, "area": "large"}]}}),
    ("invalid_request", {"json": {"rows": [ROW], "interval": 0.9999}}),
    ("unauthorized", {"json": {"rows": [ROW]}, "headers": {"x-api-key": "wrong"}}),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def examples_of(code: str) -> list[dict[str, Any]]:
    """The errors of a code that the page shows."""
    errors: list[dict[str, Any]] = [d["error"] for d in EXAMPLES if "error" in d and d["error"]["code"] == code]
    return errors


def without_figures(document: Any) -> Any:
    return json.loads(re.sub(r"\d+(\.\d+)?", "0", json.dumps(document)))


def client_of(worker: Worker) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=build(App(worker, no_inner_app), worker))
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers={"x-api-key": "good"})


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    worker = worker_of(tmp_path, Settings(api_key="good"), schema=schema_of("houses"), name="houses")
    await worker.start()
    async with client_of(worker) as client:
        yield client
    await worker.stop()


@pytest.mark.parametrize("case", range(len(ERRORS)), ids=[code for code, _ in ERRORS])
async def test_each_error_is_shown_as_it_is_said(client: httpx.AsyncClient, case: int) -> None:
    code, request = ERRORS[case]
    response = await client.request(**{"method": "POST", "url": "/predict", **request})
    assert response.json()["error"]["code"] == code, response.text
    place = [c for c, _ in ERRORS[:case]].count(code)
    assert without_figures(response.json()["error"]) == without_figures(examples_of(code)[place])


async def test_an_empty_store_says_what_the_page_shows(tmp_path: Path) -> None:
    worker = Worker(Settings(), LocalRegistry(tmp_path), Metrics(CollectorRegistry()))
    await worker.start()
    async with client_of(worker) as client:
        response = await client.post("/predict", json={"rows": [ROW]})
        assert response.json()["error"] == examples_of("not_ready")[0]
    await worker.stop()


async def test_answers_have_the_shape_that_is_shown(client: httpx.AsyncClient) -> None:
    rows = (await client.post("/predict", json={"rows": [ROW]})).json()
    assert _shape(rows) == _shape(next(d for d in EXAMPLES if "predictions" in d))
    by_row = (await client.post("/predict", json={"rows": [ROW, {**ROW, "area": "large"}], "on_error": "row"})).json()
    (expected,) = [d for d in EXAMPLES if "error" in d.get("predictions", [{}])[-1]]
    assert _shape(by_row) == _shape(expected)
    columns = (
        await client.post("/predict", json={"columns": {n: [v, v] for n, v in {**ROW, "area": 400}.items()}})
    ).json()
    assert columns.keys() == next(d for d in EXAMPLES if "columns" in d).keys()
