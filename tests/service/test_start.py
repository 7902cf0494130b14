"""Real services that start, or say in one message why they do not; and the remains of a killed parent."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from service.process.runtime_folder import LOCK
from tests.builders import build_version
from tests.processes import ROOT, call, clean_environment, free_port, running, wait_until_ready

BENTOML = [sys.executable, "-m", "bentoml", "serve", "service:RegressionService", "--working-dir", str(ROOT)]
TRUELINE = [sys.executable, "-m", "trueline", "serve"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("start") / "store"
    build_version(LocalRegistry(home), promote=True)
    return home


def environment(home: Path | str, tmp_path: Path, **more: str) -> dict[str, str]:
    """The environment of a service that starts outside of the code's folder, with a folder for its temporary files."""
    temporary = tmp_path / "tmp"
    temporary.mkdir(exist_ok=True)
    return clean_environment(Path(home), TMPDIR=str(temporary), PYTHONPATH=str(ROOT), **more)


def refusal(command: list[str], environ: dict[str, str], cwd: Path, *arguments: str) -> str:
    """The message of a service that does not start: one sentence on stderr, with status 1."""
    result = subprocess.run(
        [*command, "--host", "127.0.0.1", *arguments],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return line


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [c for c in children if "_bentoml_impl.worker.service" in " ".join(c.cmdline())]


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


@pytest.mark.parametrize("command", [TRUELINE, BENTOML], ids=["trueline", "bentoml"])
def test_case_v07_v08_every_path_may_be_relative(command: list[str], store: Path, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("secret-one\n\n  # rotate me\nsecret-two \n")
    (tmp_path / "bento.yaml").write_text("services:\n  trueline:\n    workers: 1\n")
    (tmp_path / "store").symlink_to(store)
    environ = environment(
        "store",
        tmp_path,
        TRUELINE_API_KEY_FILE="keys.txt",
        TRUELINE_RUNTIME_FOLDER="run",
        BENTOML_CONFIG="./bento.yaml",
    )
    port, log = free_port(), tmp_path / "log"
    with running([*command, "--host", "127.0.0.1", "--port", str(port)], log, environ, cwd=tmp_path) as process:
        wait_until_ready(process, port, log)
        assert call(port, "/schema")[0] == 401
        assert call(port, "/schema", headers={"X-API-Key": "secret-two"})[0] == 200
        # V12: a comment is no key, with the # or without.
        for comment in ("# rotate me", "rotate me", "#"):
            assert call(port, "/schema", headers={"X-API-Key": comment})[0] == 401
        assert (tmp_path / "run" / "metrics").is_dir()
        # Another service with the same folder would empty the metrics of this one.
        message = refusal(command, environ, tmp_path, "--port", str(free_port()))
        assert (
            f"TRUELINE_RUNTIME_FOLDER: Expected a folder of this service alone. Received: {tmp_path / 'run'}" in message
        )
    assert "Traceback" not in log.read_text()
    assert sorted(p.name for p in ROOT.iterdir() if p.name in ("store", "run", "keys.txt")) == []


def test_case_v02_v19_a_port_is_one_services_alone(store: Path, tmp_path: Path) -> None:
    environ = environment(store, tmp_path, TRUELINE_WORKERS="2")
    port, grpc, log = free_port(), free_port(), tmp_path / "log"
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--grpc-port", str(grpc)]
    with running([*TRUELINE, *arguments], log, environ) as process:
        # The port is refused at once, long before a worker listens.
        wait_for(lambda: "Starting production" in log.read_text())
        other = str(free_port())
        message = refusal(TRUELINE, environ, ROOT, "--port", other, "--grpc-port", str(grpc), "--grpc-host", "0.0.0.0")
        assert f"TRUELINE_GRPC_PORT: Expected a port to listen on. Received: 0.0.0.0:{grpc}, which another" in message
        wait_until_ready(process, port, log)
        wait_for(lambda: log.read_text().count("gRPC on") == 2)
        assert f"Received: 127.0.0.1:{grpc}, which another process uses." in refusal(
            BENTOML, {**environ, "TRUELINE_GRPC_PORT": str(grpc)}, ROOT, "--port", other
        )
        assert (
            f"HTTP: Expected a port to listen on. Received: 127.0.0.1:{port}, which another process uses."
            in refusal(TRUELINE, environ, ROOT, "--port", str(port))
        )
        assert "Expected another port than the one of HTTP" in refusal(
            TRUELINE, environ, ROOT, "--port", other, "--grpc-port", other
        )
        assert process.poll() is None
    # Calls that have just been closed do not keep the next service from the port.
    with running([*TRUELINE, *arguments], log, environ) as process:
        wait_until_ready(process, port, log)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"TRUELINE_API_KEY_FILE": "none.txt"},
            r"Expected a readable file of keys\. Received: .*none\.txt \(no such file or directory\)",
        ),
        ({"TRUELINE_API_KEY_FILE": "comments.txt"}, "Expected at least one key"),
        ({"TRUELINE_MAX_ROWS": "many"}, "TRUELINE_MAX_ROWS: Expected a valid integer. Received: 'many'"),
        ({"BENTOML_HOME": "comments.txt"}, r"BENTOML_HOME: Expected a folder.* Received: .*comments\.txt, which is no"),
        ({"BENTOML_HOME": "comments.txt/below"}, "BENTOML_HOME: Expected a folder"),
        ({"BENTOML_CONFIG": "none.yaml"}, "Expected settings that BentoML can start with.* not found"),
        ({"BENTOML_CONFIG_OPTIONS": "services.trueline.workers=none"}, r"Invalid configuration.* 'workers' error"),
        ({"BENTOML_HOME": "odd"}, r"BENTOML_HOME: Expected a model store\. .*deployments, which is no folder"),
    ],
)
def test_what_cannot_mend_itself_ends_the_service_with_a_sentence(
    more: dict[str, str], sentence: str, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "comments.txt").write_text("# secret\n")
    (tmp_path / "odd" / "trueline").mkdir(parents=True)
    (tmp_path / "odd" / "trueline" / "deployments").touch()
    environ = {**environment(store, tmp_path), **more}
    message = refusal(TRUELINE, environ, tmp_path, "--port", str(free_port()))
    assert re.search(sentence, message), message
    assert "# secret" not in message


