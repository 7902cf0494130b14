"""The servers of the benchmark: how each is started, when it is ready, what memory its worker holds."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from benchmarks.network import MODEL_NAME, Network

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
READY_SECONDS = 60.0

Kind = Literal["trueline", "uvicorn", "bentoml"]


@dataclass(frozen=True)
class Server:
    """One server to measure.

    Attributes:
        name: as the results call it.
        kind: how it is started.
        target: ``module:object``.
        answers: False for one that computes nothing.
    """

    name: str
    kind: Kind
    target: str
    answers: bool = True


SERVERS = {
    "echo": Server("uvicorn, bare ASGI echo (no work: the limit of the server)", "uvicorn", "echo:app", answers=False),
    "bare": Server("bare ASGI + pydantic + ONNX Runtime (the limit with the work done)", "uvicorn", "bare:app"),
    "trueline": Server("Trueline, `bentoml serve`", "trueline", "service:RegressionService"),
    "fastapi": Server("FastAPI + pydantic + ONNX Runtime", "uvicorn", "fastapi_onnx:app"),
    "bentoml": Server("BentoML `@bentoml.api` + ONNX Runtime", "bentoml", "bentoml_stock:Stock"),
}


@dataclass(frozen=True)
class Running:
    """A started server.

    Attributes:
        ready_seconds: from the start of the process to the first right answer.
    """

    process: subprocess.Popen[bytes]
    port: int
    ready_seconds: float

    def worker_memory(self) -> int:
        """Resident bytes of the process that answers requests: the largest of those that the server consists of."""
        root = psutil.Process(self.process.pid)
        return max(process.memory_info().rss for process in (root, *root.children(recursive=True)))


@contextlib.contextmanager
def start(
    server: Server,
    network: Network,
    folder: Path,
    peers_python: Path,
    core: int | None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Run a server on a free port of the loopback for as long as the block runs.

    Args:
        folder: where its log and its BentoML home go.
        peers_python: the interpreter of the peers' environment.
        core: the CPU core that it may use, or None for all.
        settings: environment variables of its own.

    Raises:
        RuntimeError: it ended, gave a wrong answer, or was not ready in time.
    """
    port = _free_port()
    log = folder / "server.log"
    command, environ = _command(server, network, folder, peers_python, port)
    environ |= settings or {}
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for_answer(server, process, network, port, log)
            yield Running(process, port, time.monotonic() - began)
        finally:
            _end(process)


def _command(
    server: Server, network: Network, folder: Path, peers_python: Path, port: int
) -> tuple[list[str], dict[str, str]]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("BENTOML_", "TRUELINE_", "PROMETHEUS_"))}
    environ |= {"BENTOML_DO_NOT_TRACK": "true", "ORT_DISABLE_TELEMETRY": "1"}
    listen = ["--host", "127.0.0.1", "--port", str(port)]
    if server.kind == "trueline":
        environ |= {"BENTOML_HOME": str(network.home), "TRUELINE_MODEL": MODEL_NAME}
        return [sys.executable, "-m", "bentoml", "serve", server.target, *listen], environ
    environ |= {"BENTOML_HOME": str(folder / "home-of-peer"), "TRUELINE_BENCHMARK_ONNX": str(network.onnx)}
    if server.kind == "bentoml":
        return [
            str(peers_python),
            "-m",
            "bentoml",
            "serve",
            server.target,
            "--working-dir",
            str(PEERS),
            *listen,
        ], environ
    fast = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning", "--lifespan", "off"]
    return [str(peers_python), "-m", "uvicorn", "--app-dir", str(PEERS), server.target, *fast, *listen], environ


def _wait_for_answer(server: Server, process: subprocess.Popen[bytes], network: Network, port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            found = _ask(port, network.bodies[0])
            if found is not None and server.answers and abs(found - network.values[0]) > 1e-3:
                raise RuntimeError(f"Expected {network.values[0]} of {server.name}. Received: {found}.")
            if found is not None:
                return
        time.sleep(0.02)
    tail = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"Expected {server.name} to answer within {READY_SECONDS:.0f} s. Its log ends:\n{tail}")


def _ask(port: int, body: str) -> float | None:
    """One prediction, or None while the server is not ready to give it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status in (404, 502, 503):
            return None
        if response.status != 200:
            raise RuntimeError(f"Expected status 200. Received: {response.status} {answer[:500]!r}")
        return float(json.loads(answer)["predictions"][0]["value"])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, then kill what is left of it: BentoML's workers are in sessions of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        everything = [root, *root.children(recursive=True)]
        process.terminate()
        _, left = psutil.wait_procs(everything, timeout=15)
        for straggler in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                straggler.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
