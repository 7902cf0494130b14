"""Every operation of the service over HTTP: one record each, in the order of the docs.

To add an operation, write its handler, and its record here. Routing, OpenAPI, metrics, keys and the tables of the docs
are made from the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from service.app import pages
from service.app.routes import Routes
from service.documents import predictions, protocols
from service.documents.openapi import openapi_document
from service.documents.schemas import ref
from service.live.model import LiveModel
from service.protocols import oip_http, tf_serving
from service.protocols.formats import JSON
from service.protocols.operation import WRITE, Group, Operation, Shape
from service.protocols.predict import predict
from service.wire import errors
from service.wire.http import TEXT, Receive, Reply, Scope
from service.worker import Worker

PREDICTION = Group("prediction", "Rows in, predictions out.")
MODEL = Group("model", "The live model.")
OPERATION = Group("operation", "For probes and dashboards.")
OPEN_INFERENCE = Group("Open Inference Protocol", "For clients of Triton, KServe and MLServer.", "/v2")
TF_SERVING = Group("TensorFlow Serving", "For clients of TensorFlow Serving.", "/v1")

_READY = (errors.NotReadyError,)
_NAMED = (errors.UnknownModelError, errors.NotReadyError)
# Errors that can come from reading a body and predicting its rows.
_ROWS = (
    errors.NotJSONError,
    errors.BodyFormatError,
    errors.BodyTimeoutError,
    errors.TooLargeError,
    errors.MediaTypeError,
    errors.InvalidRequestError,
    errors.OverloadedError,
    errors.ModelError,
    errors.NotReadyError,
    errors.DeadlineError,
)


def _answers(schema: Any, media_type: str = JSON) -> Callable[[LiveModel | None], Shape]:
    """The shape of an operation without a body whose answer has the same schema for every model."""
    return lambda _model: Shape({media_type: schema})


def _of_a_model(operations: Iterable[Operation]) -> list[Operation]:
    """The operations on ``/{model}``, and the same operations with the live version in the path."""
    models = list(operations)
    return models + [replace(o, path=o.path.replace("{model}", "{model}/versions/{version}")) for o in models]


async def _document(worker: Worker, _scope: Scope, _receive: Receive) -> Reply:
    """``GET /docs.json``."""
    return Reply(openapi_document(OPERATIONS, worker.deployment.champion, worker.settings))


OPERATIONS = (
    Operation(
        path="/predict",
        methods=WRITE,
        handler=predict,
        group=PREDICTION,
        summary="Predict rows",
        shape=predictions.shape,
        errors=(*_ROWS, errors.NotAcceptableError),
    ),
    Operation(
        path="/schema",
        handler=pages.schema,
        group=MODEL,
        summary="JSON Schema of one row",
        shape=_answers(ref("Schema")),
        errors=_READY,
    ),
    Operation(
        path="/example",
        handler=pages.example,
        group=MODEL,
        summary="A body for POST /predict, with one usual row",
        shape=_answers(ref("RowsRequest")),
        errors=_READY,
    ),
    Operation(
        path="/model",
        handler=pages.model,
        group=MODEL,
        summary="The live version, its lineage, metrics and aliases",
        shape=_answers(ref("Model")),
        errors=_READY,
    ),
    Operation(
        path="/livez",
        handler=pages.live,
        group=OPERATION,
        summary="200 while the process runs",
        shape=_answers(ref("Live")),
        is_open=True,
    ),
    Operation(
        path="/readyz",
        handler=pages.ready,
        group=OPERATION,
        summary="200 while every worker has a live model",
        shape=_answers(ref("Ready")),
        errors=_READY,
        is_open=True,
    ),
    Operation(
        path="/healthz",
        handler=pages.live,
        group=OPERATION,
        summary="As /livez",
        shape=_answers(ref("Live")),
        is_open=True,
    ),
    Operation(
        path="/metrics",
        handler=pages.metrics,
        group=OPERATION,
        summary="Prometheus metrics of all workers",
        shape=_answers({"type": "string"}, TEXT.decode()),
        errors=_READY,
        is_open=True,
    ),
    Operation(
        path="/docs",
        handler=pages.page,
        group=OPERATION,
        summary="A page to read and try the API",
        is_open=True,
    ),
    Operation(
        path="/docs.json",
        handler=_document,
        group=OPERATION,
        summary="This document",
        row_text="The OpenAPI document behind /docs",
        shape=_answers(ref("OpenApi")),
    ),
    Operation(path="/", handler=pages.page, group=OPERATION, summary="As /docs", is_open=True),
    Operation(
        path="/v2",
        handler=oip_http.server_metadata,
        group=OPEN_INFERENCE,
        summary="The server",
        shape=_answers(protocols.SERVER),
    ),
    Operation(
        path="/v2/health/live",
        handler=oip_http.live,
        group=OPEN_INFERENCE,
        summary="200 while the process runs",
        shape=_answers(protocols.LIVE),
        is_open=True,
    ),
    Operation(
        path="/v2/health/ready",
        handler=oip_http.ready,
        group=OPEN_INFERENCE,
        summary="As /readyz",
        shape=_answers(protocols.READY),
        errors=_READY,
        is_open=True,
    ),
    *_of_a_model(
        [
            Operation(
                path="/v2/models/{model}",
                handler=oip_http.model_metadata,
                group=OPEN_INFERENCE,
                summary="Inputs and outputs",
                shape=_answers(protocols.MODEL),
                errors=_NAMED,
            ),
            Operation(
                path="/v2/models/{model}/ready",
                handler=oip_http.model_ready,
                group=OPEN_INFERENCE,
                summary="Whether it is ready",
                shape=_answers(protocols.MODEL_READY),
                errors=_NAMED,
            ),
            Operation(
                path="/v2/models/{model}/infer",
                methods=WRITE,
                handler=oip_http.infer,
                group=OPEN_INFERENCE,
                summary="Predict tensors",
                shape=protocols.infer,
                errors=(*_ROWS, errors.UnknownModelError),
            ),
        ]
    ),
    *_of_a_model(
        [
            Operation(
                path="/v1/models/{model}",
                handler=tf_serving.status,
                group=TF_SERVING,
                summary="Status",
                shape=_answers(protocols.STATUS),
                errors=_NAMED,
            ),
            Operation(
                path="/v1/models/{model}/metadata",
                handler=tf_serving.metadata,
                group=TF_SERVING,
                summary="Inputs and outputs",
                shape=_answers(protocols.METADATA),
                errors=_NAMED,
            ),
            Operation(
                path="/v1/models/{model}:predict",
                methods=WRITE,
                handler=tf_serving.predict,
                group=TF_SERVING,
                summary="Predict instances",
                shape=protocols.predict,
                errors=(*_ROWS, errors.UnknownModelError),
            ),
        ]
    ),
)
ROUTES = Routes(OPERATIONS)


class Row(NamedTuple):
    """One line of the docs' tables of routes, as text."""

    path: str
    methods: str
    key: str
    answers: str


def rows(*, own: bool) -> Iterator[Row]:
    """The lines of the docs' tables: Trueline's own operations, or those of other protocols."""
    for operation in OPERATIONS:
        if (not operation.group.prefix) == own:
            key = "open" if operation.is_open else "asked for"
            yield Row(operation.path, ", ".join(operation.methods), key, operation.row_text or operation.summary)
