"""The Open Inference Protocol over gRPC, in this process: the numbers, the client's faults, and a clean end."""

import asyncio
import json
import subprocess
import sys

import grpc
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from artifact.errors import DataError
from service.app.app import App
from service.metrics.metrics import Metrics
from service.protocols import open_inference_pb2 as pb
from service.protocols.oip_grpc import METHODS, SERVICE, GrpcServer
from service.settings.settings import Settings
from service.worker import Worker
from tests.builders import build_schema, sample_rows
from tests.processes import ROOT, free_port
from tests.service.conftest import no_inner_app
from tests.service.protocols.conftest import ENDS, binary_inputs, json_inputs

pytestmark = pytest.mark.anyio
SCHEMA = build_schema()
ROW = SCHEMA.example_row()
FIELDS = {"FP64": "fp64_contents", "BYTES": "bytes_contents", "BOOL": "bool_contents", "INT64": "int64_contents"}
FULL = {**ROW, "income": 1e4}


class Client:
    def __init__(self, channel):
        self.channel = channel

    async def __call__(self, method, request, **options):
        kind = METHODS[method].request
        response = getattr(pb, kind.__name__.replace("Request", "Response"))
        if not isinstance(request, bytes):
            request = request.SerializeToString()
        call = self.channel.unary_unary(f"/{SERVICE}/{method}", None, response.FromString)
        return await call(request, timeout=10, **options)

    async def refusal(self, method, request, **options):
        with pytest.raises(grpc.aio.AioRpcError) as excinfo:
            await self(method, request, **options)
        assert "Traceback" not in excinfo.value.details()
        return excinfo.value.code(), excinfo.value.details()


@pytest.fixture
async def port(worker):
    await worker.start()
    port = free_port()
    server = GrpcServer(worker, host="127.0.0.1", port=port, open_paths=())
    await server.start()
    yield port
    await server.stop()
    await worker.stop()


@pytest.fixture
async def call(port):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Client(channel)


def typed(rows, **options):
    """A request with typed contents."""
    request = pb.ModelInferRequest(model_name="houses", **options)
    for tensor in json_inputs(SCHEMA, rows):
        entry = request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        data = [v.encode() if isinstance(v, str) else v for v in tensor["data"]]
        if None in data:
            entry.datatype = "BYTES" if tensor["datatype"] == "BYTES" else "FP64"
            data = [(b"" if entry.datatype == "BYTES" else np.nan) if v is None else v for v in data]
        getattr(entry.contents, FIELDS[entry.datatype]).extend(data)
    return request


def raw_request(rows, **options):
    request = pb.ModelInferRequest(model_name="houses", **options)
    inputs, parts = binary_inputs(SCHEMA, rows)
    for tensor in inputs:
        request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
    request.raw_input_contents.extend(parts)
    return request


def changed(name, /, **changes):
    """A request with one usual row, in which one tensor is changed."""
    request = typed([FULL])
    (tensor,) = (t for t in request.inputs if t.name == name)
    for field, value in changes.items():
        if field in ("name", "datatype"):
            setattr(tensor, field, value)
        elif field == "shape":
            tensor.shape[:] = value
        else:
            tensor.contents.Clear()
            getattr(tensor.contents, field).extend(value)
    return request


@pytest.mark.parametrize("level", [None, 0.8])
async def test_typed_and_raw_tensors_get_the_predictors_numbers(call, predictor, level):
    rows = sample_rows(predictor.schema, 30)
    expected = predictor.predict_rows(rows, level)
    for make in (typed, raw_request):
        request = make(rows, id="q1")
        if level is not None:
            request.parameters["interval"].double_param = level
        answer = await call("ModelInfer", request)
        assert (answer.id, answer.model_name, answer.model_version) == ("q1", "houses", predictor.model_version)
        assert [(o.name, o.datatype, list(o.shape)) for o in answer.outputs] == [(e, "FP64", [30]) for e in ENDS]
        for i, output in enumerate(answer.outputs):
            if make is typed:
                values = list(output.contents.fp64_contents)
            else:
                values = np.frombuffer(answer.raw_output_contents[i]).tolist()
            assert values == getattr(expected, output.name)[:, 0].tolist()


async def test_outputs_asked_for_version_and_other_datatypes(call, predictor):
    expected = float(predictor.predict_rows([FULL]).upper[0, 0])
    for changes in ({"datatype": "FP32", "fp32_contents": [30]}, {"datatype": "UINT8", "uint_contents": [30]}):
        request = changed("age", **changes)
        request.model_version = predictor.model_version
        request.outputs.add(name="upper")
        answer = await call("ModelInfer", request)
        assert [(o.name, list(o.contents.fp64_contents)) for o in answer.outputs] == [("upper", [expected])]


