"""``grpc.health.v1`` on the gRPC port, in this process: a probe's messages, byte for byte, and the keys it needs."""

import asyncio

import grpc
import pytest
from prometheus_client import CollectorRegistry

from service.app.operations import OPERATIONS
from service.metrics.metrics import Metrics
from service.protocols.oip_grpc import GrpcServer
from service.protocols.operation import open_paths
from service.settings.settings import Settings
from service.worker import Worker
from tests.processes import free_port

pytestmark = pytest.mark.anyio
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
# HealthCheckResponse{status: 1, 2, 3}, as the protocol's own generated code writes it.
SERVING, NOT_SERVING, UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"


def request_for(service):
    """HealthCheckRequest{service}."""
    return b"\x0a" + bytes([len(service)]) + service.encode() if service else b""


@pytest.fixture
async def server(worker):
    port = free_port()
    server = GrpcServer(worker, host="127.0.0.1", port=port, open_paths=())
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield server, channel
    await server.stop()


async def test_case_v22_a_probe_is_answered(server, worker):
    check = server[1].unary_unary(CHECK)
    assert await check(b"", timeout=5) == NOT_SERVING
    await worker.start()
    for service in ("", "inference.GRPCInferenceService"):
        assert await check(request_for(service), timeout=5) == SERVING
    # An explicit empty name is what some clients send for the whole server.
    assert await check(b"\x0a\x00", timeout=5) == SERVING
    for body, code, text in (
        (request_for("inference.GRPC"), grpc.StatusCode.NOT_FOUND, "There are: 'inference.GRPCInferenceService'."),
        (b"\x0a\x09x", grpc.StatusCode.INVALID_ARGUMENT, "Expected a HealthCheckRequest. Received: 3 bytes"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as excinfo:
            await check(body, timeout=5)
        assert excinfo.value.code() == code
        assert text in excinfo.value.details()
    worker.fleet.show("draining")
    worker.fleet.expected = 2
    assert await check(b"", timeout=5) == NOT_SERVING
    worker.metrics.flush()
    await worker.stop()


async def test_who_watches_is_told_of_each_change_and_let_go_at_the_end(server, worker):
    grpc_server, channel = server
    watch = channel.unary_stream(WATCH)(b"", timeout=20)
    assert await watch.read() == NOT_SERVING
    await worker.start()
    assert await watch.read() == SERVING
    unknown = channel.unary_stream(WATCH)(request_for("other"), timeout=20)
    assert await unknown.read() == UNKNOWN
    started = asyncio.get_running_loop().time()
    await grpc_server.stop()
    assert await watch.read() == NOT_SERVING
    assert await watch.read() is grpc.aio.EOF
    assert asyncio.get_running_loop().time() - started < 5
    await worker.stop()


@pytest.mark.parametrize("opened", [None, ""])
async def test_a_probe_needs_a_key_where_readiness_does(registry, opened):
    more = {} if opened is None else {"TRUELINE_OPEN_PATHS": opened}
    settings = Settings.from_environment({"TRUELINE_API_KEY": "secret", **more})
    worker, port = Worker(settings, registry, Metrics(CollectorRegistry())), free_port()
    server = GrpcServer(worker, host="127.0.0.1", port=port, open_paths=open_paths(OPERATIONS, settings))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        if opened is None:
            assert await channel.unary_unary(CHECK)(b"", timeout=5) == NOT_SERVING
            assert await channel.unary_stream(WATCH)(b"", timeout=5).read() == NOT_SERVING
        else:
            for call in (channel.unary_unary(CHECK)(b"", timeout=5), channel.unary_stream(WATCH)(b"", timeout=5)):
                with pytest.raises(grpc.aio.AioRpcError) as excinfo:
                    await (call.read() if hasattr(call, "read") else call)
                assert excinfo.value.code() == grpc.StatusCode.UNAUTHENTICATED
            key = (("x-api-key", "secret"),)
            assert await channel.unary_unary(CHECK)(b"", timeout=5, metadata=key) == NOT_SERVING
    await server.stop()
