"""A long load of good and bad requests at 80% of capacity: ``python -m benchmarks.soak --minutes 10``.

wrk measures the capacity for the mix, nine good requests to one bad. Then they are sent at 80% of it by a clock, and
every answer is compared, byte for byte, with one that agrees with the Predictor's numbers. Memory must stay flat within
2%, there must be no 5xx, and every answer must be right.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from benchmarks import load, network, servers
from benchmarks.machine import describe
from benchmarks.serving import LOAD_CORE, SERVER_CORE
from benchmarks.steady import Counts, Plan

CONNECTIONS = 64
SHARE, TOLERANCE = 0.8, 0.03
GROWTH = 0.02

BAD_BODIES = (
    '{"rows": [',
    '{"rows": []}',
    '{"rows": [{"f0": "one"}]}',
    '{"rows": [{"f0": NaN}]}',
    '{"row": [{}]}',
    "[" * 5000,
    '{"rows": [{"feature": 1}], "interval": 7}',
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="defaults to 10; at most 60")
    parser.add_argument("--share", type=float, default=SHARE, help="share of capacity; defaults to 0.8")
    options = parser.parse_args(arguments)
    seconds = round(60 * min(options.minutes, 60))
    with tempfile.TemporaryDirectory(prefix="trueline-soak-") as temporary:
        folder = Path(temporary)
        net = network.build(folder)
        bodies = mixed(net)
        script = load.write_script(folder / "mixed", [body.encode() for body in bodies])
        server = servers.SERVERS["trueline"]
        with servers.start(server, net, folder, Path(sys.executable), SERVER_CORE) as running:
            requests = answered(bodies, net, running.port)
            # The first seconds warm up; they do not show the capacity.
            for warm in (2, 8):
                capacity = load.measure(script, running.port, seconds=warm, connections=32, core=LOAD_CORE)
            rate = options.share * capacity.requests_per_second
            plan = Plan(running.port, rate, seconds, CONNECTIONS, requests)
            counts, memory = press(plan, running)
            after = load.measure(script, running.port, seconds=8, connections=32, core=LOAD_CORE)
    print(report(capacity.requests_per_second, after.requests_per_second, options.share, counts, memory))
    return 0


def mixed(net: network.Network) -> list[str]:
    """Bodies in the order in which they are sent, one bad after nine good."""
    bodies = []
    for i, body in enumerate(net.bodies):
        bodies.append(body)
        if i % 9 == 8:
            bodies.append(BAD_BODIES[(i // 9) % len(BAD_BODIES)])
    return bodies


def answered(bodies: Sequence[str], net: network.Network, port: int) -> list[tuple[str, int, str]]:
    """Each body with the status and the text of its answer.

    Raises:
        RuntimeError: an answer differs from the Predictor's, or a bad body is not refused with a 4xx.
    """
    predictor = Predictor.load(LocalRegistry(net.home).resolve(network.MODEL_NAME).path)
    right = predictor.predict_rows(net.rows)
    numbers = np.stack([right.value[:, 0], right.lower[:, 0], right.upper[:, 0]], axis=1).tolist()
    expected = dict(zip(net.bodies, numbers, strict=True))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    exchanges = []
    for body in bodies:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode()
        if body in expected:
            first = json.loads(text)["predictions"][0]
            is_right = [first["value"], first["lower"], first["upper"]] == expected[body]
        else:
            is_right = 400 <= response.status < 500
        if not is_right:
            raise RuntimeError(f"Expected another answer to {body[:200]}. Received: {response.status} {text[:200]}")
        exchanges.append((body, response.status, text))
    connection.close()
    return exchanges


def press(plan: Plan, running: servers.Running) -> tuple[Counts, list[int]]:
    """Send the plan from the load's core and read the worker's memory each second.

    Raises:
        RuntimeError: the sender failed.
    """
    command = ["taskset", "-c", str(LOAD_CORE), sys.executable, "-m", "benchmarks.steady"]
    memory: list[int] = []
    with subprocess.Popen(
        command, cwd=servers.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sender:
        assert sender.stdin and sender.stdout
        json.dump(plan._asdict(), sender.stdin)
        sender.stdin.close()
        deadline = time.monotonic() + plan.seconds + 60
        while sender.poll() is None and time.monotonic() < deadline:
            memory.append(running.worker_memory())
            time.sleep(1)
        if sender.poll() is None:
            sender.kill()
        output = sender.stdout.read()
    if sender.returncode != 0:
        raise RuntimeError(f"Expected benchmarks.steady to end by itself. Received: exit {sender.returncode}.")
    return Counts(**json.loads(output)), memory


def report(capacity: float, after: float, share: float, counts: Counts, memory: Sequence[int]) -> str:
    """The results as Markdown, each with its limit."""
    # The first fifth warms up caches and pools; growth is that of a line through the rest.
    settled = np.array(memory[len(memory) // 5 :], dtype=float)
    growth = float(np.polyfit(np.arange(len(settled)), settled, 1)[0]) * len(settled) / settled.mean()
    rate = counts.sent / counts.seconds
    reached = rate / capacity
    lines = [
        (
            "share of the capacity",
            f"{share:.0%} within {TOLERANCE:.0%}",
            f"{reached:.1%}",
            abs(reached - share) <= TOLERANCE,
        ),
        (
            "growth of the worker's memory",
            f"within {GROWTH:.0%}",
            f"{growth:+.2%} ({settled[0] / 1e6:.0f} to {settled[-1] / 1e6:.0f} MB, largest {max(memory) / 1e6:.0f} MB)",
            abs(growth) <= GROWTH,
        ),
        (
            "answers of 5xx",
            "0",
            f"{counts.broken} of {counts.sent:,} ({counts.refused:,} refused with 4xx)",
            counts.broken == 0,
        ),
        ("answers that differ from the Predictor's", "0", f"{counts.wrong} of {counts.sent:,}", counts.wrong == 0),
        ("requests without an answer", "0", f"{counts.lost}", counts.lost == 0),
    ]
    return "\n".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d}, {describe()}. {counts.seconds / 60:.3g} minutes at {rate:,.0f} requests/s, "
            f"{reached:.1%} of a capacity of {capacity:,.0f} for the same mix (after it: {after:,.0f}); "
            f"p50 {counts.p50 * 1e3:.1f} ms, p99 {counts.p99 * 1e3:.1f} ms.",
            "",
            "| what | asked | reached | met |",
            "| --- | --- | --- | --- |",
            *(f"| {what} | {limit} | {result} | {'yes' if met else 'no'} |" for what, limit, result, met in lines),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
