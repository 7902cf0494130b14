"""One real ``bentoml serve`` with two workers, over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from artifact.registry.waiting import reached
from tests.builders import build_version, sample_rows
from tests.processes import ROOT, call, clean_environment, free_port, running, wait_until_ready

COMMAND = [sys.executable, "-m", "bentoml", "serve", "service:RegressionService", "--host", "127.0.0.1"]


class Server:
    def __init__(self, process: subprocess.Popen[bytes], port: int, registry: LocalRegistry, log: Path) -> None:
        self.process, self.port, self.registry, self.log = process, port, registry, log

    def post(self, body: str) -> tuple[int, Any]:
        status, answer = call(self.port, "/predict", body)
        return status, json.loads(answer)

    def get(self, path: str) -> Any:
        status, answer = call(self.port, path)
        assert status == 200, answer
        return json.loads(answer)

    def metrics(self) -> str:
        return call(self.port, "/metrics")[1].decode()

    def live_versions(self) -> Counter[str]:
        """The number of workers that serve each version."""
        versions = re.findall(r'trueline_model_info\{.*model_version="(.*?)".*\} 1\.0', self.metrics())
        return Counter(versions)

    def workers(self) -> list[psutil.Process]:
        return [c for c in psutil.Process(self.process.pid).children(recursive=True) if _is_worker(c)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "_bentoml_impl.worker.service" in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False  # the process has just ended


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    registry, port, log = LocalRegistry(folder / "home"), free_port(), folder / "log"
    build_version(registry, promote=True, seed=0)
    build_version(registry, seed=1)
    # A gigabyte may take long to send: the client reads the answer however busy the machine is.
    environ = clean_environment(registry.home, TRUELINE_WORKERS="2", TRUELINE_LINGER_SECONDS="60")
    started = time.monotonic()
    with running([*COMMAND, "--port", str(port)], log, environ) as process:
        wait_until_ready(process, port, log)
        assert time.monotonic() - started < 20
        server = Server(process, port, registry, log)
        wait_for(lambda: sum(server.live_versions().values()) == 2)
        yield server
        assert process.poll() is None
    text = log.read_text()
    assert "Traceback" not in text
    assert "Error" not in text


def wait_for(condition: Any, seconds: float = 10.0) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "not in time"
        time.sleep(0.02)
    return time.monotonic() - started


def test_answers_are_the_predictors_to_the_last_bit(server: Server) -> None:
    predictor = Predictor.load(server.registry.resolve("houses:champion").path)
    rows = sample_rows(predictor.schema, 40)
    expected = predictor.predict_rows(rows)
    status, body = server.post(json.dumps({"rows": rows}))
    assert status == 200
    for name in ("value", "lower", "upper"):
        assert [p[name] for p in body["predictions"]] == getattr(expected, name)[:, 0].tolist()
    for row, value in zip(rows, expected.value[:, 0].tolist(), strict=True):
        assert server.post(json.dumps({"rows": [row]}))[1]["predictions"][0]["value"] == value


def test_the_example_is_answered_as_it_is_by_the_version_that_is_live(server: Server) -> None:
    status, example = call(server.port, "/example")
    assert status == 200
    schema = Predictor.load(server.registry.resolve("houses:champion").path).schema
    assert json.loads(example) == {"rows": [schema.example_row()]}
    status, answer = server.post(example.decode())
    assert status == 200, answer
    (prediction,) = answer["predictions"]
    assert prediction["warnings"] == []
    assert prediction["lower"] <= prediction["value"] <= prediction["upper"]
    assert call(server.port, "/example", "{}")[0] == 405


def test_bentomls_own_client_works(server: Server) -> None:
    row = Predictor.load(server.registry.resolve("houses").path).schema.example_row()
    code = (
        "import sys, json, bentoml\n"
        "with bentoml.SyncHTTPClient(sys.argv[1]) as client:\n"
        "    row = json.loads(sys.argv[2])\n"
        "    columns = {name: [value] for name, value in row.items()}\n"
        "    found = [client.predict(rows=[row], interval=0.5), client.predict(columns=columns)]\n"
        "print(json.dumps(found))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, f"http://127.0.0.1:{server.port}", json.dumps(row)]
    environ = clean_environment(server.registry.home)
    rows, columns = json.loads(subprocess.run(command, env=environ, capture_output=True, check=True, timeout=60).stdout)
    assert rows["predictions"][0]["value"] == columns["columns"]["value"][0]


def test_bentoml_knows_the_route_and_serves_the_pages_parts(server: Server) -> None:
    (route,) = server.get("/schema.json")["routes"]
    assert (route["name"], route["route"]) == ("predict", "/predict")
    assert sorted(route["input"]["properties"]) == ["columns", "interval", "rows"]
    page = call(server.port, "/docs")[1].decode()
    parts = re.findall(r'(?:src|href)="\.(/[^"]+)"', page)
    assert len(parts) == 5
    assert all(call(server.port, part)[0] == 200 for part in parts)
    assert "income" in server.get("/docs.json")["components"]["schemas"]["Row"]["properties"]


def test_no_training_library_is_in_a_worker(server: Server) -> None:
    workers = server.workers()
    assert len(workers) == 2
    for worker in workers:
        maps = Path(f"/proc/{worker.pid}/maps").read_text()
        assert "onnxruntime" in maps
        assert re.search(r"tensorflow|keras|jaxlib|sklearn|polars|pyarrow", maps) is None
        assert worker.memory_info().rss < 180 * 2**20


def test_a_gigabyte_is_refused_with_flat_memory_and_the_client_reads_the_answer(server: Server) -> None:
    before = max(w.memory_info().rss for w in server.workers())
    peak, end = [before], threading.Event()

    def watch() -> None:
        while not end.wait(0.02):
            peak.append(max(w.memory_info().rss for w in server.workers()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    block = b" " * 2**20
    try:
        for headers in ({"Content-Length": str(2**30)}, {"Transfer-Encoding": "chunked"}):
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
                chunked = "Transfer-Encoding" in headers
                connection.request(
                    "POST",
                    "/predict",
                    (block for _ in range(1024)),
                    {"Content-Type": "application/json", **headers},
                    encode_chunked=chunked,
                )
                response = connection.getresponse()
                assert response.status == 413
                assert json.loads(response.read())["error"]["code"] == "too_large"
    finally:
        end.set()
        watcher.join()
    assert max(peak) - before < 40 * 2**20
    assert len(server.workers()) == 2


@pytest.mark.parametrize("body", ["{", "[]", '{"rows": [{"age": NaN}]}', "[" * 10_000, '{"rows": [{}]}', '"'])
def test_bad_bodies_get_a_4xx(server: Server, body: str) -> None:
    status, answer = server.post(body)
    assert status in (400, 422)
    assert sorted(answer["error"]) == ["code", "details", "message"]


def test_garbage_on_the_wire_does_not_hurt(server: Server) -> None:
    for data in (b"\x00\xff garbage\r\n\r\n", b"POST /predict HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                assert b" 5" not in connection.recv(4096)[:20]
    half = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(half)
    assert call(server.port, "/livez")[0] == 200


class Load:
    """Clients that send requests without pause; ``outcomes`` counts status and version of the answers."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.server = server
        self.outcomes: Counter[tuple[int | str, str]] = Counter()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        row = Predictor.load(self.server.registry.resolve("houses").path).schema.example_row()
        body = json.dumps({"rows": [row]})
        while not self._end.is_set():
            # Each connection sends a few requests, so that both workers get some.
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)) as client:
                for _ in range(20):
                    try:
                        client.request("POST", "/predict", body, {"Content-Type": "application/json"})
                        response = client.getresponse()
                        answer = json.loads(response.read())
                        self.outcomes[response.status, answer.get("model_version", "")] += 1
                    except (OSError, http.client.HTTPException, ValueError) as error:
                        self.outcomes[repr(error), ""] += 1


