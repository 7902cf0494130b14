"""More bad days of a real ``bentoml serve``: a worker killed with a request open, a clock that jumps, full disks."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from artifact.registry.entry import Change
from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.processes import ROOT, call, clean_environment, free_port, running, wait_until_ready
from tests.service.test_faults import body_of, served
from tests.service.test_live_server import COMMAND, Load, Server, wait_for

LIBFAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
HALF = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


def workers_of(server: Server) -> list[psutil.Process]:
    """The workers, even while one of them is ending."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return server.workers()
    return []


def test_a_worker_killed_with_a_request_open_takes_down_only_that(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_WORKERS="2") as server, contextlib.ExitStack() as stack:
        body = body_of(server)
        victim, other = server.workers()
        sockets = []

        def held_by_the_victim() -> socket.socket | None:
            """A connection with half a request on it, once the victim has accepted one."""
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
            connection.sendall(HALF)
            sockets.append(connection)
            time.sleep(0.05)
            peers = {c.raddr.port for c in victim.net_connections() if c.raddr}
            return next((s for s in sockets if s.getsockname()[1] in peers), None)

        wait_for(held_by_the_victim)
        victim_sockets = held_by_the_victim()
        assert victim_sockets is not None
        victim.kill()
        # The client sees its connection end, at once and without half an answer.
        with contextlib.suppress(ConnectionResetError):
            assert victim_sockets.recv(1000) == b""
        # The other worker answers the next request, and keeps its own open requests.
        assert server.post(body)[0] == 200
        assert other.is_running()
        wait_for(lambda: call(server.port, "/readyz")[0] == 200, 30)
        wait_for(lambda: len(workers_of(server)) == 2)
        assert other.pid in {worker.pid for worker in server.workers()}
        assert all(server.post(body)[0] == 200 for _ in range(10))
        assert "Traceback" not in server.log.read_text()


def test_a_body_of_a_byte_a_moment_is_ended_in_time(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_BODY_SECONDS="1") as server:
        body = body_of(server)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
            slow.sendall(HALF)
            end = threading.Event()

            def drip() -> None:
                with contextlib.suppress(OSError):
                    while not end.wait(0.05):
                        slow.sendall(b" ")

            thread = threading.Thread(target=drip)
            thread.start()
            while not end.is_set():
                assert server.post(body)[0] == 200  # beside it
                slow.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    assert slow.recv(1000).startswith(b"HTTP/1.1 408")
                    end.set()
            thread.join()


