"""Processes that tests start, and that end with the test."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment without variables of BentoML, Trueline or Python; ``home`` is BENTOML_HOME."""
    steering = ("BENTOML_", "TRUELINE_", "PROMETHEUS_", "PYTHON", "VIRTUAL_ENV", "COVERAGE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    quiet = {"BENTOML_DO_NOT_TRACK": "true", "ORT_DISABLE_TELEMETRY": "1"}
    return {**inherited, **quiet, "BENTOML_HOME": str(home), "PYTHONUNBUFFERED": "1", **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], log: Path, environ: Mapping[str, str], cwd: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the block runs; what it prints goes to ``log``."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=environ, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes], seconds: float = 15) -> None:
    """Ask a process to end, then kill what remains below it: BentoML's workers are in sessions of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        everything = [root, *root.children(recursive=True)]
        process.terminate()
        for straggler in psutil.wait_procs(everything, timeout=seconds)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                straggler.kill()
    process.wait()


def call(port: int, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of one HTTP call: POST where there is a body."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        all_headers = {"Content-Type": "application/json", **(headers or {})}
        connection.request("GET" if body is None else "POST", path, body, all_headers)
        response = connection.getresponse()
        return response.status, response.read()


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path, seconds: float = 60) -> None:
    """Wait for 200 of ``/readyz``; fails with the end of the log."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if call(port, "/readyz")[0] == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"not ready, status {process.poll()}:\n{log.read_text(errors='replace')[-4000:]}")
