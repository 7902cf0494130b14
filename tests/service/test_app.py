import asyncio
import gzip
import json

import pytest
from prometheus_client import CollectorRegistry

from artifact.errors import DataError
from artifact.registry.local import LocalRegistry
from service.app.app import App
from service.documents.documents import model_document
from service.live.source import Source
from service.metrics.metrics import Metrics
from service.settings.settings import Settings
from service.wire.errors import DeadlineError
from service.worker import Worker
from tests.builders import build_schema, build_version, sample_rows
from tests.service.conftest import calling, no_inner_app, worker_of

pytestmark = pytest.mark.anyio
ROW = build_schema().example_row()


def error_of(response):
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "details"]
    assert "Traceback" not in response.text
    assert response.headers["content-type"] == "application/json"
    return body["error"]


async def test_rows_get_the_predictors_numbers(client, predictor):
    rows = sample_rows(predictor.schema, 20)
    for level in (None, 0.5):
        response = await client.post("/predict", json={"rows": rows, "interval": level})
        assert response.status_code == 200
        body = response.json()
        expected = predictor.predict_rows(rows, level)
        assert (body["model_name"], body["model_version"]) == (predictor.model_name, predictor.model_version)
        for name in ("value", "lower", "upper"):
            assert [p[name] for p in body["predictions"]] == getattr(expected, name)[:, 0].tolist()


async def test_columns_get_the_same_numbers(client, predictor):
    rows = sample_rows(predictor.schema, 20)
    columns = {name: [row[name] for row in rows] for name in predictor.schema.names}
    body = (await client.post("/predict", json={"columns": columns})).json()
    assert body["columns"]["value"] == predictor.predict_rows(rows).value[:, 0].tolist()
    assert body["warnings"] == []


async def test_concurrent_requests_get_each_their_own(client, predictor):
    rows = sample_rows(predictor.schema, 60)
    bodies = await asyncio.gather(*(client.post("/predict", json={"rows": [row]}) for row in rows))
    values = [b.json()["predictions"][0]["value"] for b in bodies]
    assert values == predictor.predict_rows(rows).value[:, 0].tolist()


async def test_out_of_range_and_unseen_are_answered_with_warnings(client, worker):
    row = {**ROW, "age": 140, "town": "Bath"}
    (prediction,) = (await client.post("/predict", json={"rows": [row]})).json()["predictions"]
    assert [(w["field"], w["kind"]) for w in prediction["warnings"]] == [("age", "out_of_range"), ("town", "unseen")]
    assert prediction["warnings"][0]["message"] == "'age' = 140 is outside the training range [0, 100]."
    text = (await client.get("/metrics")).text
    assert 'trueline_warnings_total{kind="unseen"} 1.0' in text


async def test_several_targets(tmp_path):
    worker = worker_of(tmp_path, Settings(), schema=build_schema(targets=("price", "rent")), spread=False)
    async with calling(worker) as client:
        (prediction,) = (await client.post("/predict", json={"rows": [ROW]})).json()["predictions"]
        assert sorted(prediction["targets"]) == ["price", "rent"]
        columns = {name: [value] for name, value in ROW.items()}
        body = (await client.post("/predict", json={"columns": columns})).json()
        assert body["columns"]["rent"]["value"] == [prediction["targets"]["rent"]["value"]]
        document = (await client.get("/docs.json")).json()
        shape = document["components"]["schemas"]["Prediction"]["properties"]["targets"]
        assert sorted(shape["properties"]) == ["price", "rent"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "not_json"),
        (b"{", 400, "not_json"),
        (b"[" * 10_000, 400, "not_json"),
        (b'{"rows":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, "not_json"),
        (b'{"rows": [{"age": "\xff"}]}', 400, "not_json"),
        (b'{"rows": [{"town": "\\ud800"}]}', 400, "not_json"),
        (b"[]", 422, "invalid_request"),
        (b'{"rows": []}', 422, "invalid_request"),
        (b'{"rows": [{"age": NaN}]}', 422, "invalid_request"),
        (b'{"rows": [{"age": 1e400}]}', 422, "invalid_request"),
        (b'{"rows": [{"age": %s}]}' % (b"9" * 400), 422, "invalid_request"),
        (b'{"rows": [{"agee": 1}]}', 422, "invalid_request"),
        (b'{"rows": [{}], "columns": {}}', 422, "invalid_request"),
        (b'{"rows": [%s]}' % b",".join([b"{}"] * 501), 413, "too_large"),
        (b" " * 100_001, 413, "too_large"),
    ],
    ids=range(15),
)
async def test_bad_bodies_are_the_clients_fault_and_never_logged(client, body, status, code, log):
    response = await client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status
    assert error_of(response)["code"] == code
    assert log.text == ""


