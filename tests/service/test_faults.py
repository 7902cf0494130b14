"""Bad days of a real ``bentoml serve``: killed workers, a stop under load, clients that stand still, lost files."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.processes import call, clean_environment, free_port, running, wait_until_ready
from tests.service.test_live_server import COMMAND, Server, sum_of, wait_for


@contextlib.contextmanager
def served(folder: Path, name: str = "one", home: Path | None = None, **environ: str) -> Iterator[Server]:
    registry, port, log = LocalRegistry(home or folder / "home"), free_port(), folder / f"{name}.log"
    if not registry.names():
        build_version(registry, promote=True)
    with running([*COMMAND, "--port", str(port)], log, clean_environment(registry.home, **environ)) as process:
        wait_until_ready(process, port, log)
        yield Server(process, port, registry, log)


def body_of(server: Server) -> str:
    return json.dumps({"rows": [Predictor.load(server.registry.resolve("houses").path).schema.example_row()]})


def test_a_killed_worker_comes_back_in_a_container_too_and_readiness_tells(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_WORKERS="2", BENTOML_CONTAINERIZED="true") as server:
        series = 'trueline_requests_total{route="/predict",status="200"}'
        body = body_of(server)
        for _ in range(10):
            assert server.post(body)[0] == 200
        wait_for(lambda: sum_of(server, series) == 10)
        victim, other = server.workers()
        victim.kill()
        wait_for(lambda: call(server.port, "/readyz")[0] == 503)
        assert server.post(body)[0] == 200  # the other worker answers
        wait_for(lambda: call(server.port, "/readyz")[0] == 200, 20)
        assert len(server.workers()) == 2
        assert other.pid in {w.pid for w in server.workers()}
        for _ in range(10):
            assert server.post(body)[0] == 200
        wait_for(lambda: sum_of(server, series) == 21)  # the dead worker's counts still count
        memory = re.findall(r'trueline_process_resident_memory_bytes\{pid="(\d+)"\}', server.metrics())
        assert set(map(int, memory)) == {w.pid for w in server.workers()}


def test_sigterm_under_load_loses_no_request(tmp_path: Path) -> None:
    outcomes: Counter[object] = Counter()
    stopping = threading.Event()

    def client(port: int, body: str) -> None:
        """Behave like a load balancer: open new connections until the service is not ready, then none."""
        while not stopping.is_set():
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                for _ in range(50):
                    try:
                        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                        response = connection.getresponse()
                        response.read()
                        outcomes[response.status] += 1
                    except (OSError, http.client.HTTPException) as error:
                        outcomes[repr(error)] += 1
                        return
                    if response.getheader("Connection") == "close":
                        outcomes["close"] += 1
                        break
                    if stopping.is_set():
                        break

    with served(tmp_path, TRUELINE_WORKERS="2", TRUELINE_DRAIN_SECONDS="3") as server:
        body = body_of(server)
        clients = [threading.Thread(target=client, args=(server.port, body)) for _ in range(4)]
        for thread in clients:
            thread.start()
        wait_for(lambda: outcomes[200] > 100)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: call(server.port, "/readyz")[0] == 503)
        status, answer = server.post(body)
        assert (status, len(answer["predictions"])) == (200, 1)  # unready, and still answering
        wait_for(lambda: outcomes["close"] > 20)
        stopping.set()
        for thread in clients:
            thread.join()
        assert server.process.wait(30) == 0
        assert set(outcomes) == {200, "close"}
        assert "Traceback" not in server.log.read_text()


def test_a_half_sent_request_is_finished_while_it_drains(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_DRAIN_SECONDS="0.3") as server:
        body = body_of(server).encode()
        length = f"Content-Length: {len(body)}"
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(head.encode() + body[:10])
            time.sleep(0.1)
            server.process.send_signal(signal.SIGTERM)
            wait_for(lambda: refuses(server.port))  # the listener is closed by now
            connection.sendall(body[10:])
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer.lower()
        assert server.process.wait(30) == 0


def refuses(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            return connection.recv(100) == b""
    except OSError:
        return True


def test_clients_that_stand_still_are_let_go_and_the_others_are_answered(tmp_path: Path) -> None:
    limits = {"TRUELINE_HEADER_SECONDS": "0.5", "TRUELINE_BODY_SECONDS": "1"}
    with served(tmp_path, **limits) as server:
        body = body_of(server)
        silent, slow, stuck = (socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(3))
        end = threading.Event()

        def drip() -> None:
            """Send a head that never ends, one byte at a time."""
            with contextlib.suppress(OSError):
                while not end.wait(0.1):
                    slow.sendall(b"x")

        stuck.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        slow.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        thread = threading.Thread(target=drip)
        thread.start()
        with silent, slow, stuck:
            for connection in (silent, slow):
                with contextlib.suppress(ConnectionResetError):
                    assert connection.recv(100) == b""
                assert server.post(body)[0] == 200
            assert stuck.recv(1000).startswith(b"HTTP/1.1 408")
        end.set()
        thread.join()
        worker = server.workers()[0]
        wait_for(lambda: len([c for c in worker.net_connections() if c.status == psutil.CONN_ESTABLISHED]) == 0)


def test_overload_is_shed_with_429_and_memory_stays_flat(tmp_path: Path) -> None:
    # Every batch runs in the thread and the queue is small, so more rows wait than it holds.
    with served(tmp_path, TRUELINE_MAX_QUEUE_ROWS="50", TRUELINE_INLINE_SECONDS="0") as server:
        row = json.loads(body_of(server))["rows"][0]
        body = json.dumps({"rows": [row] * 40})
        worker = server.workers()[0]
        statuses: Counter[int] = Counter()
        waits: set[str | None] = set()
        end = threading.Event()

        def client() -> None:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
                while not end.is_set():
                    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                    response = connection.getresponse()
                    response.read()
                    statuses[response.status] += 1
                    if response.status == 429:
                        waits.add(response.getheader("Retry-After"))

        clients = [threading.Thread(target=client) for _ in range(12)]
        for thread in clients:
            thread.start()
        wait_for(lambda: statuses[429] > 20 and statuses[200] > 20, 30)
        before = worker.memory_info().rss
        wait_for(lambda: statuses[429] + statuses[200] > 1500, 60)
        after = worker.memory_info().rss
        assert call(server.port, "/readyz")[0] == 200
        end.set()
        for thread in clients:
            thread.join()
        assert set(statuses) == {200, 429}
        assert waits == {"1"}
        assert after - before < 20 * 2**20
        wait_for(lambda: sum_of(server, "trueline_shed_total") == statuses[429])


def test_two_services_of_one_store_keep_their_metrics_apart(tmp_path: Path) -> None:
    series = 'trueline_requests_total{route="/predict",status="200"}'
    with served(tmp_path) as first:
        body = body_of(first)
        for _ in range(5):
            first.post(body)
        with served(tmp_path, "two") as second:
            for _ in range(3):
                second.post(body)
            wait_for(lambda: sum_of(second, series) == 3)
            wait_for(lambda: sum_of(first, series) == 5)
        first.post(body)
        wait_for(lambda: sum_of(first, series) == 6)


def test_the_models_files_may_go_while_it_serves(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        body = body_of(server)
        (version,) = server.registry.versions("houses")
        folder = server.registry.models / "houses" / version
        folder.rename(tmp_path / "away")
        wait_for(lambda: sum_of(server, "trueline_version_missing") == 1)
        assert server.post(body)[0] == 200
        assert call(server.port, "/readyz")[0] == 200
        sentence = f"houses:{version} keeps serving. Expected the champion of 'houses', houses:{version}, in the store."
        assert server.log.read_text().count(sentence) == 1
        (tmp_path / "away").rename(folder)
        wait_for(lambda: sum_of(server, "trueline_version_missing") == 0)
        assert "Traceback" not in server.log.read_text()


def test_a_metrics_folder_that_cannot_be_written_or_emptied_stops_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.touch()  # no folder can be made below a file, not even by root
    with served(tmp_path, TRUELINE_RUNTIME_FOLDER=str(blocked)) as server:
        assert server.post(body_of(server))[0] == 200
        assert "trueline_requests_total" in server.metrics()


def test_the_runtime_folder_is_removed_at_the_end(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with served(tmp_path, TMPDIR=str(temporary)) as server:
        (folder,) = temporary.glob("trueline-*")
        assert len(list((folder / "metrics" / "workers").iterdir())) == 1
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.process.wait(30) == 0
    assert list(temporary.glob("trueline-*")) == []


@pytest.mark.parametrize("level", ["json", "text"])
def test_the_log_says_nothing_of_keys_and_names_the_request(tmp_path: Path, level: str) -> None:
    settings = {"TRUELINE_LOG_FORMAT": level, "TRUELINE_ACCESS_LOG": "true", "TRUELINE_API_KEY": "open-sesame"}
    with served(tmp_path, **settings) as server:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
            headers = {"X-API-Key": "open-sesame", "X-Request-ID": "order-17", "Content-Type": "application/json"}
            connection.request("POST", "/predict", body_of(server), headers)
            assert connection.getresponse().status == 200
        assert call(server.port, "/schema")[0] == 401
        wait_for(lambda: "order-17" in server.log.read_text())
        text = server.log.read_text()
        assert "open-sesame" not in text
        if level == "json":
            (line,) = (json.loads(line) for line in text.splitlines() if "order-17" in line)
            assert (line["request_id"], line["status"], line["path"]) == ("order-17", 200, "/predict")
