"""The parent's checks, one by one: ports, folders, paths, settings without effect, deaths of workers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from artifact.registry.local import LocalRegistry
from service.process import places, ports, without_effect
from service.process.deaths import Deaths
from service.process.orphan import ParentWatch
from service.process.runtime_folder import LOCK, RuntimeFolder, remove_abandoned
from service.wire.errors import CANNOT_START, StartError
from tests.processes import free_port


def listening(port: int, *, shared: bool) -> socket.socket:
    """Listen as gRPC's server does in a worker, or as another program that does not share its port."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


def test_case_v02_a_port_that_is_held_is_shared_by_its_own_workers_alone() -> None:
    port = free_port()
    with ports.reserve("X", "127.0.0.1", port):
        for what in (ports.check, ports.reserve):
            for host in ("127.0.0.1", "0.0.0.0"):
                with pytest.raises(StartError, match=rf"^X: Expected a port to listen on\. Received: .*:{port}, which"):
                    what("X", host, port)
        with listening(port, shared=True) as one, listening(port, shared=True) as two:
            for _ in range(20):
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            one.setblocking(False)
            two.setblocking(False)
            n_connections = sum(drained(listener) for listener in (one, two))
            assert n_connections == 20  # the reserved socket got no connection
    ports.check("X", "127.0.0.1", port)


