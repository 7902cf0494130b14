"""One measurement with wrk: many connections that send the same rows, latency counted by wrk itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

# wrk formats every request once, at its start; while it measures it only sends the next of them.
_SCRIPT = """
local requests, at = {}, 0
init = function()
  for line in io.lines(os.getenv("TRUELINE_BENCHMARK_BODIES")) do
    requests[#requests + 1] = wrk.format("POST", "/predict", {["Content-Type"] = "application/json"}, line)
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
    """What one run of wrk saw; latencies in seconds."""

    requests_per_second: float
    p50: float
    p99: float
    failed: int


def write_script(folder: Path, bodies: list[str]) -> Path:
    """Write wrk's script and the request bodies, one a line; returns the script's path."""
    (folder / "bodies.jsonl").write_text("\n".join(bodies) + "\n", encoding="utf-8")
    script = folder / "wrk.lua"
    script.write_text(_SCRIPT, encoding="utf-8")
    return script


def measure(script: Path, port: int, *, seconds: int, connections: int, core: int | None) -> Load:
    """Load ``http://127.0.0.1:port/predict`` for some seconds from one core.

    Raises:
        RuntimeError: wrk failed.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    environ = {
        "TRUELINE_BENCHMARK_BODIES": str(script.with_name("bodies.jsonl")),
        "PATH": "/usr/bin:/bin:/usr/local/bin",
    }
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
        env=environ,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise RuntimeError(f"Expected a result from wrk. Received: {done.stdout}{done.stderr}")
    found = json.loads(lines[-1])
    seconds_run = found["microseconds"] / 1e6
    return Load(found["requests"] / seconds_run, found["p50"] / 1e6, found["p99"] / 1e6, found["failed"])
