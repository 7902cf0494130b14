"""Runs a page's commands in a folder of its own, with its own model store and service, on this machine alone."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The addresses in the pages; a run replaces them by free ports.
PORT, GRPC_PORT = "localhost:3000", "localhost:3001"
# Stands for this machine in the pages.
_MACHINE = "pc"
_TIMEOUT, _START = 600, 120


class Session:
    """Runs commands one after the other, as a reader would in one terminal.

    Attributes:
        folder: the empty folder where they run.
    """

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="trueline-docs-"))
        self.folder = self._home / "work"
        self.folder.mkdir()
        self._service: subprocess.Popen[bytes] | None = None
        self._ports = {PORT: _free_port(), GRPC_PORT: _free_port()}
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TRUELINE_", "BENTOML_"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": str(ROOT),
            "BENTOML_HOME": str(self._home / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "true",
            "COLUMNS": "120",
            "CUDA_VISIBLE_DEVICES": "-1",
            "LOGNAME": "ana",
        }
        atexit.register(self.close)

    def run(self, command: str, *, may_fail: bool = True) -> tuple[str, str]:
        """Run one command by the shell, and return what it printed to standard output and to standard error.

        Args:
            command: the command as it is typed.
            may_fail: its exit code may differ from 0. Defaults to True.

        Raises:
            RuntimeError: the command did not end in time, or failed.
        """
        try:
            process = subprocess.run(
                ["bash", "-c", self._with_ports(command)],
                cwd=self.folder,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"Expected an end within {_TIMEOUT} s. Received: none from: {command}") from error
        if process.returncode and not may_fail:
            raise RuntimeError(f"Expected a command that works. Received: {process.stderr} from: {command}")
        return self._as_shown(process.stdout), self._as_shown(process.stderr)

    def versions(self, model: str) -> list[str]:
        """The versions of a model, the oldest first."""
        folder = self._home / "bentoml" / "models" / model
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.exists() else []

    def serve(self, command: str, **environment: str) -> str:
        """Start a service in place of the last one, wait until it is ready, and return its log.

        Raises:
            RuntimeError: the service ended, or was not ready in time.
        """
        self.stop()
        log = self._home / "service.log"
        with log.open("wb") as file:
            self._service = subprocess.Popen(
                ["bash", "-c", f"exec {command} --port {self._ports[PORT]}"],
                cwd=self.folder,
                env={**self._environment, "TRUELINE_GRPC_PORT": str(self._ports[GRPC_PORT]), **environment},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + _START
        path = "livez" if environment.get("BENTOML_HOME") else "readyz"
        while not self._answers(path):
            if self._service.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Expected a service. Received: {log.read_text()}")
            time.sleep(0.2)
        return self._as_shown(log.read_text())

    def stop(self) -> None:
        """End the service, if one runs."""
        if self._service is not None and self._service.poll() is None:
            os.killpg(self._service.pid, signal.SIGTERM)
            try:
                self._service.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self._service.pid, signal.SIGKILL)
                self._service.wait()
        self._service = None

    def close(self) -> None:
        """End the service, and remove all files."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def _answers(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{self._ports[PORT]}/{path}", timeout=5).status == 200)
        return False

    def _with_ports(self, command: str) -> str:
        for name, port in self._ports.items():
            command = command.replace(name, f"localhost:{port}")
        return command

    def _as_shown(self, text: str) -> str:
        """The text with the pages' ports, a reader's path of the store, and a name for this machine."""
        host = re.escape(socket.gethostname())
        # A cell of a table keeps its width.
        text = re.sub(rf"(?<=@){host} *(?= │)", lambda cell: _MACHINE.ljust(len(cell[0])), text)
        text = re.sub(rf"(?<=@){host}\b|\b{host}(?=-\d+-[0-9a-f]{{6}}\b)", _MACHINE, text)
        for name, port in self._ports.items():
            text = re.sub(rf"(?<=:){port}\b", name.partition(":")[2], text)
        return text.replace(str(self._home / "bentoml"), "~/bentoml").replace(f"{self.folder}/", "")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
