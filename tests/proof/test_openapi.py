"""The OpenAPI document is valid, complete, and says what the service does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from service.app.operations import OPERATIONS
from service.documents.openapi import openapi_document
from service.live.model import LiveModel
from service.protocols.formats import MEDIA_TYPES
from service.settings.settings import Settings
from service.wire import errors
from tests.builders import build_schema, build_version, plain_features

KINDS: dict[str, dict[str, Any]] = {
    "houses": {},
    "numbers": {"schema": build_schema(plain_features(2))},
    "one": {"schema": build_schema(plain_features(1))},
    "several targets": {"schema": build_schema(targets=("price", "rent"))},
}


@pytest.fixture(params=[*KINDS, "no model"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> LiveModel | None:
    if request.param == "no model":
        return None
    return LiveModel(Predictor.load(build_version(LocalRegistry(tmp_path), **KINDS[request.param]).path), max_rows=500)


def document_of(model: LiveModel | None, **settings: Any) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(openapi_document(OPERATIONS, model, Settings(**settings)))
    return document


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


@pytest.mark.parametrize("settings", [{}, {"api_key": "open-sesame", "request_ids": False}])
def test_it_is_valid(model: LiveModel | None, settings: dict[str, Any]) -> None:
    document = document_of(model, **settings)
    OpenAPIV31SpecValidator(document).validate()
    assert "open-sesame" not in str(document)


def test_its_own_examples_fit_its_shapes(model: LiveModel | None) -> None:
    document = document_of(model)
    checked = 0
    for operation in operations(document).values():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            examples = [entry["value"] for entry in media.get("examples", {}).values()]
            for example in [*examples, *([media["example"]] if "example" in media else [])]:
                jsonschema.validate(example, {**media["schema"], "components": document["components"]})
                checked += 1
    assert checked == (0 if model is None else 7)


def test_every_format_and_status_is_in_it(model: LiveModel | None) -> None:
    document = document_of(model)
    by_route = operations(document)
    predict = by_route["POST", "/predict"]
    assert set(predict["requestBody"]["content"]) == set(MEDIA_TYPES)
    assert set(predict["responses"]["200"]["content"]) == set(MEDIA_TYPES)
    kinds = {kind.status for kind in [errors.ApiError, *errors.ApiError.__subclasses__()]}
    assert set(document["components"]["responses"]) == {
        f"{name}{status}" for status in kinds for name in ("Error", "PlainError")
    }
    statuses = {int(status) for operation in by_route.values() for status in operation["responses"]}
    assert statuses == {200, *kinds} - {401}
    own = [operation for operation in OPERATIONS if operation.shape and not operation.group.prefix]
    assert len({o["operationId"] for o in by_route.values() if "operationId" in o}) == len(own)


def test_answers_have_the_headers_that_are_sent() -> None:
    document = document_of(None)
    responses = document["components"]["responses"]
    assert all("x-request-id" in response["headers"] for response in responses.values())
    assert {name for name in responses if "retry-after" in responses[name]["headers"]} == {
        f"{name}{status}" for status in (429, 503) for name in ("Error", "PlainError")
    }
    assert all(
        "x-request-id" in operation["responses"]["200"]["headers"] for operation in operations(document).values()
    )
    assert "x-request-id" not in str(document_of(None, request_ids=False))


def test_a_key_is_asked_for_where_it_is() -> None:
    assert "security" not in document_of(None)
    document = document_of(None, api_key="open-sesame", open_paths="/livez,/metrics")
    assert (
        set(document["components"]["securitySchemes"])
        == {"bearer", "key"}
        == {n for s in document["security"] for n in s}
    )
    by_route = operations(document)
    keyless = {path for (_, path), operation in by_route.items() if operation.get("security") == []}
    assert keyless == {"/livez", "/metrics"}
    assert {path for (_, path), operation in by_route.items() if "401" not in operation["responses"]} == keyless
