"""The servers of the benchmark: how each is started, checked and asked."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.launch import MEMORY_LIMIT, Family, family, free_ports
from benchmarks.network import MODEL_NAME, Network
from benchmarks.wires import MATRIX, MLFLOW, OPEN_INFERENCE, ROWS, Wire

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
READY_SECONDS = 60.0
# Number of rows whose answers are compared before a server is measured.
COMPARED = 20

_UVICORN = (
    "{python} -m uvicorn --app-dir {peers} --loop uvloop --http httptools --no-access-log --log-level warning "
    "--lifespan off --host 127.0.0.1 --port {port} "
)
_BENTOML = "{python} -m bentoml serve --working-dir {peers} --host 127.0.0.1 --port {port} "


@dataclass(frozen=True)
class Server:
    """One server to measure.

    Attributes:
        name: its name in the results.
        peer: name of the environment that it runs in, ``peers/PEER.txt``; empty for Trueline's own.
        command: command that starts it; ``{python}``, ``{port}``, ``{folder}`` and the like are filled in.
        wire: its route and JSON.
        environ: environment variables of its own.
        prepare: a command that runs before; its time is not counted.
        answers: False for a server that computes nothing.
    """

    name: str
    peer: str
    command: str
    wire: Wire = ROWS
    environ: Mapping[str, str] = field(default_factory=dict)
    prepare: str = ""
    answers: bool = True


SERVERS = {
    "echo": Server(
        "uvicorn, bare ASGI echo (no work: the limit of the server)", "asgi", f"{_UVICORN} echo:app", answers=False
    ),
    "bare": Server(
        "bare ASGI + pydantic + ONNX Runtime (the limit with the work done)", "asgi", f"{_UVICORN} bare:app"
    ),
    "trueline": Server(
        "Trueline, `bentoml serve`",
        "",
        "{python} -m bentoml serve service:RegressionService --host 127.0.0.1 --port {port}",
        environ={"BENTOML_HOME": "{home}", "TRUELINE_MODEL": MODEL_NAME},
    ),
    "fastapi": Server("FastAPI + pydantic + ONNX Runtime", "asgi", f"{_UVICORN} fastapi_onnx:app"),
    "mlserver": Server(
        "MLServer + ONNX Runtime",
        "mlserver",
        "{bin}/mlserver start {peers}",
        OPEN_INFERENCE,
        {
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{port2}",
            "MLSERVER_METRICS_PORT": "{port3}",
            "MLSERVER_PARALLEL_WORKERS": "0",
            "MLSERVER_DEBUG": "false",
            "MLSERVER_MODEL_NAME": "network",
            "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_onnx.Network",
        },
    ),
    "kserve": Server(
        "KServe's Python server + ONNX Runtime",
        "kserve",
        "{python} {peers}/kserve_onnx.py --http_port {port} --workers 1 --enable_grpc false "
        "--enable_latency_logging false",
        OPEN_INFERENCE,
    ),
    "mlflow": Server(
        "MLflow `models serve` + ONNX Runtime",
        "mlflow",
        "{python} -m mlflow models serve -m {folder}/mlflow-model --env-manager local --workers 1 --host 127.0.0.1 "
        "--port {port}",
        MLFLOW,
        {"MLFLOW_TRACKING_URI": "file:{folder}/mlruns", "PATH": "{bin}:{path}"},
        prepare="{python} {peers}/mlflow_onnx.py {folder}/mlflow-model",
    ),
    "litserve": Server("LitServe + ONNX Runtime", "litserve", "{python} {peers}/litserve_onnx.py {port}"),
    "litserve-batched": Server(
        "LitServe, batches of up to 32, + ONNX Runtime", "litserve", "{python} {peers}/litserve_onnx.py {port} 32"
    ),
    "bentoml": Server("BentoML `@bentoml.api` + ONNX Runtime", "bentoml", f"{_BENTOML} bentoml_stock:Stock"),
    "bentoml-batched": Server(
        "BentoML `batchable=True` + ONNX Runtime", "bentoml", f"{_BENTOML} bentoml_batched:Batched", MATRIX
    ),
    "keras-called": Server("FastAPI + Keras `model(x)`", "tensorflow", f"{_UVICORN} keras_called:app"),
    "keras-predicted": Server(
        "FastAPI + Keras `model.predict`, the tutorials' way", "tensorflow", f"{_UVICORN} keras_predicted:app"
    ),
    "ray": Server(
        "Ray Serve + ONNX Runtime",
        "ray",
        "{python} {peers}/ray_onnx.py {port} {folder}/r",
        environ={
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
            "PYTHONPATH": "{peers}",
        },
    ),
}


@dataclass(frozen=True)
class Running:
    """A started server.

    Attributes:
        ready_seconds: seconds from the start of the process to the first right answer.
    """

    family: Family
    port: int
    ready_seconds: float

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self.family.process

    def worker_memory(self) -> int:
        """Resident bytes of the process that answers requests: the largest of the server's processes."""
        return max(self.family.memory())