def drained(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.parametrize("shared", [True, False])
def test_a_port_that_another_program_listens_on_is_refused(shared: bool) -> None:
    port = free_port()
    with listening(port, shared=shared):
        for what in (ports.check, ports.reserve):
            with pytest.raises(StartError, match="which another process uses"):
                what("X", "127.0.0.1", port)
    # Connections that the server has just closed must not delay the next start by a minute.
    ports.reserve("X", "127.0.0.1", port).close()


@pytest.mark.parametrize(
    ("host", "message"),
    [("192.0.2.1", "where it cannot listen"), ("no.such.host.invalid", "no address of this machine")],
)
def test_an_address_that_is_not_this_machines_is_refused(host: str, message: str) -> None:
    with pytest.raises(StartError, match=message):
        ports.check("HTTP", host, 9)


def test_a_runtime_folder_is_one_services_alone_and_goes_with_it_where_it_is_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "run"
    first = RuntimeFolder.take(own)
    with pytest.raises(StartError, match=f"TRUELINE_RUNTIME_FOLDER: .*Received: {own}, which another service uses"):
        RuntimeFolder.take(own)
    first.close()
    RuntimeFolder.take(own).close()
    assert own.is_dir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lives, abandoned, foreign = RuntimeFolder.take(None), tmp_path / "trueline-dead", tmp_path / "trueline-notes"
    for folder in (abandoned, foreign):
        folder.mkdir()
    (abandoned / LOCK).touch()
    remove_abandoned(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["run", foreign.name, lives.path.name])
    lives.close()
    assert not lives.path.exists()


def test_a_runtime_folder_that_cannot_be_written_is_told_before_another_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for own in (tmp_path / "file", tmp_path / "file" / "below"):
        (tmp_path / "file").touch()
        caplog.clear()
        RuntimeFolder.take(own).close()
        message = f"TRUELINE_RUNTIME_FOLDER: Expected a folder that can be written. Received: {own} ("
        assert [record.getMessage().startswith(message) for record in caplog.records] == [True]


def test_case_v07_v08_paths_are_absolute_whatever_way_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/one")
    monkeypatch.setenv("PLACE", "/srv")
    paths = places.resolved(
        {
            "BENTOML_HOME": "rel/store",
            "BENTOML_CONFIG": "../b.yaml",
            "BENTOML_RESULT_STORE": ":memory:",
            "TRUELINE_API_KEY_FILE": "~/keys",
            "trueline_runtime_folder": "$PLACE/run",
            "TRUELINE_MODEL": "houses",
        }
    )
    assert paths == {
        "BENTOML_HOME": f"{tmp_path}/rel/store",
        "BENTOML_CONFIG": f"{tmp_path}/../b.yaml",
        "TRUELINE_API_KEY_FILE": "/home/one/keys",
        "trueline_runtime_folder": "/srv/run",
    }
    assert places.resolved({"BENTOML_HOME": "", "TRUELINE_API_KEY_FILE": ""}) == {"BENTOML_HOME": "/home/one/bentoml"}
    # Commands that do not serve read the same folder.
    assert LocalRegistry.from_environment({"BENTOML_HOME": "rel/store"}).home == tmp_path / "rel" / "store"
    assert LocalRegistry.from_environment({"BENTOML_HOME": "$PLACE/store"}).home == Path("/srv/store")


def test_case_v11_what_has_no_effect_is_named_with_what_has() -> None:
    default: dict[str, Any] = {
        "workers": None,
        "backlog": 2048,
        "traffic": {"timeout": 60.0, "max_concurrency": None},
        "http": {"port": 3000, "cors": {"enabled": False, "access_control_allow_origins": None}},
        "metrics": {"enabled": True, "duration": {"buckets": None}},
    }
    changed = {
        "backlog": 100,
        "http": {"port": 8080, "cors": {"enabled": True, "access_control_allow_origins": ["*"]}},
        "traffic": {"timeout": 60.0, "max_concurrency": 1},
        "metrics": {"enabled": True, "duration": {"buckets": [1, 2]}},
        "endpoints": {"livez": "/x"},
    }
    assert list(without_effect.of_configuration("trueline", {**default, "trueline": default}, default)) == []
    sentences = list(without_effect.of_configuration("trueline", {**default, "trueline": changed}, default))
    names = [sentence.split()[2] for sentence in sentences]
    assert names == [
        f"services.trueline.{name}"
        for name in (
            "http.cors.enabled",
            "http.cors.access_control_allow_origins",
            "traffic.max_concurrency",
            "metrics.duration.buckets",
            "endpoints.livez",
        )
    ]
    assert sentences[2].endswith("has no effect here. Set TRUELINE_MAX_REQUESTS.")
    (wrong,) = without_effect.of_configuration("trueline", {**default, "Trueline": {"backlog": 100}}, default)
    assert wrong == (
        "Unknown service 'Trueline' in BentoML's configuration; this one is 'trueline'. BentoML's setting "
        "services.Trueline.backlog has no effect here. Move it to services.trueline."
    )


@pytest.mark.anyio
async def test_case_v06_a_worker_without_its_parent_ends_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: calls.append((pid, number)))
    monkeypatch.setattr(os, "getppid", lambda: parents[0])
    parents = [77]
    watch = ParentWatch(77, lambda: calls.append("at once"), end_seconds=1000)
    watch.look()
    assert calls == []
    parents[0] = 1
    for _ in range(3):
        watch.look()
    assert calls == ["at once", (os.getpid(), signal.SIGTERM)]
    watch = ParentWatch(77, lambda: calls.append("again"), end_seconds=1000)
    watch.looks.start()
    await asyncio.sleep(0)
    assert calls[2:] == ["again", (os.getpid(), signal.SIGTERM)]
    await watch.looks.stop()


def test_deaths_in_a_row_end_the_service_unless_a_worker_lives() -> None:
    living = [1]
    deaths = Deaths(lambda: living[0])
    assert not any(deaths.add(exit_code=1) for _ in range(20))
    living[0] = 0
    assert [deaths.add(exit_code=code) for code in (1, 1, 1, 1, -9)] == [False] * 4 + [True]
    # The row goes on until a worker lives.
    deaths.forget()
    assert deaths.add(exit_code=0)
    living[0] = 1
    deaths.forget()
    living[0] = 0
    assert not any(deaths.add(exit_code=1) for _ in range(4))
    # A worker that says that it cannot start is enough.
    assert Deaths(lambda: 0).add(CANNOT_START)