async def test_what_is_wrong_only_after_the_types_is_a_422_too(client):
    columns = {name: [value] for name, value in ROW.items()}
    for body, field, reason in (
        ({"rows": [{**ROW, "rooms": 2.5}]}, "rooms", "Expected an integer."),
        ({"rows": [{**ROW, "rooms": 99}]}, "rooms", "Expected a value in the training range [1, 12]."),
        ({"rows": [{**ROW, "sold": "soon"}]}, "sold", "Expected an ISO 8601 date or time"),
        ({"columns": {**columns, "age": [1, 2]}}, "age", "Expected columns of equal length"),
        ({"rows": [ROW], "interval": 0.999}, "interval", "Expected 'interval' of at most 0.995"),
    ):
        response = await client.post("/predict", json=body)
        assert response.status_code == 422
        (detail,) = [d for d in error_of(response)["details"] if d["message"].startswith(reason)]
        assert field in (detail["field"], *columns)
    text = (await client.get("/metrics")).text
    assert 'trueline_validation_failures_total{field="rooms",reason="range"} 1.0' in text


async def test_wrong_method_and_path(client):
    response = await client.get("/predict")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert error_of(response)["message"] == "Expected POST for /predict. Received: GET."
    assert (await client.post("/schema")).headers["allow"] == "GET, HEAD"
    response = await client.get("/predcit")
    assert response.status_code == 404
    assert error_of(response)["message"].startswith("Unknown path '/predcit'. There are: '/predict'")
    text = (await client.get("/metrics")).text
    assert 'trueline_requests_total{route="other",status="404"} 1.0' in text
    assert "predcit" not in text


async def test_content_types(client):
    body = json.dumps({"rows": [ROW]}).encode()
    for good in ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"):
        assert (await client.post("/predict", content=body, headers={"content-type": good})).status_code == 200
    assert (await client.post("/predict", content=body)).status_code == 200  # no Content-Type
    response = await client.post("/predict", content=body, headers={"content-type": "text/plain"})
    assert response.status_code == 415
    assert "'text/csv'" in error_of(response)["message"]
    assert "Received: 'text/plain'" in error_of(response)["message"]
    zipped = {"content-type": "application/json", "content-encoding": "gzip"}
    assert (await client.post("/predict", content=gzip.compress(body), headers=zipped)).status_code == 200


async def test_inner_paths_and_only_those_go_to_bentoml(client):
    assert (await client.get("/schema.json")).text == "inner"
    assert (await client.get("/static_content/x.css")).text == "inner"
    assert (await client.get("/static_contentx")).status_code == 404


async def test_health_schema_model_and_docs(client, predictor, registry):
    version = registry.alias("houses").version
    assert (await client.get("/livez")).json() == (await client.get("/healthz")).json() == {"live": True}
    ready = (await client.get("/readyz")).json()
    assert ready == {"ready": True, "model_name": "houses", "model_version": version}
    assert (await client.head("/readyz")).status_code == 200
    assert (await client.get("/schema")).json() == json.loads(json.dumps(predictor.schema.json_schema()))
    model = (await client.get("/model")).json()
    assert model["lineage"]["rows"] == 500
    assert model["metrics"]["price"]["rmse"] == 4.2
    assert model["aliases"]["champion"]["version"] == version
    assert model["aliases"]["challenger"] is None
    document = (await client.get("/docs.json")).json()
    assert set(document["components"]["schemas"]["Row"]["properties"]) == set(predictor.schema.names)
    example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for shape in example.values():
        assert (await client.post("/predict", json=shape["value"])).status_code == 200
    page = (await client.get("/docs")).text
    assert "http" not in page  # every file of the page is local
    assert "./static_content/swagger-ui-bundle.js" in page
    assert ".title { visibility: visible; }" in page  # BentoML's style sheet would hide it


