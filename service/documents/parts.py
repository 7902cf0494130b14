"""The parts of the OpenAPI document: operations from their records, answers with their headers, errors by status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.documents.schemas import ref
from service.live.model import LiveModel
from service.protocols.formats import JSON
from service.protocols.operation import Operation, Shape
from service.wire.errors import UnauthorizedError

# The paths of other protocols answer with this in place of 422.
_PLAIN_400 = "The body is not what its encoding says, or breaks the protocol or the schema; it lists the first faults."
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"www-authenticate": {"schema": {"const": "Bearer"}}},
    405: {"allow": {"description": "The path's methods.", "schema": {"type": "string"}}},
}
_RETRY = {
    "retry-after": {
        "description": "Seconds to wait before the next try.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
REQUEST_ID = {
    "description": "The request's own X-Request-ID, or a new one where the request has none that is valid.",
    "schema": {"type": "string"},
}


class Parts:
    """Makes the parts in the same way for all operations.

    Args:
        with_ids: whether answers have ``x-request-id``.
        open_paths: paths that need no key; None where no path needs one.
    """

    def __init__(self, *, with_ids: bool, open_paths: Iterable[str] | None) -> None:
        self._ids = {"x-request-id": {"$ref": "#/components/headers/RequestId"}} if with_ids else {}
        self._open_paths = None if open_paths is None else frozenset(open_paths)

    def components(self, operations: Iterable[Operation]) -> dict[str, Any]:
        """The components except the schemas: each error twice, as ``/predict`` and as the other protocols write it."""
        texts: dict[int, dict[str, None]] = {UnauthorizedError.status: {UnauthorizedError.description: None}}
        headers = dict(_HEADERS)
        for operation in operations:
            for kind in operation.all_errors:
                if kind.retry_after is not None:
                    headers[kind.status] = _RETRY
                texts.setdefault(kind.status, {})[kind.description] = None
        responses = {}
        for status in sorted(texts):
            text = " ".join(texts[status])
            responses[f"Error{status}"] = self._answer(text, {JSON: ref("Error")}, headers.get(status))
            plain = _PLAIN_400 if status == 400 else text
            responses[f"PlainError{status}"] = self._answer(plain, {JSON: ref("PlainError")}, headers.get(status))
        components: dict[str, Any] = {"responses": responses}
        if self._ids:
            components["headers"] = {"RequestId": REQUEST_ID}
        if self._open_paths is not None:
            key = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
            components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}, "key": key}
        return components

    def security(self) -> dict[str, Any]:
        """The security entry of the whole document: a client may send its key in any of these ways."""
        return {} if self._open_paths is None else {"security": [{"bearer": []}, {"key": []}]}

    def path_item(self, operation: Operation, model: LiveModel | None) -> dict[str, Any]:
        """One operation at its path, with the path's parameters; they allow only the names of the live model."""
        item: dict[str, Any] = {operation.methods[0].lower(): self._operation(operation, model)}
        if operation.parameters:
            good = {} if model is None else {"model": model.name, "version": model.version}
            item["parameters"] = [
                {
                    "name": name,
                    "in": "path",
                    "required": True,
                    "schema": {"enum": [good[name]]} if name in good else {"type": "string"},
                }
                for name in operation.parameters
            ]
        return item

    def _operation(self, operation: Operation, model: LiveModel | None) -> dict[str, Any]:
        shape = Shape({}) if operation.shape is None else operation.shape(model)
        group = operation.group
        entry: dict[str, Any] = {"tags": [group.name], "summary": operation.summary}
        if not group.prefix:
            entry["operationId"] = operation.path.strip("/").replace("/", "_").replace(".", "_")
        if shape.description:
            entry["description"] = shape.description
        if shape.parameters:
            entry["parameters"] = shape.parameters
        if shape.request is not None:
            entry["requestBody"] = {"required": True, "content": shape.request}
        statuses = operation.statuses()
        if self._open_paths is not None:
            if operation.path in self._open_paths:
                entry["security"] = []
            else:
                statuses.add(UnauthorizedError.status)
        name = "PlainError" if group.has_plain_errors else "Error"
        entry["responses"] = {"200": self._answer("OK", shape.answers, shape.headers)} | {
            str(status): {"$ref": f"#/components/responses/{name}{status}"} for status in sorted(statuses)
        }
        return entry

    def _answer(self, text: str, content: Mapping[str, Any], headers: Mapping[str, Any] | None) -> dict[str, Any]:
        bodies = {media_type: {"schema": schema} if schema else {} for media_type, schema in content.items()}
        both = {**self._ids, **(headers or {})}
        return {"description": text, **({"headers": both} if both else {}), "content": bodies}
