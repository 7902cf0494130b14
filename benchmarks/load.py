"""One measurement with wrk: many connections send the same requests, and wrk measures the latency."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# wrk formats every request once, when it starts; while it measures, it only sends the next one.
_SCRIPT = """
local requests, at = {}, 0
init = function()
  local folder, headers = os.getenv("TRUELINE_BENCHMARK_BODIES"), {}
  headers["Content-Type"] = os.getenv("TRUELINE_BENCHMARK_TYPE")
  for i = 1, tonumber(os.getenv("TRUELINE_BENCHMARK_COUNT")) do
    local file = io.open(folder .. "/body-" .. i, "rb")
    requests[i] = wrk.format("POST", os.getenv("TRUELINE_BENCHMARK_PATH"), headers, file:read("*a"))
    file:close()
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "failed": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.timeout + e.status))
end
"""


class Load(NamedTuple):
    """The result of one run of wrk.

    Attributes:
        p50, p99: latencies in seconds.
        failed: answers without a 2xx status, and broken connections.
        client_seconds: processor time that wrk itself used for a request.
    """

    requests_per_second: float
    p50: float
    p99: float
    failed: int
    client_seconds: float


class Script(NamedTuple):
    """wrk's script, and the requests that it sends in turn.

    Attributes:
        path: the Lua file; the bodies are in the same folder.
        count: number of bodies.
        content_type: content type of all bodies.
        route: the route that they are sent to.
    """

    path: Path
    count: int
    content_type: str
    route: str


def write_script(
    folder: Path, bodies: Sequence[bytes], content_type: str = "application/json", route: str = "/predict"
) -> Script:
    """Write wrk's script and the request bodies into a folder, which is made if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, body in enumerate(bodies, start=1):
        (folder / f"body-{i}").write_bytes(body)
    path = folder / "wrk.lua"
    path.write_text(_SCRIPT, encoding="utf-8")
    return Script(path, len(bodies), content_type, route)


def measure(script: Script, port: int, *, seconds: int, connections: int, core: int | None, threads: int = 1) -> Load:
    """Load a route of ``http://127.0.0.1:port`` for some seconds from one core, or from all where ``core`` is None.

    Raises:
        RuntimeError: wrk failed.
    """
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script.path)]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    environ = {
        **os.environ,
        "TRUELINE_BENCHMARK_BODIES": str(script.path.parent),
        "TRUELINE_BENCHMARK_COUNT": str(script.count),
        "TRUELINE_BENCHMARK_TYPE": script.content_type,
        "TRUELINE_BENCHMARK_PATH": script.route,
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
        env=environ,
    )
    lines = [line for line in process.stdout.splitlines() if line.startswith("{")]
    if process.returncode != 0 or not lines:
        raise RuntimeError(f"Expected a result from wrk. Received: {process.stdout}{process.stderr}")
    result = json.loads(lines[-1])
    seconds_run = result["microseconds"] / 1e6
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Load(
        result["requests"] / seconds_run,
        result["p50"] / 1e6,
        result["p99"] / 1e6,
        result["failed"],
        used / max(result["requests"], 1),
    )