async def test_the_example_is_a_body_for_predict_whatever_the_service_refuses(registry):
    worker = Worker(Settings(warnings="refuse"), registry, Metrics(CollectorRegistry()))
    async with calling(worker) as client:
        body = await client.get("/example")
        assert body.json() == {"rows": [ROW]}
        answer = await client.post("/predict", content=body.content, headers={"content-type": "application/json"})
        assert answer.status_code == 200
        assert [row["warnings"] for row in answer.json()["predictions"]] == [[]]
        document = (await client.get("/docs.json")).json()
        described = document["paths"]["/example"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert described == {"$ref": "#/components/schemas/RowsRequest"}


async def test_without_a_model_it_lives_but_is_not_ready(tmp_path):
    worker = Worker(Settings(watch_seconds=0.01), LocalRegistry(tmp_path), Metrics(CollectorRegistry()))
    async with calling(worker) as client:
        assert (await client.get("/livez")).status_code == 200
        for response in (
            await client.get("/readyz"),
            await client.get("/schema"),
            await client.get("/example"),
            await client.get("/model"),
            await client.post("/predict", json={"rows": [ROW]}),
        ):
            assert response.status_code == 503
            assert error_of(response)["message"].startswith("No model is live yet. Train and promote one")
            assert response.headers["retry-after"] == "1"
        assert (await client.get("/docs.json")).json()["info"]["version"] == "no model is live"
        assert "trueline_ready 0.0" in (await client.get("/metrics")).text
        build_version(worker.registry, promote=True)
        async with asyncio.timeout(5):
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.01)
        assert (await client.post("/predict", json={"rows": [ROW]})).status_code == 200


async def test_a_fault_of_ours_is_logged_and_not_shown(client, worker, monkeypatch, log):
    monkeypatch.setattr(worker.batcher, "submit", lambda *_, **__: 1 / 0)
    response = await client.post("/predict", json={"rows": [ROW]})
    assert response.status_code == 500
    assert error_of(response)["code"] == "internal"
    assert "ZeroDivision" not in response.text
    assert "ZeroDivisionError" in log.text

    async def late(body, _receive):
        raise DeadlineError("Expected an answer within 1 s. Received: none.")

    monkeypatch.setattr(worker, "predict", late)
    assert (await client.post("/predict", json={"rows": [ROW]})).status_code == 504


async def test_metrics_count_requests_and_are_bounded(client):
    for _ in range(3):
        await client.post("/predict", json={"rows": [ROW, ROW]})
    text = (await client.get("/metrics")).text
    assert 'trueline_requests_total{route="/predict",status="200"} 3.0' in text
    assert "trueline_rows_total 6.0" in text
    assert "trueline_model_info{" in text
    assert 'trueline_request_duration_seconds_count{route="/predict"} 3.0' in text


async def test_a_worker_made_from_the_environment(registry):
    environ = {"BENTOML_HOME": str(registry.home), "TRUELINE_MODEL": "houses"}

    def source(settings, choice):
        return Source(registry, settings.model, choice=choice)

    worker = Worker.from_environment(environ, source)
    await worker.start()
    assert worker.deployment.route().name == "houses"
    await worker.stop()
    with pytest.raises(DataError, match="TRUELINE_MAX_ROWS"):
        Worker.from_environment({**environ, "TRUELINE_MAX_ROWS": "0"}, source)


async def test_a_client_that_goes_is_counted_and_nobody_is_answered(worker):
    await worker.start()
    messages = []

    async def leave():
        return {"type": "http.disconnect"}

    async def send(message):
        messages.append(message)

    scope = {"type": "http", "path": "/predict", "method": "POST", "headers": []}
    await App(worker, no_inner_app)(scope, leave, send)
    assert messages == []
    assert 'trueline_requests_total{route="/predict",status="499"} 1.0' in (await worker.metrics_text()).decode()
    await worker.stop()


async def test_without_a_readable_log_the_model_document_has_no_aliases(worker, client, registry):
    path = registry.home / "trueline" / "deployments" / "houses" / "00000001.json"
    live = (await client.get("/model")).json()
    path.write_text("{")
    # The service read the entry while it was whole, and goes on naming it.
    assert (await client.get("/model")).json() == live
    assert live["aliases"]["champion"]["version"] == live["model_version"]
    # A reader that starts now has no entry.
    document = json.loads(model_document(worker.deployment.route(), LocalRegistry(registry.home)))
    assert document["aliases"] == {"champion": None, "challenger": None}


async def test_life_cycle_starts_and_stops_the_worker_inside_the_inner_apps(worker):
    app, replies = App(worker, no_inner_app), []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive():
        return messages.pop(0)

    async def send(message):
        replies.append((message["type"], worker.deployment.champion is not None, worker.live.is_watching))

    await app({"type": "lifespan"}, receive, send)
    assert replies == [("lifespan.startup.complete", True, True), ("lifespan.shutdown.complete", True, False)]


async def test_other_protocols_go_to_the_inner_app(worker):
    scopes = []

    async def inner(scope, receive, send):
        scopes.append(scope["type"])

    await App(worker, inner)({"type": "websocket", "path": "/predict"}, None, None)
    assert scopes == ["websocket"]