@pytest.mark.skipif(os.getuid() != 0, reason="a user who may not write is made by root")
def test_case_v23_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override"]
    environ = environment(home, tmp_path)
    message = refusal([*unprivileged, *TRUELINE], environ, ROOT, "--port", str(free_port()))
    assert "BENTOML_HOME: Expected a folder that has 'bentos', 'models', 'envs', 'tmp', or in which" in message
    assert str(home / "bentos") in message


def test_case_v06_workers_end_with_their_parent_and_leave_the_port(store: Path, tmp_path: Path) -> None:
    environ = environment(store, tmp_path, TRUELINE_WORKERS="2", TRUELINE_DRAIN_SECONDS="30")
    port, grpc, log = free_port(), free_port(), tmp_path / "log"
    command = [*TRUELINE, "--host", "127.0.0.1", "--port", str(port), "--grpc-port", str(grpc)]
    with running(command, log, environ) as process:
        wait_until_ready(process, port, log)
        pids = workers(process)
        assert len(pids) == 2
        (lock,) = (tmp_path / "tmp").glob(f"trueline-*/{LOCK}")
        try:
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert psutil.wait_procs(pids, timeout=5)[1] == []
        finally:
            for worker in pids:
                if worker.is_running():
                    worker.kill()
    assert "The service's parent process is gone. This worker ends." in log.read_text()
    with running(command, log, {**environ, "TRUELINE_DRAIN_SECONDS": "0"}) as process:
        wait_until_ready(process, port, log)
        assert not lock.exists()  # The next start removes the folder that was left behind.
        assert len(list((tmp_path / "tmp").glob(f"trueline-*/{LOCK}"))) == 1
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_worker_that_can_not_start_any_more_ends_the_service(store: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    environ = environment(store, tmp_path, TRUELINE_API_KEY_FILE=str(keys), TRUELINE_WORKERS="2")
    port, log = free_port(), tmp_path / "log"
    with running([*TRUELINE, "--host", "127.0.0.1", "--port", str(port)], log, environ) as process:
        wait_until_ready(process, port, log)
        keys.unlink()
        first, second = workers(process)
        first.kill()
        # The other worker answers as long as it lives, and /readyz says that one worker is missing.
        wait_for(lambda: "This worker cannot start." in log.read_text())
        assert (call(port, "/livez")[0], call(port, "/readyz")[0]) == (200, 503)
        second.kill()
        assert process.wait(timeout=30) == 1
    text = log.read_text()
    assert "This worker cannot start. TRUELINE_API_KEY and TRUELINE_API_KEY_FILE" in text
    assert "No worker can start; the lines above say why." in text
    assert "Traceback" not in text


def test_case_v11_settings_that_have_no_effect_are_named_once(store: Path, tmp_path: Path) -> None:
    (tmp_path / "bento.yaml").write_text(
        "services:\n  RegressionService:\n    workers: 1\n    http:\n      cors: { enabled: true }\n"
        "  trueline:\n    traffic: { timeout: 5 }\n    backlog: 100\n"
    )
    environ = environment(
        store, tmp_path, BENTOML_CONFIG=str(tmp_path / "bento.yaml"), TRUELINE_WORKERS="2", TRUELINE_MODL="x"
    )
    port, log = free_port(), tmp_path / "log"
    with running([*BENTOML, "--host", "127.0.0.1", "--port", str(port)], log, environ) as process:
        wait_until_ready(process, port, log)
    text = log.read_text()
    for sentence in (
        "Unknown service 'RegressionService' in BentoML's configuration; this one is 'trueline'. "
        "BentoML's setting services.RegressionService.http.cors.enabled has no effect here. Set TRUELINE_CORS_ORIGINS.",
        "services.RegressionService.workers has no effect here. Move it to services.trueline.",
        "BentoML's setting services.trueline.traffic.timeout has no effect here. Set TRUELINE_DEADLINE_SECONDS.",
        "Unknown setting 'TRUELINE_MODL'. There are: 'TRUELINE_MODEL'",
    ):
        assert text.count(sentence) == 1, sentence
    assert "backlog" not in text


def test_a_certificate_may_be_relative_and_is_checked_before_a_worker_starts(store: Path, tmp_path: Path) -> None:
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    for name in ("one", "other"):
        files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run([*request, *files], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    port, log = free_port(), tmp_path / "log"

    def options(certificate: str, key: str) -> dict[str, str]:
        ssl_options = {"enabled": "true", "certfile": certificate, "keyfile": key, "ciphers": "DEFAULT"}
        text = " ".join(f"services.trueline.ssl.{name}={value}" for name, value in ssl_options.items())
        return environment(store, tmp_path, BENTOML_CONFIG_OPTIONS=text)

    for certificate, key, message in (
        ("one.pem", "other.key", "Expected a certificate and its key in PEM"),
        ("one.pem", "none.key", f"ssl.keyfile: Expected a file that can be read. Received: {tmp_path / 'none.key'}"),
    ):
        assert message in refusal(TRUELINE, options(certificate, key), tmp_path, "--port", str(port))
    command = [*TRUELINE, "--host", "127.0.0.1", "--port", str(port)]
    with running(command, log, options("one.pem", "one.key"), cwd=tmp_path):
        context = ssl.create_default_context(cafile=str(tmp_path / "one.pem"))
        wait_for(lambda: "is live by" in log.read_text(), seconds=60)
        wait_for(lambda: "200" in tls_status(context, port))


def tls_status(context: ssl.SSLContext, port: int) -> str:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return secure.recv(1000).split(b"\r\n")[0].decode()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "Not ready. No model is live yet."), (["houses"], "Not ready. Unknown model 'houses'. There are none yet.")],
)
def test_a_store_that_comes_late_is_waited_for(arguments: list[str], message: str, tmp_path: Path) -> None:
    environ = environment(tmp_path / "home", tmp_path)
    port, log = free_port(), tmp_path / "log"
    with running([*TRUELINE, *arguments, "--host", "127.0.0.1", "--port", str(port)], log, environ) as process:
        wait_for(lambda: message in log.read_text())
        assert (call(port, "/livez")[0], call(port, "/readyz")[0]) == (200, 503)
        version = build_version(LocalRegistry(tmp_path / "home"))
        if arguments:
            promote = (
                f"Model 'houses' has no champion yet. Promote a version: `trueline promote houses:{version.version}`."
            )
            wait_for(lambda: promote in log.read_text())
        LocalRegistry(tmp_path / "home").promote(f"houses:{version.version}")
        wait_until_ready(process, port, log, seconds=10)


