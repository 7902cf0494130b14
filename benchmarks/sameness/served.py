"""Starts the service of a checkout on a store, makes the calls, and reads status, headers and bytes."""

from __future__ import annotations

import contextlib
import http.client
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.checkouts import environ_in
from benchmarks.launch import family, free_ports
from benchmarks.sameness.calls import MAX_ROWS, Call
from benchmarks.sameness.facts import FAILED

READY_SECONDS = 90.0
# The answer has this id, so that no answer has a random one.
_REQUEST_ID = "sameness"
# These depend on the clock: a header, and the time at which a worker loaded the version.
_LEFT_OUT = {"date"}
_LOADED = re.compile(r'("loaded_at":")[^"]*')


@contextlib.contextmanager
def service(root: Path, home: Path, model: str, log: Path) -> Iterator[int]:
    """Run ``trueline serve`` of a checkout until the block ends; yields its port.

    Args:
        root: folder of the checkout.
        home: the store.
        model: name of the served model.
        log: file for the service's output.

    Raises:
        RuntimeError: it ended, or was not ready in time.
    """
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "trueline", "serve", model, "--port", str(port), "--max-rows", str(MAX_ROWS)]
    with family(command, environ_in(root, BENTOML_HOME=str(home)), log, root) as started:
        deadline = time.monotonic() + READY_SECONDS
        while not _is_ready(port):
            if started.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"Expected the service of {root} to be ready within {READY_SECONDS:.0f} s. "
                    f"Its log ends:\n{log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.1)
        yield port


def ask(port: int, calls: Mapping[str, Call]) -> dict[str, dict[str, str]]:
    """The facts of each call's answer, each on a connection of its own.

    Args:
        port: the service's port on the loopback.
        calls: the calls, by name.
    """
    return {name: _facts(port, call) for name, call in calls.items()}


def _facts(port: int, call: Call) -> dict[str, str]:
    headers = {"X-Request-ID": _REQUEST_ID, **({"Content-Type": call.kind} if call.body and call.kind else {})}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        with contextlib.closing(connection):
            connection.request(call.verb, call.target, call.body, {**headers, **call.headers})
            response = connection.getresponse()
            # Latin-1 gives each byte one character.
            body = response.read().decode("latin-1")
    except (OSError, http.client.HTTPException) as error:
        return {FAILED: repr(error)}
    body = _LOADED.sub(r"\1TIME", body)
    sent = [f"{name}: {value}" for name, value in response.getheaders() if name.lower() not in _LEFT_OUT]
    if call.only_lines:
        body = "\n".join(line for line in body.split("\n") if line.startswith(call.only_lines))
        sent = [line for line in sent if not line.lower().startswith("content-length:")]
    return {"status": f"{response.status} {response.reason}", "headers": "\n".join(sent), "body": body}


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False
