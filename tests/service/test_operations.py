"""Every operation is served, counted, guarded and described as its record says."""

import dataclasses
import errno
import os
import re

import httpx
import orjson
import pytest
from prometheus_client import CollectorRegistry

from service.app import front
from service.app.app import App
from service.app.operations import OPERATIONS, ROUTES
from service.app.routes import Routes
from service.documents.openapi import openapi_document
from service.metrics.metrics import Metrics
from service.process.fleet import Fleet
from service.protocols.formats import JSON
from service.protocols.operation import EVERYWHERE, Group, Operation, open_paths
from service.settings.settings import Settings
from service.wire import errors
from service.worker import Worker
from tests.service.conftest import no_inner_app

pytestmark = pytest.mark.anyio
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "BREW")
every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.path)


class Served:
    """A client of a started worker that calls an operation as its record describes it."""

    def __init__(self, registry, **settings):
        self.worker = Worker(Settings(**settings), registry, Metrics(CollectorRegistry()))

    async def __aenter__(self):
        await self.worker.start()
        app = front.build(App(self.worker, no_inner_app), self.worker)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")
        return self

    async def __aexit__(self, *_):
        await self.client.aclose()
        await self.worker.stop()

    async def ask(self, operation, method, **headers):
        """A request that is valid if the operation has the method: its body is the document's own example."""
        model = self.worker.deployment.route()
        path = operation.path.format(model=model.name, version=model.version)
        request = operation.shape(model).request if operation.shape else None
        if request is None:
            return await self.client.request(method, path, headers=headers)
        media = request[JSON]
        examples = [entry["value"] for entry in media.get("examples", {}).values()] or [media["example"]]
        return await self.client.request(method, path, json=examples[0], headers=headers)


@every_operation
async def test_it_answers_its_methods_refuses_others_and_is_counted_by_its_path(registry, operation):
    async with Served(registry) as service:
        for method in METHODS:
            response = await service.ask(operation, method)
            if method in operation.methods:
                assert response.status_code == 200, method
                # Only a page has no description.
                described = ["text/html; charset=utf-8"] if operation.shape is None else operation.shape(None).answers
                assert response.headers["content-type"] in described
                continue
            methods = ", ".join(operation.methods)
            assert (response.status_code, response.headers["allow"]) == (405, methods), method
            if method == "HEAD":
                continue
            error = response.json()["error"]
            message = f"Expected {methods} for {operation.path}. Received: {method}."
            assert (error if operation.group.has_plain_errors else error["message"]) == message
        text = (await service.worker.metrics_text()).decode()
    counts = dict(
        re.findall(rf'^trueline_requests_total{{route="{re.escape(operation.path)}",status="(.*)"}} (.*)$', text, re.M)
    )
    n_answers = len(operation.methods)
    assert counts == {"200": f"{n_answers}.0", "405": f"{len(METHODS) - n_answers}.0"}
    assert text.count("trueline_requests_total{") == 2