@pytest.mark.skipif(LIBFAKETIME is None, reason="libfaketime is not installed (apt-get install libfaketime)")
def test_a_clock_that_jumps_changes_nothing_but_timestamps(tmp_path: Path) -> None:
    clock = tmp_path / "clock"

    def jump(offset: str) -> None:
        new = tmp_path / "clock.new"
        new.write_text(offset)
        new.rename(clock)

    jump("+0")
    # Only the wall clock jumps, as when somebody sets it.
    faked = {"LD_PRELOAD": str(LIBFAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    # libfaketime's help for C libraries that hang would end each timed wait for Python's lock at once: workers spin.
    faked |= {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0", "FAKETIME_DONT_RESET": "1"}
    with served(tmp_path, **faked, TRUELINE_WORKERS="2", TRUELINE_DEADLINE_SECONDS="60") as server:
        first = server.get("/readyz")["model_version"]
        second = build_version(server.registry, seed=1).version
        workers = server.workers()
        with Load(server, clients=2) as load:
            for version, offset in ((second, "+30d"), (first, "-30d"), (second, "-3650d"), (first, "+0")):
                jump(offset)
                n_answers = load.outcomes.total()
                wait_for(lambda n_answers=n_answers: load.outcomes.total() > n_answers + 50, 60)
                with socket.create_connection(("127.0.0.1", server.port), timeout=5) as half:
                    half.sendall(HALF)  # an open request does not end because the clock moved by a day
                    half.settimeout(0.5)
                    with pytest.raises(TimeoutError):
                        half.recv(100)
                # A promotion is noticed by the file's identity, not by its age or by the time that it says.
                promote_by_the_same_clock(server, version, faked)
                wait_for(lambda version=version: server.get("/readyz")["model_version"] == version, 60)
                wait_for(lambda version=version: server.live_versions() == {version: 2}, 60)
                numbers = 2 * [server.registry.history("houses")[-1].number]
                wait_for(lambda n=numbers: [lease.number for lease in server.registry.leases("houses")] == n)
        assert {status for status, _ in load.outcomes} == {200}
        # Entries are in the order of their numbers, and not of their times.
        entries = server.registry.history("houses")
        assert [entry.champion for entry in entries] == [first, second, first, second, first]
        assert entries[3].when < "2020" < entries[0].when < entries[4].when < entries[1].when
        assert server.workers() == workers
        assert "Traceback" not in server.log.read_text()


def promote_by_the_same_clock(server: Server, version: str, faked: dict[str, str]) -> None:
    environ = {**clean_environment(server.registry.home), **faked}
    words = [sys.executable, "-m", "trueline", "promote", f"houses:{version}"]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_the_clock_of_that_test_really_jumps(tmp_path: Path) -> None:
    if LIBFAKETIME is None:
        pytest.skip("libfaketime is not installed (apt-get install libfaketime)")
    (tmp_path / "clock").write_text("+30d")
    faked = {
        "LD_PRELOAD": str(LIBFAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }
    with served(tmp_path, **faked) as server:
        loaded_at = server.get("/model")["loaded_at"]
    assert loaded_at > time.strftime("%Y-%m-%d", time.gmtime(time.time() + 20 * 86_400))


def test_metrics_that_cannot_be_written_stop_nothing(tmp_path: Path) -> None:
    # A limit on the size of files refuses those of the metrics, as a full disk does; the log stays below the limit.
    registry, port, log = LocalRegistry(tmp_path / "home"), free_port(), tmp_path / "log"
    build_version(registry, promote=True)
    limited = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *COMMAND, "--port", str(port)]
    with running(limited, log, clean_environment(registry.home, TRUELINE_METRICS_SECONDS="0.05")) as process:
        wait_until_ready(process, port, log)
        server = Server(process, port, registry, log)
        body, workers = body_of(server), server.workers()
        for path in ("/model", "/schema", "/nothing", "/v2", "/v2/models/houses"):
            call(port, path)
            assert server.post(body)[0] == 200
            time.sleep(0.06)
        assert call(port, "/metrics")[0] == 200
        assert server.workers() == workers
        text = log.read_text()
    assert text.count("Metrics stay in this worker") == 1
    assert "Traceback" not in text


def test_a_metrics_folder_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "runtime"
    with served(tmp_path, TRUELINE_RUNTIME_FOLDER=str(folder), TRUELINE_METRICS_SECONDS="0.05") as server:
        body, workers = body_of(server), server.workers()
        assert server.post(body)[0] == 200
        shutil.rmtree(folder)
        for _ in range(20):
            assert server.post(body)[0] == 200
            time.sleep(0.01)
        assert call(server.port, "/metrics")[0] == 200
        assert call(server.port, "/livez")[0] == 200
        assert server.workers() == workers
        assert "Traceback" not in server.log.read_text()


def test_a_version_whose_files_are_gone_before_it_goes_live_is_not_served(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        body = body_of(server)
        first = server.get("/readyz")["model_version"]
        for missing_file in ("model.onnx", None):
            version = build_version(server.registry, seed=1)
            (version.path / missing_file).unlink() if missing_file else shutil.rmtree(version.path)
            entry = server.registry.deployment("houses")
            change = Change.model_validate({**dict(entry), "champion": version.version})
            server.registry.deploy("houses", change, after=entry.number)
            wait_for(lambda version=version: version.version in server.log.read_text())
            assert server.post(body)[1]["model_version"] == first
            assert call(server.port, "/readyz")[0] == 200
        last = build_version(server.registry, seed=2, promote=True).version
        wait_for(lambda: server.post(body)[1]["model_version"] == last, 30)
        (worker,) = server.workers()
        assert psutil.pid_exists(worker.pid)
        assert "Traceback" not in server.log.read_text()