async def test_health_and_metadata(call, predictor):
    assert (await call("ServerLive", pb.ServerLiveRequest())).live
    assert (await call("ServerReady", pb.ServerReadyRequest())).ready
    assert (await call("ServerMetadata", pb.ServerMetadataRequest())).name == "trueline"
    assert (await call("ModelReady", pb.ModelReadyRequest(name="houses"))).ready
    metadata = await call("ModelMetadata", pb.ModelMetadataRequest(name="houses", version=predictor.model_version))
    assert list(metadata.versions) == [predictor.model_version]
    assert [(i.name, i.datatype, list(i.shape)) for i in metadata.inputs][:3] == [
        ("age", "FP64", [-1]), ("income", "FP64", [-1]), ("rooms", "INT64", [-1])
    ]  # fmt: skip
    assert [o.name for o in metadata.outputs] == list(ENDS)


async def test_without_a_model_it_is_live_and_not_ready(worker):
    port = free_port()
    server = GrpcServer(worker, host="127.0.0.1", port=port, open_paths=())
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = Client(channel)
        assert (await call("ServerLive", pb.ServerLiveRequest())).live
        assert not (await call("ServerReady", pb.ServerReadyRequest())).ready
        assert not (await call("ModelReady", pb.ModelReadyRequest(name="houses"))).ready
        code, details = await call.refusal("ModelInfer", typed([FULL]))
        assert code == grpc.StatusCode.UNAVAILABLE
        assert "No model is live yet" in details
    await server.stop()


async def test_unknown_models_and_versions_list_what_there_is(call, predictor):
    code, details = await call.refusal("ModelInfer", pb.ModelInferRequest(model_name="house"))
    assert (code, details) == (grpc.StatusCode.NOT_FOUND, "Unknown model 'house'. There are: 'houses'.")
    code, details = await call.refusal("ModelReady", pb.ModelReadyRequest(name="houses", version="1"))
    assert code == grpc.StatusCode.NOT_FOUND
    assert details == f"Unknown version '1' of 'houses'. There are: '{predictor.model_version}'."
    assert (await call.refusal("ModelMetadata", pb.ModelMetadataRequest()))[0] == grpc.StatusCode.NOT_FOUND


def too_many_raw():
    request = raw_request([FULL])
    request.raw_input_contents.append(b"")
    return request


def both():
    request = raw_request([FULL])
    request.inputs[0].contents.fp64_contents.append(1)
    return request


def twice():
    request = typed([FULL])
    request.inputs.append(request.inputs[0])
    return request


def interval(**value):
    request = typed([FULL])
    for kind, number in value.items():
        setattr(request.parameters["interval"], kind, number)
    return request


def output(*names):
    request = typed([FULL])
    for name in names:
        request.outputs.add(name=name)
    return request


