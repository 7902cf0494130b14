"""The optional layers before the app: ids, keys, CORS, the access log, spans, the limit of requests."""

import asyncio
import json
import logging
import warnings

import httpx
import pytest
from prometheus_client import CollectorRegistry

from service.app import front
from service.app.app import App
from service.metrics.metrics import Metrics
from service.process import logs
from service.protocols import predict
from service.settings.settings import Settings
from service.wire.context import CURRENT, RequestContext, client_left
from service.wire.keys import ApiKeys
from service.worker import Worker
from tests.builders import build_schema
from tests.service.conftest import no_inner_app

pytestmark = pytest.mark.anyio
ROW = build_schema().example_row()
BODY = {"rows": [ROW]}
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Service:
    """A started worker with the layers before its app."""

    def __init__(self, registry, provider=None, **settings):
        self.worker = Worker(Settings(**settings), registry, Metrics(CollectorRegistry()))
        self.app = front.build(App(self.worker, no_inner_app), self.worker, provider)

    async def __aenter__(self):
        await self.worker.start()
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://test")
        return self.client

    async def __aexit__(self, *_):
        await self.client.aclose()
        await self.worker.stop()


async def test_request_ids_are_passed_through_or_made(registry):
    async with Service(registry) as client:
        response = await client.post("/predict", json=BODY, headers={"X-Request-ID": "order-17"})
        assert response.headers.get_list("x-request-id") == ["order-17"]
        ids = [(await client.get(path)).headers["x-request-id"] for path in ("/livez", "/schema", "/nowhere")]
        assert len(set(ids)) == 3
        for bad in ("x" * 129, "a b", "\x7f"):
            assert (await client.get("/livez", headers={"X-Request-ID": bad})).headers["x-request-id"] != bad
    async with Service(registry, request_ids=False) as client:
        answer = await client.get("/livez", headers={"X-Request-ID": "order-17"})
        assert "x-request-id" not in answer.headers


async def test_a_key_opens_by_either_header_and_open_paths_need_none(registry, tmp_path):
    file = tmp_path / "keys"
    file.write_text("delta\n")
    async with Service(registry, api_key="alpha,bravo", api_key_file=file) as client:
        for key in ("alpha", "bravo", "delta"):
            for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer {key}"}):
                assert (await client.post("/predict", json=BODY, headers=headers)).status_code == 200
        for headers in ({}, {"X-API-Key": "alph"}, {"X-API-Key": ""}, {"Authorization": "Basic alpha"}):
            answer = await client.post("/predict", json=BODY, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await client.get("/schema")).status_code == 401
        for path in ("/livez", "/readyz", "/healthz", "/metrics"):
            assert (await client.get(path)).status_code == 200
        assert 'trueline_requests_total{route="other",status="401"} 5.0' in (await client.get("/metrics")).text
    async with Service(registry, api_key="alpha", open_paths="/livez") as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/livez")).status_code == 200


async def test_case_v12_the_docs_page_is_open_and_what_it_shows_needs_the_key_that_it_asks_for(registry):
    async with Service(registry, api_key="alpha") as client:
        for path in ("/", "/docs"):
            page = await client.get(path)
            assert page.status_code == 200
            assert '<form id="key" hidden>' in page.text
            assert 'fetch("./docs.json", { headers: key ? { "X-API-Key": key } : {} })' in page.text
        for path in ("/docs.json", "/schema", "/model", "/schema.json", "/docs/", "/static_content", "/docs/../schema"):
            assert (await client.get(path)).status_code == 401, path
        assert (await client.post("/docs")).status_code == 405
        assert (await client.get("/docs.json", headers={"X-API-Key": "alpha"})).status_code == 200
        # BentoML's app serves the files of the page; here another app takes its place.
        assert (await client.get("/static_content/swagger-ui.css")).status_code != 401
    async with Service(registry, api_key="alpha", open_paths="/livez") as client:
        for path in ("/", "/docs", "/static_content/swagger-ui.css"):
            assert (await client.get(path)).status_code == 401, path


def test_every_key_is_compared_whatever_the_first_one_says(monkeypatch):
    import hmac

    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: bool(compared.append(b)) or a == b)
    assert ApiKeys([b"one", b"two", b"three"]).allow([(b"x-api-key", b"one")])
    assert len(compared) == 3
    assert {len(digest) for digest in compared} == {32}


