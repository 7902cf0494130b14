"""Ids, spans and the access log of gRPC calls, by grpcio's own client and by tritonclient."""

import asyncio
import contextlib
import json
import logging
import re
import sys
import warnings

import grpc
import pytest
from prometheus_client import CollectorRegistry

from service.metrics.metrics import Metrics
from service.protocols import oip_grpc_front
from service.protocols import open_inference_pb2 as pb
from service.protocols.oip_grpc import SERVICE, GrpcServer
from service.settings.settings import Settings
from service.wire.context import CURRENT
from service.worker import Worker
from tests.processes import free_port

pytestmark = pytest.mark.anyio
INFER = f"/{SERVICE}/ModelInfer"
READY = f"/{SERVICE}/ModelReady"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HOUSES = pb.ModelReadyRequest(name="houses")


@contextlib.asynccontextmanager
async def serving(registry, provider=None, **settings):
    """An address that speaks gRPC."""
    worker = Worker(Settings(**settings), registry, Metrics(CollectorRegistry()))
    await worker.start()
    port = free_port()
    server = GrpcServer(worker, host="127.0.0.1", port=port, open_paths=(), tracer_provider=provider)
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop()
    await worker.stop()


async def ask(address, method, message, metadata=()):
    """The status, and the id in the trailing metadata."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(method)(message.SerializeToString(), metadata=metadata, timeout=10)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await call
        trailing = dict(await call.trailing_metadata())
        return await call.code(), trailing.get("x-request-id")


async def ask_by_triton(address, headers):
    """tritonclient runs in a process of its own, because its messages and ours have the same names."""
    code = """
import json, sys, tritonclient.grpc as client
with client.InferenceServerClient(sys.argv[1]) as found:
    assert found.is_model_ready("houses", headers=json.loads(sys.argv[2]))
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, address, json.dumps(headers))
    assert await process.wait() == 0


async def test_a_call_is_answered_with_its_id_or_a_new_one_a_refused_one_too(registry):
    async with serving(registry, api_key="alpha") as address:
        key = (("x-api-key", "alpha"),)
        own = (("x-request-id", "order-17"),)
        assert await ask(address, READY, HOUSES, key + own) == (grpc.StatusCode.OK, "order-17")
        wrong = pb.ModelReadyRequest(name="house")
        assert await ask(address, READY, wrong, key + own) == (grpc.StatusCode.NOT_FOUND, "order-17")
        assert await ask(address, READY, HOUSES, own) == (grpc.StatusCode.UNAUTHENTICATED, "order-17")
        ids = [(await ask(address, READY, HOUSES, key))[1] for _ in range(2)]
        ids.append((await ask(address, READY, HOUSES, (*key, ("x-request-id", "a b"))))[1])
        assert len(set(ids)) == 3
        assert all(re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]+", request_id) for request_id in ids)


async def test_nothing_that_is_off_stands_before_a_method(registry):
    async def handler(route, data, context):
        raise AssertionError

    off = Settings(request_ids=False)
    assert oip_grpc_front.build(handler, off) is handler
    async with serving(registry, request_ids=False) as address:
        assert await ask(address, READY, HOUSES, (("x-request-id", "order-17"),)) == (grpc.StatusCode.OK, None)


async def test_the_access_log_has_a_line_a_call_with_its_id(registry, log):
    async with serving(registry) as address:
        await ask(address, READY, HOUSES)
        assert " ms " not in log.text
    records = []

    def keep(record):
        records.append((record, CURRENT.get()))
        return True

    logging.getLogger("bentoml.trueline.access").addFilter(keep)
    try:
        async with serving(registry, access_log=True) as address:
            await ask_by_triton(address, {"x-request-id": "order-17"})
            await ask(address, INFER, pb.ModelInferRequest(model_name="houses"))
            await ask(address, INFER, pb.ModelInferRequest(model_name="house"))
    finally:
        logging.getLogger("bentoml.trueline.access").removeFilter(keep)
    lines = [record.getMessage().split() for record, _ in records]
    assert [line[:3] for line in lines] == [
        ["gRPC", f"'{READY}'", "200"],
        ["gRPC", f"'{INFER}'", "400"],
        ["gRPC", f"'{INFER}'", "404"],
    ]
    record, context = records[0]
    assert record.fields["method"] == "gRPC"
    assert record.fields["client"].startswith("ipv4:127.0.0.1")
    assert context.id == b"order-17"


async def test_a_client_that_leaves_is_a_499(registry, log, monkeypatch):
    started = asyncio.Event()

    async def slow(*_):
        started.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(Worker, "answer", slow)
    async with serving(registry, access_log=True) as address, grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(INFER)(pb.ModelInferRequest(model_name="houses").SerializeToString())
        await started.wait()
        call.cancel()
        while " 499 " not in log.text:
            await asyncio.sleep(0.01)


async def test_spans_are_children_of_the_callers(registry):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with serving(registry, provider, tracing=True) as address:
        await ask_by_triton(address, {"traceparent": f"00-{TRACE}-{SPAN}-01", "x-request-id": "order-17"})
        await ask(address, INFER, pb.ModelInferRequest(model_name="house"))
    first, second = exporter.get_finished_spans()
    assert first.name == READY[1:]
    assert f"{first.context.trace_id:032x}" == TRACE
    assert f"{first.parent.span_id:016x}" == SPAN
    assert first.attributes["rpc.grpc.request.metadata.x-request-id"] == "order-17"
    assert (first.attributes["rpc.service"], first.attributes["rpc.method"]) == (SERVICE, "ModelReady")
    assert first.attributes["http.response.status_code"] == 200
    assert second.attributes["http.response.status_code"] == 404
    assert second.parent is None
