"""The public tritonclient against a real ``bentoml serve`` with two workers, over HTTP and gRPC."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import psutil
import pytest

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.builders import build_version, sample_rows
from tests.processes import ROOT, call, clean_environment, free_port, running, wait_until_ready

COMMAND = [sys.executable, "-m", "bentoml", "serve", "service:RegressionService", "--host", "127.0.0.1"]
ENDS = ("value", "lower", "upper")
DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL"}


class Server(NamedTuple):
    process: subprocess.Popen[bytes]
    port: int
    grpc_port: int
    predictor: Predictor


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("triton")
    registry, port, grpc_port, log = LocalRegistry(folder / "home"), free_port(), free_port(), folder / "log"
    reference = build_version(registry, promote=True)
    environ = clean_environment(registry.home, TRUELINE_WORKERS="2", TRUELINE_GRPC_PORT=str(grpc_port))
    with running([*COMMAND, "--port", str(port)], log, environ) as process:
        wait_until_ready(process, port, log)
        deadline = time.monotonic() + 20
        while log.read_text().count(f"gRPC on 127.0.0.1:{grpc_port}") < 2:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Server(process, port, grpc_port, Predictor.load(reference.path))
        # Both workers end by themselves, with gRPC too.
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert "Traceback" not in log.read_text()


def ask(server: Server, protocol: str, rows: list[dict[str, Any]], interval: float) -> dict[str, Any]:
    columns = {}
    for feature in server.predictor.schema.features:
        values = [row[feature.name] for row in rows]
        datatype = DATATYPES.get(feature.kind, "BYTES")
        if None in values and datatype != "BYTES":
            datatype = "FP64"
        columns[feature.name] = [datatype, values]
    port = server.port if protocol == "http" else server.grpc_port
    command = [sys.executable, "-W", "ignore", "-m", "tests.service.protocols.triton_client", protocol]
    result = subprocess.run(
        [*command, f"127.0.0.1:{port}", "houses"],
        input=json.dumps({"columns": columns, "interval": interval}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    answers: dict[str, Any] = json.loads(result.stdout)
    return answers


def numbers(server: Server, rows: list[dict[str, Any]], interval: float | None = None) -> dict[str, list[float]]:
    expected = server.predictor.predict_rows(rows, interval)
    return {name: getattr(expected, name)[:, 0].tolist() for name in ENDS}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_public_client_gets_the_predictors_numbers_and_readable_errors(server: Server, protocol: str) -> None:
    rows = sample_rows(server.predictor.schema, 25)
    answers = ask(server, protocol, rows, 0.8)
    assert (answers["live"], answers["ready"], answers["model_ready"], answers["server"]) == (
        True,
        True,
        True,
        "trueline",
    )
    assert answers["metadata"]["name"] == "houses"
    assert [output["name"] for output in answers["metadata"]["outputs"]] == list(ENDS)
    assert answers["id"] == "7"
    assert answers["binary"] == numbers(server, rows, 0.8)
    assert answers["one"] == {"value": numbers(server, rows)["value"]}
    if protocol == "http":
        absent = {f.name for f in server.predictor.schema.features if any(row[f.name] is None for row in rows)}
        complete = [{name: value for name, value in row.items() if name not in absent} for row in rows]
        assert answers["json"] == numbers(server, complete)
        assert answers["packed"] == numbers(server, rows)
    version = server.predictor.model_version
    codes = {"http": ("404", "404", "400")}.get(protocol) or (
        "StatusCode.NOT_FOUND", "StatusCode.NOT_FOUND", "StatusCode.INVALID_ARGUMENT"
    )  # fmt: skip
    assert answers["errors"] == {
        "model": [codes[0], "Unknown model 'house'. There are: 'houses'."],
        "version": [codes[1], f"Unknown version '1' of 'houses'. There are: '{version}'."],
        "input": [codes[2], answers["errors"]["input"][1]],
    }
    assert "Unknown input 'agee'. There are: 'age'" in answers["errors"]["input"][1]


def test_workers_with_grpc_count_into_the_same_metrics_and_stay_small(server: Server) -> None:
    ask(server, "grpc", sample_rows(server.predictor.schema, 2), 0.8)
    route = re.escape("/inference.GRPCInferenceService/ModelInfer")
    pattern = rf'trueline_requests_total\{{route="{route}",status="200"\}} (\d+)'
    deadline = time.monotonic() + 5
    while not re.search(pattern, call(server.port, "/metrics")[1].decode()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(server.process.pid).children(recursive=True)
    workers = [c for c in children if "_bentoml_impl.worker.service" in " ".join(c.cmdline())]
    assert len(workers) == 2
    assert max(worker.memory_info().rss for worker in workers) < 200 * 2**20