async def test_browsers_may_call_from_the_origins_that_are_named(registry):
    async with Service(registry, cors_origins="https://a.example, https://b.example", api_key="alpha") as client:
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key"}
        good = await client.options("/predict", headers={"Origin": "https://b.example", **asks})
        assert good.status_code == 200  # the browser sends no key with this request
        assert good.headers["access-control-allow-origin"] == "https://b.example"
        bad = await client.options("/predict", headers={"Origin": "https://c.example", **asks})
        assert "access-control-allow-origin" not in bad.headers
        headers = {"Origin": "https://a.example", "X-API-Key": "alpha"}
        answer = await client.post("/predict", json=BODY, headers=headers)
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert "x-request-id" in answer.headers
    async with Service(registry) as client:
        answer = await client.post("/predict", json=BODY, headers={"Origin": "https://a.example"})
        assert "access-control-allow-origin" not in answer.headers


async def test_the_access_log_is_off_unless_asked_for(registry, log):
    async with Service(registry) as client:
        await client.post("/predict", json=BODY)
        assert "POST" not in log.text
    async with Service(registry, access_log=True, api_key="alpha") as client:
        await client.post("/predict", json=BODY, headers={"X-API-Key": "alpha"})
        await client.post("/predict?x=%0a", json=BODY, headers={"X-API-Key": "wrong-secret"})
        await client.get("/a%0d%0ab", headers={"X-API-Key": "alpha"})
    lines = [line for line in log.text.splitlines() if " ms " in line]
    assert [line.split()[:3] for line in lines[:2]] == [
        ["POST", "'/predict'", "200"],
        ["POST", "'/predict'", "401"],
    ]
    assert lines[2].startswith(r"GET '/a\r\nb' 404")
    assert "alpha" not in log.text
    assert "wrong-secret" not in log.text


async def test_log_records_of_a_request_carry_its_ids(registry, monkeypatch):
    records = []

    class Stream:
        write = staticmethod(records.append)
        flush = staticmethod(lambda: None)

    logger = logging.getLogger("bentoml.trueline")
    handler = logging.StreamHandler(Stream())
    outer = logging.getLogger("bentoml")
    monkeypatch.setattr(outer, "handlers", [handler])
    monkeypatch.setattr(outer, "level", logging.INFO)
    logs.configure("json")
    logs.configure("json")
    assert len(handler.filters) == 1
    assert not logging.getLogger(
        "uvicorn.access"
    ).hasHandlers()  # otherwise uvicorn would compose a line that nobody reads
    context = RequestContext(b"order-17", f"00-{TRACE}-{SPAN}-01".encode())
    token = CURRENT.set(context)
    try:
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("A request failed", extra={"fields": {"status": 500}})
    finally:
        CURRENT.reset(token)
    logger.error("Nobody's")
    first, second = (json.loads(line) for line in "".join(records).splitlines())
    assert first["request_id"] == "order-17"
    assert (first["trace_id"], first["span_id"]) == (TRACE, SPAN)
    assert (first["level"], first["message"], first["status"]) == ("error", "A request failed", 500)
    assert "ValueError: broken" in first["exception"]
    assert "request_id" not in second


@pytest.mark.parametrize(
    ("header", "good"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-00-what-comes-later", True),
        (f"00-{TRACE}-{SPAN}-01-more", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
        ("", False),
    ],
)
def test_w3c_trace_context(header, good):
    trace = RequestContext(b"1", header.encode()).trace()
    assert trace == ((TRACE, SPAN) if good else None)


async def test_spans_are_children_of_the_callers(registry):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with Service(registry, provider, tracing=True) as client:
        headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "X-Request-ID": "order-17"}
        await client.post("/predict", json=BODY, headers=headers)
        await client.post("/predict", content=b"{")
    first, second = exporter.get_finished_spans()
    assert f"{first.context.trace_id:032x}" == TRACE
    assert f"{first.parent.span_id:016x}" == SPAN
    assert first.attributes["http.response.status_code"] == 200
    assert first.attributes["http.request.header.x-request-id"] == "order-17"
    assert second.attributes["http.response.status_code"] == 400
    assert second.parent is None


async def test_more_open_requests_than_the_limit_are_shed_and_health_answers(registry):
    service = Service(registry, max_requests=1)
    async with service as client:
        release = asyncio.Event()

        async def slow():
            yield b'{"rows": ['
            await release.wait()
            yield json.dumps(ROW).encode() + b"]}"

        headers = {"Content-Type": "application/json"}
        first = asyncio.create_task(client.post("/predict", content=slow(), headers=headers))
        await asyncio.sleep(0.05)
        shed = await client.post("/predict", json=BODY)
        assert (shed.status_code, shed.headers["retry-after"]) == (429, "1")
        assert (await client.get("/readyz")).status_code == 200
        release.set()
        assert (await first).status_code == 200
        assert (await client.post("/predict", json=BODY)).status_code == 200
        assert "trueline_shed_total 1.0" in (await client.get("/metrics")).text