def test_promotion_and_rollback_reach_every_worker_within_2_s_without_a_failed_request(server: Server) -> None:
    first, second = server.registry.versions("houses")
    before = sum_of(server, 'trueline_requests_total{route="/predict",status="200"}')
    with Load(server) as load:
        for _ in range(2):
            server.registry.promote(f"houses:{second}")
            assert wait_for(lambda: server.live_versions() == {second: 2}, 2.0) < 2.0
            server.registry.rollback("houses")
            assert wait_for(lambda: server.live_versions() == {first: 2}, 2.0) < 2.0
    assert set(load.outcomes) == {(200, first), (200, second)}
    assert min(load.outcomes.values()) > 10
    series = 'trueline_requests_total{route="/predict",status="200"}'
    wait_for(lambda: sum_of(server, series) - before == sum(load.outcomes.values()))


def trueline(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trueline", *words]
    environ = clean_environment(server.registry.home)
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)


def test_who_promotes_knows_when_every_worker_has_it_live(server: Server) -> None:
    first, second = server.registry.versions("houses")
    done = trueline(server, "promote", f"houses:{second}", "--wait")
    assert done.returncode == 0, done.stderr
    assert re.search(r"Live in 2 workers of 1 service after [0-2]\.\d s\.", done.stdout)
    assert server.live_versions() == {second: 2}
    done = trueline(server, "rollback", "houses", "--wait", "--json")
    report = json.loads(done.stdout.splitlines()[-1])
    assert (len(report["workers"]["live"]), report["workers"]["late"], report["workers"]["refused"]) == (2, [], {})
    assert report["seconds"] < 2
    assert server.live_versions() == {first: 2}