BAD = {
    "empty": (pb.ModelInferRequest(model_name="houses"), "Expected a tensor for each feature"),
    "unknown": (changed("age", name="agee"), "Unknown input 'agee'. There are: 'age'"),
    "twice": (twice(), "'age': Expected each input once."),
    "datatype": (changed("age", datatype="BF16"), "'age': Expected a datatype of BOOL"),
    "kind": (changed("town", datatype="FP64"), "'town': Expected BYTES for a category. Received: FP64."),
    "negative": (changed("age", shape=[-1]), "'age': Expected a 'shape' of sizes from 0 on."),
    "huge": (changed("age", shape=[2**62]), "Expected at most 500 rows in a request."),
    "overflow": (changed("age", shape=[2**62, 2**62]), "'age': Expected shape [n] or [n, 1]."),
    "product": (changed("age", fp64_contents=[1, 2]), "'age': Expected 1 elements in 'fp64_contents'. Received: 2."),
    "none": (changed("age", fp64_contents=[]), "'age': Expected 1 elements in 'fp64_contents'. Received: 0."),
    "field": (changed("age", fp32_contents=[1]), "'age': Expected 'fp64_contents' for FP64. Received: fp32_contents."),
    "fp16": (changed("age", datatype="FP16"), "'age': Expected FP16 as 'raw_input_contents'."),
    "int8": (changed("rooms", datatype="INT8", int_contents=[300]), "Row 0, 'rooms': Expected INT8, -128 to 127."),
    "utf-8": (changed("town", bytes_contents=[b"\xff"]), "Row 0, 'town': Expected UTF-8."),
    "range": (changed("rooms", int64_contents=[99]), "Row 0, 'rooms': Expected a value in the training range [1, 12]."),
    "infinite": (changed("age", fp64_contents=[np.inf]), "Row 0, 'age': Expected a finite number."),
    "raw": (too_many_raw(), "'raw_input_contents': Expected 7 entries, one for each tensor, or none. Received: 8."),
    "both": (both(), "'age': Expected 'contents' or 'raw_input_contents'. Received: both."),
    "interval": (interval(double_param=2), "'interval': Expected a number in (0, 1). Received: 2.0."),
    "interval nan": (interval(double_param=np.nan), "'interval': Expected a number in (0, 1)."),
    "interval text": (interval(string_param="wide"), "'interval': Expected a number in (0, 1)."),
    "output": (output("vale"), "'vale': Unknown output 'vale'. There are: 'value', 'lower', 'upper'."),
    "outputs": (output("value", "value"), "'value': Expected each output once."),
    "message": (b"\xff\xff\xff", "Expected a ModelInferRequest. Received: 3 bytes."),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_requests_are_the_clients_fault_and_never_logged(call, name, log):
    request, expected = BAD[name]
    code, details = await call.refusal("ModelInfer", request)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert expected in details
    assert log.text == ""


async def test_requests_are_counted_by_method_and_warnings_are_a_parameter(call, worker):
    answer = await call("ModelInfer", changed("age", fp64_contents=[140]))
    (warning,) = json.loads(answer.parameters["warnings"].string_param)
    assert (warning["field"], warning["kind"]) == ("age", "out_of_range")
    await call.refusal("ModelInfer", changed("rooms", int64_contents=[99]))
    text = (await worker.metrics_text()).decode()
    route = "/inference.GRPCInferenceService/ModelInfer"
    assert f'trueline_requests_total{{route="{route}",status="200"}} 1.0' in text
    assert f'trueline_requests_total{{route="{route}",status="400"}} 1.0' in text
    assert 'trueline_validation_failures_total{field="rooms",reason="range"} 1.0' in text


async def test_larger_messages_than_a_body_may_be_are_refused(call):
    code, _ = await call.refusal("ModelInfer", pb.ModelInferRequest(raw_input_contents=[bytes(100_001)]))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_fault_of_ours_is_logged_and_not_shown(call, worker, monkeypatch, log):
    monkeypatch.setattr(worker.batcher, "submit", lambda *_, **__: 1 / 0)
    code, details = await call.refusal("ModelInfer", typed([FULL]))
    assert (code, details) == (grpc.StatusCode.INTERNAL, "The service failed on this request; its log says why.")
    assert "ZeroDivisionError" in log.text


async def test_stop_waits_for_what_is_open_and_a_client_that_goes_is_counted(worker, monkeypatch):
    await worker.start()
    port = free_port()
    server = GrpcServer(worker, host="127.0.0.1", port=port, open_paths=())
    await server.start()
    answer, arrived = worker.answer, asyncio.Event()

    async def slow(*arguments):
        arrived.set()
        await asyncio.sleep(0.3)
        return await answer(*arguments)

    monkeypatch.setattr(worker, "answer", slow)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = Client(channel)
        leaver = asyncio.ensure_future(call("ModelInfer", typed([FULL])))
        await arrived.wait()
        leaver.cancel()
        arrived.clear()
        open_request = asyncio.ensure_future(call("ModelInfer", typed([FULL])))
        await arrived.wait()
        await server.stop()
        assert len((await open_request).outputs) == 3
    text = (await worker.metrics_text()).decode()
    assert 'route="/inference.GRPCInferenceService/ModelInfer",status="499"} 1.0' in text
    await worker.stop()


async def test_a_key_is_asked_for_where_one_is_set_but_for_health(registry):
    worker = Worker(Settings(api_key="secret"), registry, Metrics(CollectorRegistry()))
    await worker.start()
    port = free_port()
    server = GrpcServer(worker, host="localhost", port=port, open_paths=["/v2/health/ready"])
    await server.start()
    async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
        call = Client(channel)
        for metadata in ((), (("x-api-key", "wrong"),), (("x-api-key-bin", b"secret"),)):
            code, details = await call.refusal("ModelInfer", typed([FULL]), metadata=metadata)
            assert code == grpc.StatusCode.UNAUTHENTICATED
            assert details.startswith("Expected a key")
        for metadata in ((("authorization", "Bearer secret"),), (("x-api-key", "secret"),)):
            assert len((await call("ModelInfer", typed([FULL]), metadata=metadata)).outputs) == 3
        assert (await call("ServerReady", pb.ServerReadyRequest())).ready
        worker.fleet.show("draining")
        assert not (await call("ServerReady", pb.ServerReadyRequest())).ready
        metadata = (("x-api-key", "secret"),)
        assert not (await call("ModelReady", pb.ModelReadyRequest(name="houses"), metadata=metadata)).ready
    await server.stop()
    await worker.stop()


async def test_the_app_starts_and_stops_it_where_a_port_is_set(registry):
    port = free_port()
    worker = Worker(Settings(grpc_port=port), registry, Metrics(CollectorRegistry()))
    messages, replies = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []

    async def receive():
        return messages.pop(0)

    async def send(message):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            try:
                replies.append((await Client(channel)("ServerReady", pb.ServerReadyRequest())).ready)
            except grpc.aio.AioRpcError as error:
                replies.append(error.code())

    await App(worker, no_inner_app)({"type": "lifespan"}, receive, send)
    assert replies == [True, grpc.StatusCode.UNAVAILABLE]


def test_without_a_port_grpc_is_not_imported():
    code = "import sys, service.app.app; assert not {'grpc', 'google.protobuf'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


async def test_several_workers_share_the_port_and_an_impossible_one_is_named(port, worker):
    second = GrpcServer(worker, host="127.0.0.1", port=port, open_paths=())
    await second.start()
    await second.stop()
    with pytest.raises(DataError, match=r"TRUELINE_GRPC_PORT: Expected a port to listen on\. Received: 203\.0\.113\.1"):
        await GrpcServer(worker, host="203.0.113.1", port=port, open_paths=()).start()