@every_operation
async def test_its_record_has_what_it_answers_while_the_workers_files_cannot_be_read(registry, operation, monkeypatch):
    def no_descriptor(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async with Served(registry) as service:
        monkeypatch.setattr("service.worker.render", no_descriptor)
        monkeypatch.setattr(Fleet, "ready_workers", no_descriptor)
        response = await service.ask(operation, operation.methods[0])
    asks_them = operation.path == "/metrics" or "ready" in operation.path
    assert response.status_code == (503 if asks_them else 200)
    assert response.status_code in {200, *operation.statuses()}
    if asks_them:
        assert "Received: Too many open files. Try again in a second." in response.text
        assert response.headers["retry-after"] == "1"


@every_operation
async def test_it_needs_a_key_unless_it_is_open(registry, operation):
    async with Served(registry, api_key="alpha") as service:
        without = await service.ask(operation, operation.methods[0])
        assert without.status_code == (200 if operation.is_open else 401)
        if not operation.is_open:
            assert isinstance(without.json()["error"], str if operation.group.has_plain_errors else dict)
        assert (await service.ask(operation, operation.methods[0], **{"x-api-key": "alpha"})).status_code == 200
    if operation.is_open:  # and the operator does not say otherwise
        async with Served(registry, api_key="alpha", open_paths="") as service:
            assert (await service.ask(operation, operation.methods[0])).status_code == 401


@every_operation
def test_the_document_has_it_with_its_errors_and_its_key(operation):
    document = orjson.loads(openapi_document(OPERATIONS, None, Settings(api_key="alpha")))
    item = document["paths"].get(operation.path)
    if operation.shape is None:
        assert item is None
        return
    assert set(item) - {"parameters"} == {operation.methods[0].lower()}
    assert tuple(parameter["name"] for parameter in item.get("parameters", ())) == operation.parameters
    described = item[operation.methods[0].lower()]
    assert (described["tags"], described["summary"]) == ([operation.group.name], operation.summary)
    assert operation.group.name in {tag["name"] for tag in document["tags"]}
    statuses = {kind.status for kind in (*operation.errors, *EVERYWHERE)}
    if operation.group.has_plain_errors and 422 in statuses:
        statuses = statuses - {422} | {400}
    assert {int(status) for status in described["responses"]} == {200, *statuses} | (
        set() if operation.is_open else {401}
    )
    assert (described.get("security") == []) == operation.is_open
    name = "PlainError" if operation.group.has_plain_errors else "Error"
    assert described["responses"]["405"] == {"$ref": f"#/components/responses/{name}405"}


def test_every_error_is_one_that_some_operation_names():
    in_records = {kind for operation in OPERATIONS for kind in (*operation.errors, *EVERYWHERE)}
    # The key is checked before the operation is found, so a path that does not exist needs a key too.
    elsewhere = {errors.UnauthorizedError, errors.NoRouteError}
    kinds = {errors.ApiError, *errors.ApiError.__subclasses__(), *errors.NoRouteError.__subclasses__()}
    assert in_records | elsewhere == kinds


def test_no_two_operations_have_one_path_and_every_path_finds_its_own():
    assert len({operation.path for operation in OPERATIONS}) == len(OPERATIONS)
    for operation in OPERATIONS:
        if operation.parameters:
            values = {name: f"any {name}" for name in operation.parameters}
            assert ROUTES.find(operation.path.format(**values)) == (operation, values)
        else:
            assert ROUTES.fixed[operation.path] is operation


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v2/models/",
        "/v2/models/a:b",
        "/v2/models/a/b",
        "/v1/models/a:predict/",
        "/v2/models/a/versions//infer",
    ],
)
def test_a_path_that_is_nearly_one_is_none(path):
    assert ROUTES.find(path) is None


def test_a_path_that_there_is_not_is_told_the_paths_of_its_protocol_in_its_words():
    own, other = ROUTES.unknown("/predicts"), ROUTES.unknown("/v2/model")
    assert "'/predict'" in own.message
    assert "/v2" not in own.message
    assert "'/v2/models/{model}'" in other.message
    assert "'/predict'" not in other.message
    assert ROUTES.adapted("/v2/model", other).is_plain
    assert ROUTES.adapted("/v2", own).is_plain
    for path in ("/predicts", "/v1", "/v3/x", "/v22"):
        assert ROUTES.adapted(path, own) is own


def test_which_paths_are_open_the_operator_says_or_the_records_do():
    # A path in this list can be called without a key.
    usual = {"/livez", "/readyz", "/healthz", "/metrics", "/docs", "/", "/v2/health/live", "/v2/health/ready"}
    assert open_paths(OPERATIONS, Settings()) == usual
    assert open_paths(OPERATIONS, Settings(open_paths="/livez, /schema")) == {"/livez", "/schema"}
    assert open_paths(OPERATIONS, Settings(open_paths="")) == frozenset()


def test_a_new_record_is_routed_and_described():
    toy = dataclasses.replace(ROUTES.fixed["/livez"], path="/toys/{toy}", summary="A toy", methods=("PUT",))
    routes = Routes((*OPERATIONS, toy))
    assert routes.find("/toys/bear") == (toy, {"toy": "bear"})
    assert routes.methods == ("GET", "HEAD", "POST", "PUT")
    document = orjson.loads(openapi_document(routes.operations, None, Settings()))
    item = document["paths"]["/toys/{toy}"]
    assert item["put"]["summary"] == "A toy"
    assert item["parameters"] == [{"name": "toy", "in": "path", "required": True, "schema": {"type": "string"}}]


def test_a_record_that_cannot_be_is_refused():
    record = ROUTES.fixed["/livez"]
    with pytest.raises(ValueError, match=r"Expected a path below '/v9'\. Received: '/livez'\."):
        dataclasses.replace(record, group=Group("Ninth", "For nobody.", "/v9"))
    with pytest.raises(ValueError, match=r"Expected at least one method for /livez\. Received: none\."):
        Operation(path="/livez", handler=record.handler, group=record.group, summary="", methods=())
