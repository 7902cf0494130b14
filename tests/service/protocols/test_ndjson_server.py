"""Streams and large requests through a real ``bentoml serve``."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import psutil
import pytest

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from tests.builders import build_version, sample_rows
from tests.processes import clean_environment, free_port, running, wait_until_ready
from tests.service.protocols.bodies import CSV, JSON, NDJSON, json_rows

COMMAND = [sys.executable, "-m", "bentoml", "serve", "service:RegressionService", "--host", "127.0.0.1"]
MAX_SECONDS = 10.0
HEAD = b"POST /predict HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    def __init__(self, pid: int, port: int, predictor: Predictor) -> None:
        self.port, self.predictor = port, predictor
        children = psutil.Process(pid).children(recursive=True)
        self.worker = max((c for c in children if "worker.service" in " ".join(c.cmdline())), key=lambda c: c.pid)

    def memory(self) -> int:
        rss: int = self.worker.memory_info().rss
        return rss

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def post(self, media_type: str, body: Any) -> tuple[int, bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("POST", "/predict", body, {"Content-Type": media_type})
            response = connection.getresponse()
            return response.status, response.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ndjson")
    registry, port, log = LocalRegistry(folder / "home"), free_port(), folder / "log"
    version = build_version(registry, promote=True)
    environ = clean_environment(registry.home, TRUELINE_WORKERS="1", TRUELINE_BODY_SECONDS="2")
    with running([*COMMAND, "--port", str(port)], log, environ) as process:
        wait_until_ready(process, port, log)
        yield Server(process.pid, port, Predictor.load(version.path))
    assert "Traceback" not in log.read_text()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def lines_of(connection: socket.socket) -> Iterator[bytes]:
    """The lines of a chunked answer, without its head."""
    file = connection.makefile("rb")
    assert file.readline().startswith(b"HTTP/1.1 200")
    while file.readline().strip():
        pass
    rest = b""
    while size := int(file.readline(), 16):
        *lines, rest = (rest + file.read(size)).split(b"\n")
        file.readline()
        yield from lines


def test_two_million_rows_pass_in_flat_memory(server: Server) -> None:
    rows = sample_rows(server.predictor.schema, 2000)
    expected = server.predictor.predict_rows(rows).value[:, 0].tolist()
    block = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    connection = server.connect()
    n_blocks = 0

    def send() -> None:
        nonlocal n_blocks
        end = time.monotonic() + MAX_SECONDS
        connection.sendall(HEAD)
        while n_blocks < 1000 and time.monotonic() < end:
            connection.sendall(chunk(block))
            n_blocks += 1
        connection.sendall(b"0\r\n\r\n")

    sender = threading.Thread(target=send)
    sender.start()
    lines, n_lines, memory = lines_of(connection), 0, []
    while batch := list(islice(lines, 2000)):
        if n_lines % 20_000 == 0:
            assert [json.loads(line)["value"] for line in batch] == expected
            memory.append(server.memory())
        n_lines += len(batch)
    sender.join()
    connection.close()
    assert n_lines == 2000 * n_blocks
    assert n_lines > 100_000
    assert max(memory) - memory[1] < 4 * 2**20
    assert max(memory) < 200 * 2**20


def test_each_line_is_answered_before_the_next_is_sent_and_a_bad_one_in_its_place(server: Server) -> None:
    row = json.dumps(server.predictor.schema.example_row()).encode()
    connection = server.connect()
    connection.sendall(HEAD + chunk(row + b"\n"))
    lines = lines_of(connection)
    value = json.loads(next(lines))["value"]
    for bad in (b"{oops\n", b"[]\n", b'{"age": "x"}\n', b"\xff\n"):
        connection.sendall(chunk(bad + row + b"\n"))
        assert json.loads(next(lines))["error"]["code"] == "invalid_request"
        assert json.loads(next(lines))["value"] == value
    connection.sendall(chunk(row) + b"0\r\n\r\n")
    assert json.loads(next(lines))["value"] == value
    assert list(lines) == []
    connection.close()


def test_a_client_that_does_not_read_is_not_read_from(server: Server) -> None:
    block = b"".join(json.dumps(row).encode() + b"\n" for row in sample_rows(server.predictor.schema, 2000))
    before = server.memory()
    connection = server.connect()
    connection.settimeout(1)
    connection.sendall(HEAD)
    n_bytes = 0
    with contextlib.suppress(TimeoutError):
        for _ in range(300):
            connection.sendall(chunk(block))
            n_bytes += len(block)
    assert n_bytes < 100 * len(block)
    assert server.memory() - before < 30 * 2**20
    connection.close()


def test_a_client_that_stops_and_a_line_without_an_end(server: Server) -> None:
    row = json.dumps(server.predictor.schema.example_row()).encode()
    connection = server.connect()
    connection.sendall(HEAD + chunk(row + b"\n"))
    answers = [json.loads(line) for line in lines_of(connection)]
    assert "value" in answers[0]
    assert answers[1]["error"]["code"] == "body_timeout"
    connection.close()
    status, answer = server.post(NDJSON, (b"x" * 65_536 for _ in range(200)))
    assert (status, json.loads(answer)["error"]["code"]) == (413, "too_large")


def test_a_gigabyte_is_refused_unread(server: Server) -> None:
    for media_type in (JSON, CSV):
        connection = server.connect()
        head = f"POST /predict HTTP/1.1\r\nHost: t\r\nContent-Type: {media_type}\r\nContent-Length: {2**30}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")
        connection.close()


def test_a_large_request_does_not_hold_up_small_ones(server: Server) -> None:
    body = json_rows(sample_rows(server.predictor.schema, 20_000))
    small = json_rows([server.predictor.schema.example_row()])
    server.post(JSON, body)
    before, times, statuses = server.memory(), [], []
    beside = threading.Thread(target=lambda: statuses.extend(server.post(JSON, body)[0] for _ in range(5)))
    beside.start()
    while beside.is_alive():
        started = time.perf_counter()
        assert server.post(JSON, small)[0] == 200
        times.append(time.perf_counter() - started)
    assert statuses == [200] * 5
    # If the large request held up the others, the median would be a tenth of a second. A busy machine adds a few ms.
    assert sorted(times)[len(times) // 2] < 0.03
    assert server.memory() - before < 30 * 2**20
