"""``make demo`` after training: a real service, the call that it prints, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.processes import ROOT, call, clean_environment, free_port, running

DEMO = ROOT / "examples" / "demo.py"


def wait_for(log: Path, text: str, process: subprocess.Popen[bytes], seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if text in (output := log.read_text()):
            return output
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_shows_a_call_with_its_real_answer_and_ends_without_orphans(tmp_path: Path, number: int) -> None:
    home, log, port = tmp_path / "home", tmp_path / "log", free_port()
    build_version(LocalRegistry(home), name="diabetes", promote=True)
    command = [sys.executable, DEMO, "--port", str(port), "--home", home]
    with running(command, log, clean_environment(home)) as demo:
        text = wait_for(log, "Ctrl-C ends the service.", demo)
        (curl,) = re.findall(r"^  (curl .*?) \\\n +(-d '.*')$", text, re.MULTILINE)
        arguments = shlex.split(" ".join(curl))
        assert f"http://localhost:{port}/predict" in arguments
        status, answer = call(port, "/predict", arguments[arguments.index("-d") + 1])
        printed = json.JSONDecoder().raw_decode(text[text.index("It answers:") + len("It answers:") :].lstrip())[0]
        assert status == 200
        assert json.loads(answer) == printed
        processes = psutil.Process(demo.pid).children(recursive=True)
        assert len(processes) >= 2
        os.kill(demo.pid, number)
        assert demo.wait(30) == 0
        assert not [process for process in processes if process.is_running()]
    assert "Stopped." in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_port_in_use_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        process = subprocess.run(
            [sys.executable, DEMO, "--port", str(port), "--home", tmp_path],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert process.returncode == 1
    assert process.stderr.startswith(f"Expected a free port. Received: {port} (")
    assert process.stderr.endswith("Choose another: make demo PORT=3001.\n")
    assert process.stderr.count("\n") == 1
