"""Minutes at 80% of capacity with good and bad requests: ``python -m benchmarks.soak --minutes 10``.

wrk finds the capacity, then presses at about 80% of it: nine good requests to one bad. Beside it a client compares
every answer it gets with the Predictor's, to the last bit. Asked: memory flat within 2%, no 5xx, every answer right.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from artifact.predictor import Predictor
from artifact.registry import Registry
from benchmarks import load, network, servers
from benchmarks.machine import describe
from benchmarks.serving import LOAD_CORE, SERVER_CORE

CONNECTIONS = 64
SHARE = 0.8
_CHECKS_A_SECOND = 50

# A pause before each request holds the rate; statuses are counted, for wrk calls every 4xx an error.
_SCRIPT = """
local requests, at, pause = {}, 0, tonumber(os.getenv("TRUELINE_SOAK_PAUSE"))
local threads = {}
setup = function(thread) table.insert(threads, thread) end
init = function()
  local folder, headers = os.getenv("TRUELINE_BENCHMARK_BODIES"), {["Content-Type"] = "application/json"}
  good, bad, broken = 0, 0, 0
  for i = 1, tonumber(os.getenv("TRUELINE_BENCHMARK_COUNT")) do
    local file = io.open(folder .. "/body-" .. i, "rb")
    requests[i] = wrk.format("POST", "/predict", headers, file:read("*a"))
    file:close()
  end
end
delay = function() return math.random(0, 2 * pause) end
request = function()
  at = at % #requests + 1
  return requests[at]
end
response = function(status)
  if status == 200 then good = good + 1 elseif status < 500 then bad = bad + 1 else broken = broken + 1 end
end
done = function(summary)
  local t, e = threads[1], summary.errors
  io.write(string.format('{"good": %d, "bad": %d, "broken": %d, "sockets": %d, "microseconds": %d}\\n',
    t:get("good"), t:get("bad"), t:get("broken"), e.connect + e.read + e.write + e.timeout, summary.duration))
end
"""

BAD_BODIES = (
    b'{"rows": [',
    b'{"rows": []}',
    b'{"rows": [{"f0": "one"}]}',
    b'{"rows": [{"f0": NaN}]}',
    b'{"row": [{}]}',
    b"[" * 5000,
    b'{"rows": [{"feature": 1}], "interval": 7}',
)


class Checked(NamedTuple):
    """What the comparing client saw."""

    answers: int
    wrong: int
    failed: int


class Checker(threading.Thread):
    """Asks for one row after another and compares each answer with the Predictor's."""

    def __init__(self, net: network.Network, port: int) -> None:
        super().__init__()
        self._bodies, self._port = net.bodies, port
        predictor = Predictor.load(Registry(net.home).resolve(network.MODEL_NAME).path)
        answer = predictor.predict_rows([json.loads(body)["rows"][0] for body in net.bodies])
        self._expected = np.stack([answer.value[:, 0], answer.lower[:, 0], answer.upper[:, 0]], axis=1).tolist()
        self._ending = threading.Event()
        self.found = Checked(0, 0, 0)

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        answers = wrong = failed = 0
        while not self._ending.wait(1 / _CHECKS_A_SECOND):
            i = answers % len(self._bodies)
            answers += 1
            try:
                connection.request("POST", "/predict", self._bodies[i], {"Content-Type": "application/json"})
                response = connection.getresponse()
                body = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError):
                failed += 1
                connection.close()
                continue
            found = body["predictions"][0] if response.status == 200 else None
            if found is None or [found["value"], found["lower"], found["upper"]] != self._expected[i]:
                wrong += 1
        connection.close()
        self.found = Checked(answers, wrong, failed)

    def finish(self) -> Checked:
        self._ending.set()
        self.join()
        return self.found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="defaults to 10; at most 60")
    options = parser.parse_args(arguments)
    seconds = round(60 * min(options.minutes, 60))
    with tempfile.TemporaryDirectory(prefix="trueline-soak-") as temporary:
        folder = Path(temporary)
        net = network.build(folder)
        good = [body.encode() for body in net.bodies]
        plain = load.write_script(folder / "good", good)
        mixed = [
            body for i, chunk in enumerate(good) for body in ([chunk, BAD_BODIES[i % 7]] if i % 9 == 0 else [chunk])
        ]
        script = load.write_script(folder / "mixed", mixed)
        script.path.write_text(_SCRIPT, encoding="utf-8")
        server = servers.SERVERS["trueline"]
        with servers.start(server, net, folder, Path(sys.executable), SERVER_CORE) as running:
            capacity = load.measure(plain, running.port, seconds=8, connections=32, core=LOAD_CORE).requests_per_second
            pause = round(1000 * CONNECTIONS / (SHARE * capacity)) or 1
            checker = Checker(net, running.port)
            checker.start()
            counts, memory = _press(script, running, seconds, pause)
            checked = checker.finish()
    print(_report(capacity, counts, memory, checked, seconds))
    return 0


def _press(script: load.Script, running: servers.Running, seconds: int, pause: int) -> tuple[dict[str, int], list[int]]:
    """Run wrk and read the worker's memory each second."""
    command = [
        "taskset",
        "-c",
        str(LOAD_CORE),
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "-s",
        str(script.path),
    ]
    environ = {
        **os.environ,
        "TRUELINE_BENCHMARK_BODIES": str(script.path.parent),
        "TRUELINE_BENCHMARK_COUNT": str(script.count),
        "TRUELINE_SOAK_PAUSE": str(pause),
    }
    memory: list[int] = []
    url = f"http://127.0.0.1:{running.port}"
    with subprocess.Popen([*command, url], env=environ, stdout=subprocess.PIPE, text=True) as wrk:
        deadline = time.monotonic() + seconds + 60
        while wrk.poll() is None and time.monotonic() < deadline:
            memory.append(running.worker_memory())
            time.sleep(1)
        output, _ = wrk.communicate(timeout=30)
    return json.loads(next(line for line in output.splitlines() if line.startswith("{"))), memory


def _report(capacity: float, counts: dict[str, int], memory: list[int], checked: Checked, seconds: int) -> str:
    # The first fifth warms caches and pools up; growth is that of a line through the rest.
    settled = np.array(memory[len(memory) // 5 :], dtype=float)
    slope = float(np.polyfit(np.arange(len(settled)), settled, 1)[0]) * len(settled) / settled.mean()
    sent = counts["good"] + counts["bad"] + counts["broken"]
    rate = sent / (counts["microseconds"] / 1e6)
    return "\n".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d}, {describe()}. {seconds / 60:g} minutes at {rate:,.0f} requests/s, "
            f"{rate / capacity:.0%} of a capacity of {capacity:,.0f}.",
            "",
            "| what | asked | reached |",
            "| --- | --- | --- |",
            f"| growth of the worker's memory | within 2% | {slope:+.2%} ({settled[0] / 1e6:.0f} to "
            f"{settled[-1] / 1e6:.0f} MB, largest {max(memory) / 1e6:.0f} MB) |",
            f"| answers of 5xx | 0 | {counts['broken']} of {sent:,} ({counts['bad']:,} refused with 4xx) |",
            f"| broken connections | 0 | {counts['sockets'] + checked.failed} |",
            f"| answers that differ from the Predictor's | 0 | {checked.wrong} of {checked.answers:,} compared |",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