def test_case_v20_a_hang_up_ends_the_service_without_a_lost_request(store: Path, tmp_path: Path) -> None:
    environ = environment(store, tmp_path, TRUELINE_WORKERS="2", TRUELINE_DRAIN_SECONDS="1")
    port, log = free_port(), tmp_path / "log"
    with running([*TRUELINE, "--host", "127.0.0.1", "--port", str(port)], log, environ) as process:
        wait_until_ready(process, port, log)
        version = LocalRegistry(store).resolve("houses")
        body = json.dumps({"rows": [Predictor.load(version.path).schema.example_row()]})
        unready, answers = threading.Event(), []

        def load() -> None:
            # Like a client behind a load balancer, it sends requests until /readyz says that it should not.
            while not unready.is_set():
                try:
                    answers.append(call(port, "/predict", body)[0])
                except (OSError, http.client.HTTPException) as error:
                    answers.append(error)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: len(answers) > 50)
            process.send_signal(signal.SIGHUP)
            wait_for(lambda: call(port, "/readyz")[0] == 503, 60)
        finally:
            unready.set()
            for thread in threads:
                thread.join()
        assert set(answers) == {200}
        assert process.wait(timeout=60) == 0
    text = log.read_text()
    assert "Traceback" not in text
    assert "ConflictError" not in text


def test_a_hang_up_is_nothing_to_a_service_that_was_started_by_nohup(store: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    command = ["nohup", *TRUELINE, "--host", "127.0.0.1", "--port", str(port)]
    with running(command, log, environment(store, tmp_path)) as process:
        wait_until_ready(process, port, log)
        (worker,) = workers(process)
        process.send_signal(signal.SIGHUP)
        worker.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert call(port, "/readyz")[0] == 200
        assert [worker] == workers(process)


def test_a_port_that_is_no_port_of_this_machine(store: Path, tmp_path: Path) -> None:
    environ = environment(store, tmp_path)
    message = refusal(BENTOML, {**environ, "TRUELINE_GRPC_PORT": "9", "TRUELINE_GRPC_HOST": "192.0.2.1"}, ROOT)
    assert "TRUELINE_GRPC_PORT: Expected a port to listen on. Received: 192.0.2.1:9, where it cannot listen" in message