@contextlib.contextmanager
def start(
    server: Server,
    network: Network,
    folder: Path,
    python: Path,
    core: int | None,
    settings: Mapping[str, str] | None = None,
    root: Path = ROOT,
) -> Iterator[Running]:
    """Run a server on a free port of the loopback until the block ends.

    Args:
        folder: folder for its log and its BentoML home.
        python: the interpreter of its environment.
        core: the CPU core that it may use, or None for all.
        settings: environment variables of its own.
        root: the checkout that Trueline runs from. Defaults to this one.

    Raises:
        RuntimeError: it ended, gave a wrong answer, took too much memory, or was not ready in time.
    """
    log = folder / "server.log"
    port, port2, port3 = free_ports(3)
    words = {
        "python": python if server.peer else sys.executable,
        "bin": python.parent,
        "path": os.environ.get("PATH", ""),
        "peers": PEERS,
        "folder": folder,
        "home": network.home,
        "port": port,
        "port2": port2,
        "port3": port3,
    }
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("BENTOML_", "TRUELINE_", "PROMETHEUS_"))}
    environ |= {"BENTOML_DO_NOT_TRACK": "true", "ORT_DISABLE_TELEMETRY": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environ |= {"BENTOML_HOME": str(folder / "home-of-peer"), "TRUELINE_BENCHMARK_ONNX": str(network.onnx)}
    environ |= {name: value.format(**words) for name, value in server.environ.items()} | dict(settings or {})
    command = [word.format(**words) for word in server.command.split()]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    if server.prepare:
        _prepare(server, [word.format(**words) for word in server.prepare.split()], environ)
    began = time.monotonic()
    with family(command, environ, log, root) as members:
        _wait_for_answer(server, members, network, port, log)
        ready = time.monotonic() - began
        _compare(server, network, port)
        yield Running(members, port, ready)


def _prepare(server: Server, command: list[str], environ: Mapping[str, str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=READY_SECONDS, env=environ)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"Expected {server.name} to be prepared. Received: {error.stderr[-500:]!r}") from error


def _wait_for_answer(server: Server, members: Family, network: Network, port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    body = server.wire.bodies(network.rows[:1])[0]
    why = f"Expected {server.name} to answer within {READY_SECONDS:.0f} s."
    while time.monotonic() < deadline and members.process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _ask(server, port, body) is not None:
                return
        used = sum(members.memory())
        if used > MEMORY_LIMIT:
            why = f"Expected {server.name} to use at most {MEMORY_LIMIT >> 30} GiB. Received: {used >> 20} MiB."
            break
        time.sleep(0.02)
    raise RuntimeError(f"{why} Its log ends:\n{log.read_text(errors='replace')[-2000:]}")


def _compare(server: Server, network: Network, port: int) -> None:
    for body, expected in zip(server.wire.bodies(network.rows[:COMPARED]), network.values, strict=False):
        answer = _ask(server, port, body)
        if server.answers and (answer is None or abs(answer - expected) > 1e-3):
            raise RuntimeError(f"Expected {expected} of {server.name}. Received: {answer}.")


def _ask(server: Server, port: int, body: bytes) -> float | None:
    """One prediction, or None while the server is not ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", server.wire.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    if response.status in (404, 502, 503):
        return None
    if response.status != 200:
        raise RuntimeError(f"Expected status 200 of {server.name}. Received: {response.status} {answer[:500]!r}")
    return server.wire.read(answer)
