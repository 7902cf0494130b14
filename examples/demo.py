"""``make demo``: train on a real table, serve the model, show one call and its answer, serve until Ctrl-C.

All its files are in ``.demo/``; a second run finds the model there and serves at once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from artifact.registry.local import LocalRegistry

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
MODEL = "diabetes"
TRAIN = ["train", "dataset:diabetes", "--target", "target", "--name", MODEL, "--promote"]
READY_SECONDS = 60.0
STOP_SECONDS = 20.0


class DemoError(Exception):
    """A fault that stops the demo, in one sentence."""


class Stopped(Exception):  # noqa: N818 - not an error: Ctrl-C, or another signal that asks to end
    """Someone asked the demo to end."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000, help="defaults to 3000")
    parser.add_argument("--home", type=Path, default=HOME, help="the demo's own BENTOML_HOME; defaults to .demo")
    options = parser.parse_args()
    port: int = options.port
    home: Path = options.home.absolute()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        check_port(port)
        train_once(home)
        with serving(home, port) as server:
            wait_until_ready(server, port)
            show_call(port)
            status = server.wait()
            raise DemoError(f"Expected the service to run until Ctrl-C. Received: it ended with status {status}.")
    except Stopped:
        print("\nStopped. The model stays; `make demo` serves it again.")
        return 0
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1


def check_port(port: int) -> None:
    """Check that the port is free, before training takes minutes."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - what the service will bind
        except (OSError, OverflowError) as error:
            raise DemoError(
                f"Expected a free port. Received: {port} ({error}). Choose another: make demo PORT=3001."
            ) from error


def train_once(home: Path) -> None:
    """Train and promote, unless an earlier run has done so."""
    if LocalRegistry(home).deployment(MODEL) is not None:
        print(f"Serving {MODEL} as trained before; remove {home} to train again.")
        return
    say("trueline " + " ".join(TRAIN))
    with start(home, TRAIN) as training:
        status = training.wait()
    if status != 0:
        raise DemoError(f"Expected training to succeed. Received: status {status}; the reason is above.")


@contextlib.contextmanager
def serving(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The service as a process for as long as the block runs."""
    arguments = ["serve", MODEL, "--port", str(port)]
    say("trueline " + " ".join(arguments))
    with start(home, arguments) as server:
        yield server


@contextlib.contextmanager
def start(home: Path, arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``trueline`` in its own session: Ctrl-C reaches it once, through this script, and all its processes end."""
    environ = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true", "ORT_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-m", "trueline", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, start_new_session=True)  # noqa: S603
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, then kill what remains below it: BentoML's workers are in sessions of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        processes = [root, *root.children(recursive=True)]
        process.terminate()
        with contextlib.suppress(Stopped):  # a second Ctrl-C: at once
            processes = psutil.wait_procs(processes, timeout=STOP_SECONDS)[1]
        for straggler in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                straggler.kill()
    process.wait()


def wait_until_ready(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise DemoError(f"Expected the service to start. Received: status {server.returncode}; see above.")
        with contextlib.suppress(OSError, urllib.error.URLError):
            get(port, "/readyz")
            return
        time.sleep(0.1)
    raise DemoError(f"Expected the service to be ready within {READY_SECONDS:.0f} s. Received: it is not.")


def show_call(port: int) -> None:
    """Print a curl call with the schema's example values, and the service's answer."""
    properties: dict[str, Any] = json.loads(get(port, "/schema"))["properties"]
    row = {name: feature["examples"][0] for name, feature in properties.items()}
    body = json.dumps({"rows": [row]})
    answer = json.loads(get(port, "/predict", body.encode()))
    print(
        f"\nReady. Try it:\n\n  curl -s http://localhost:{port}/predict -H 'Content-Type: application/json' \\\n"
        f"    -d '{body}'\n\nIt answers:\n\n{json.dumps(answer, indent=2)}\n\n"
        f"The model's own documentation: http://localhost:{port}/docs. Ctrl-C ends the service.",
        flush=True,
    )


def get(port: int, path: str, body: bytes | None = None) -> bytes:
    """One HTTP call: POST where there is a body."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data=body, headers={"Content-Type": "application/json"}
    )
    # Without a proxy of the environment: the service is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as response:
        answer: bytes = response.read()
    return answer


def say(command: str) -> None:
    print(f"$ {command}", flush=True)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
