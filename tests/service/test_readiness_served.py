"""``/readyz``, the metrics and the log of a service without a worker or without a free descriptor."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.processes import call, clean_environment, free_port, running, wait_until_ready
from tests.service.test_faults import body_of, served
from tests.service.test_live_server import COMMAND, Server, wait_for


def ready_by(server: Server) -> tuple[bool, bool]:
    """The values of ``/readyz`` and ``trueline_ready``, read until ``/readyz`` is the same before and after."""
    for _ in range(50):
        # A worker that dies because memory ran out gives no answer: the scrape fails and the connection ends.
        with contextlib.suppress(OSError, http.client.HTTPException):
            before = call(server.port, "/readyz")[0]
            status, scraped = call(server.port, "/metrics")
            if status == 200 and call(server.port, "/readyz")[0] == before:
                (gauge,) = re.findall(r"^trueline_ready (.*)$", scraped.decode(), re.MULTILINE)
                return before == 200, float(gauge) == 1
    raise AssertionError("readiness changes all the time")


def predicts(server: Server) -> bool:
    """Whether a prediction is answered now."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return bool(server.post(body_of(server))[0] == 200)
    return False


def watch(server: Server, seconds: float) -> list[bool]:
    """Ask for some time, and return for each answer whether the service was ready."""
    answers = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ready, gauge = ready_by(server)
        assert ready == gauge
        answers.append(ready)
        time.sleep(0.02)
    return answers


def test_case_v03_a_worker_dies_and_readiness_is_one(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_WORKERS="2") as server:
        assert ready_by(server) == (True, True)
        for worker in (server.workers()[0], server.workers()[1]):
            worker.kill()
            wait_for(lambda: ready_by(server) == (False, False), 5)
            answers = watch(server, 1.0)
            assert False in answers
            wait_for(lambda: ready_by(server) == (True, True), 30)


def test_case_v03_a_worker_that_never_comes_back(tmp_path: Path) -> None:
    """New workers die because memory runs out, as in a full container."""
    with served(tmp_path, TRUELINE_WORKERS="2") as server:
        victim, other = server.workers()
        parent = psutil.Process(server.process.pid)
        limit = parent.memory_info().vms + 2**26
        assert victim.memory_info().vms > limit  # otherwise they would start
        parent.rlimit(psutil.RLIMIT_AS, (limit, limit))
        victim.kill()
        wait_for(lambda: ready_by(server) == (False, False), 5)
        assert set(watch(server, 6.0)) == {False}
        # The remaining worker answers; a new one that has not died yet answers 503.
        wait_for(lambda: predicts(server), 10)
        assert other.is_running()


def test_a_worker_that_comes_back_without_a_model(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_WORKERS="2") as server:
        models = server.registry.models
        (moved := tmp_path / "moved").mkdir()
        (models / "houses").rename(moved / "houses")
        victim, survivor = server.workers()
        victim.kill()
        wait_for(lambda: ready_by(server) == (False, False), 5)
        # It accepts no connections, so that each call is answered, and nothing keeps calls away.
        wait_for(lambda: ready_by(server) == (True, True), 30)
        assert len(server.workers()) == 2
        assert set(watch(server, 3.0)) == {True}
        survivor.kill()
        wait_for(lambda: ready_by(server) == (False, False), 5)
        wait_for(lambda: len(server.workers()) == 2, 30)
        assert set(watch(server, 3.0)) == {False}
        (moved / "houses").rename(models / "houses")
        wait_for(lambda: ready_by(server) == (True, True), 30)


def test_a_service_that_stops_is_not_ready(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_DRAIN_SECONDS="3") as server:
        server.process.terminate()
        wait_for(lambda: ready_by(server) == (False, False), 3)


@contextlib.contextmanager
def with_few_descriptors(folder: Path, count: int, **environ: str) -> Iterator[Server]:
    registry, port, log = LocalRegistry(folder / "home"), free_port(), folder / "log"
    build_version(registry, promote=True)
    limited = ["sh", "-c", f'ulimit -n {count} && exec "$@"', "sh", *COMMAND, "--port", str(port)]
    with running(limited, log, clean_environment(registry.home, **environ)) as process:
        wait_until_ready(process, port, log)
        yield Server(process, port, registry, log)


def ask(connection: http.client.HTTPConnection, path: str, body: str | None = None) -> tuple[int, str]:
    connection.request("GET" if body is None else "POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read().decode()


def answers(server: Server) -> bool:
    with contextlib.suppress(OSError):
        return call(server.port, "/livez")[0] == 200
    return False


def test_case_v24_descriptors_that_run_out_are_logged_once_and_the_service_recovers(tmp_path: Path) -> None:
    with with_few_descriptors(tmp_path, 120, TRUELINE_HEADER_SECONDS="60") as server, contextlib.ExitStack() as idle:
        connection = idle.enter_context(
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20))
        )
        assert ask(connection, "/readyz")[0] == 200
        for _ in range(150):
            idle.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
        wait_for(lambda: "Expected a free file descriptor" in server.log.read_text())
        assert not answers(server)
        # A request over a connection that was open before is answered.
        assert ask(connection, "/predict", body_of(server))[0] == 200
        for path in ("/readyz", "/metrics"):
            status, answer = ask(connection, path)
            assert (status, "Received: Too many open files." in answer) == (503, True)
        time.sleep(2.5)  # time for two more looks
        (line,) = [line for line in server.log.read_text().splitlines() if "file descriptor" in line]
        assert "Received: none of this process's 120 (ulimit -n), with " in line
        assert "connections open. New connections are closed without an answer. Raise the limit" in line
        idle.close()
        wait_for(lambda: answers(server))
        assert server.post(body_of(server))[0] == 200
        wait_for(lambda: "There are free file descriptors again" in server.log.read_text())
        assert "Traceback" not in server.log.read_text()