@pytest.mark.parametrize(("policy", "status"), [("warn", 200), ("ignore", 200), ("refuse", 422)])
async def test_what_becomes_of_unusual_values(registry, policy, status):
    unusual = {**ROW, "age": 140, "town": "Bath"}
    async with Service(registry, warnings=policy) as client:
        answers = await asyncio.gather(*(client.post("/predict", json={"rows": [r]}) for r in (ROW, unusual, ROW)))
        assert [a.status_code for a in answers] == [200, status, 200]
        body = answers[1].json()
        if policy == "refuse":
            faults = [(d["row"], d["field"]) for d in body["error"]["details"]]
            assert faults == [(0, "age"), (0, "town")]
            metrics = (await client.get("/metrics")).text
            assert 'trueline_validation_failures_total{field="town",reason="unseen"} 1.0' in metrics
        else:
            assert len(body["predictions"][0]["warnings"]) == (2 if policy == "warn" else 0)


def test_a_client_that_left_is_known_by_the_servers_request():
    class Request:
        disconnected = False

        async def receive(self):
            """Uvicorn's ``receive`` is a method of its request too."""

    request = Request()
    assert not client_left(request.receive)
    request.disconnected = True
    assert client_left(request.receive)
    assert not client_left(no_inner_app)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (json.dumps(BODY), {}, 200),
        (json.dumps(BODY), {"Content-Type": "application/json; charset=utf-8"}, 200),
        (json.dumps({"columns": {name: [value] for name, value in ROW.items()}}), {"Accept": "application/json"}, 200),
        (json.dumps({"rows": [{**ROW, "age": 140}, ROW]}), {"X-Request-ID": "order-17"}, 200),
        (json.dumps({"rows": [{**ROW, "age": "old"}], "on_error": "row"}), {"Accept-Encoding": "gzip"}, 200),
        (json.dumps({"rows": [{**ROW, "age": "old"}]}), {"X-Request-ID": "order-17"}, 422),
        ("{", {}, 400),
        (" " * 70_000 + "{}", {}, 413),
        (json.dumps(BODY), {"Accept": "image/png"}, 406),
    ],
)
async def test_an_answer_is_the_same_whatever_stands_before_the_app(registry, monkeypatch, content, headers, status):
    headers = {"Content-Type": "application/json", **headers}
    looks, is_plain = [], predict.is_plain
    monkeypatch.setattr(predict, "is_plain", lambda *request: looks.append(is_plain(*request)) or looks[-1])
    answers = []
    # The access log is a layer between the front and the app; without one the app itself adds the front's header.
    for access_log in (False, True):
        async with Service(registry, max_body_bytes=70_000, access_log=access_log) as client:
            answers.append(await client.post("/predict", content=content, headers=headers))
            metrics = (await client.get("/metrics")).text
        assert f'trueline_requests_total{{route="/predict",status="{status}"}} 1.0' in metrics
    # This is decided once a request.
    assert looks == [status not in (406, 413) and "charset" not in headers["Content-Type"]] * 2
    first, second = answers
    assert first.status_code == second.status_code == status
    assert first.content == second.content
    assert [name for name, _ in first.headers.items()] == [name for name, _ in second.headers.items()]
    if "X-Request-ID" in headers:
        assert first.headers.get_list("x-request-id") == second.headers.get_list("x-request-id") == ["order-17"]


async def test_a_fault_of_ours_is_a_500_with_an_id_and_without_its_traceback(registry, log):
    service = Service(registry)
    async with service as client:
        service.worker.deployment.champion.writer.write = lambda request, answer: 1 / 0
        answer = await client.post("/predict", json=BODY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
        assert "x-request-id" in answer.headers
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in log.text


async def test_a_request_is_the_last_when_all_that_the_server_has_read_are_being_answered(registry, monkeypatch):
    service, flags = Service(registry), []
    submit = service.worker.batcher.submit
    monkeypatch.setattr(
        service.worker.batcher, "submit", lambda *a, last, **k: flags.append(last) or submit(*a, last=last, **k)
    )
    async with service as client:
        await client.post("/predict", json=BODY)
        for others in (1, 2):  # this request's own task, then one more that has not begun
            service.worker.read_requests = range(others)
            await client.post("/predict", json=BODY)
        assert service.worker.open_requests == 0
    assert flags == [False, True, False]