def test_who_promotes_is_told_which_worker_has_not_taken_it(server: Server) -> None:
    first, second = server.registry.versions("houses")
    stopped = server.workers()[0]
    stopped.suspend()
    try:
        done = trueline(server, "promote", f"houses:{second}", "--wait", "--timeout", "2")
    finally:
        stopped.resume()
    assert done.returncode == 1
    assert f"Promoted houses:{second}" in done.stdout
    assert f"Expected every worker to make houses:{second} live. Received: 1 of 2 after 2." in done.stderr
    assert f"-{stopped.pid}-" in done.stderr
    assert f"still has {first} live. Take it back: `trueline rollback houses`." in done.stderr
    wait_for(lambda: server.live_versions() == {second: 2})
    assert trueline(server, "rollback", "houses", "--wait").returncode == 0


def sum_of(server: Server, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in server.metrics().splitlines() if line.startswith(name))


def test_a_damaged_version_is_refused_by_every_worker(server: Server) -> None:
    first = server.registry.versions("houses")[0]
    assert server.live_versions() == {first: 2}
    bad = build_version(server.registry, seed=2)
    (bad.path / "calibration.json").write_text("{}")
    server.registry.promote(f"houses:{bad.version}")
    wait_for(lambda: sum_of(server, 'trueline_model_loads_total{result="failed"}') == 2)
    assert server.get("/readyz")["model_version"] == first
    entry = server.registry.deployment("houses")
    wait_for(lambda: len(reached(server.registry, "houses", entry.number).refused) == 2)
    done = trueline(server, "rollback", "houses", "--wait")
    assert done.returncode == 0, done.stderr
    assert server.live_versions() == {first: 2}
    assert server.log.read_text().count("keeps serving") == 2
    # The service logs this as an error of the artifact; the fixture's check of the log must not count it as a fault.


def test_a_service_waits_for_its_first_champion_and_ends_cleanly(tmp_path: Path) -> None:
    registry, port, log = LocalRegistry(tmp_path / "home"), free_port(), tmp_path / "log"
    with running([*COMMAND, "--port", str(port)], log, clean_environment(registry.home)) as process:
        wait_for(lambda: listening(port))
        status, answer = call(port, "/readyz")
        assert status == 503
        assert "trueline train DATA --target COLUMN --promote" in json.loads(answer)["error"]["message"]
        assert call(port, "/predict", "{}")[0] == 503
        build_version(registry, promote=True)
        wait_until_ready(process, port, log, 5)
        server = Server(process, port, registry, log)
        workers = server.workers()
        with Load(server, clients=1) as load:
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        assert not any(w.is_running() and w.status() != psutil.STATUS_ZOMBIE for w in workers)
    assert load.outcomes[200, registry.versions("houses")[0]] > 10
    assert not any(isinstance(status, int) and status >= 500 for status, _ in load.outcomes)
    assert "Traceback" not in log.read_text()


def listening(port: int) -> bool:
    try:
        return call(port, "/livez")[0] == 200
    except OSError:
        return False
