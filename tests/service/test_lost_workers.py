"""Workers that circus loses sight of, as where /proc is not mounted, are not replaced without end."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from artifact.registry.local import LocalRegistry
from service.process.started import StartedWorkers
from tests.builders import build_version
from tests.processes import ROOT, clean_environment, free_port

# Without /proc, psutil finds no process, and circus takes each worker for one that is not there.
WITHOUT_PROC = """
import runpy, sys
from circus.process import UNEXISTING, Process
Process.status = property(lambda process: UNEXISTING)
sys.argv[0] = "bentoml"
runpy.run_module("bentoml", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_whose_workers_are_not_seen_ends_with_a_sentence(tmp_path: Path, workers: int) -> None:
    registry = LocalRegistry(tmp_path / "home")
    build_version(registry, promote=True)
    command = [sys.executable, "-c", WITHOUT_PROC, "serve", "service:RegressionService", "--host", "127.0.0.1"]
    command += ["--port", str(free_port())]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(registry.home, TRUELINE_WORKERS=str(workers)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    written = done.stdout + done.stderr
    assert done.returncode == 1, written[-3000:]
    sentence = (
        f"Expected at most {workers} worker processes. Received: {2 * workers} that run, of which /proc does not show "
        "all. Mount /proc, and start the service again."
    )
    assert sentence in re.sub(r"\s+", " ", written)
    # None of them is left behind.
    left = [
        p
        for p in psutil.process_iter(["environ"])
        if (p.info["environ"] or {}).get("BENTOML_HOME") == str(registry.home)
    ]
    psutil.wait_procs(left, timeout=20)
    assert not [process for process in left if process.is_running()]


def test_children_that_run_are_counted_until_they_end_and_not_waited_for() -> None:
    started = StartedWorkers()
    children = [subprocess.Popen(["sleep", "600"]) for _ in range(3)]
    for child in children:
        started.add(child.pid)
    assert started.running() == 3
    children[0].kill()
    children[0].wait()
    children[1].kill()
    while psutil.Process(children[1].pid).status() != psutil.STATUS_ZOMBIE:
        pass
    # One was waited for, and one was not yet.
    assert started.running() == 1
    assert children[1].wait() == -9
    started.end()
    assert children[2].wait(timeout=10) == -15
    assert started.running() == 0
