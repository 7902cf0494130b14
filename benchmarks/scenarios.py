"""Further scenarios of the service, each with its limit: ``python -m benchmarks.scenarios``.

One connection; 512 connections; an ensemble of 32 members, compared to ONNX Runtime alone; 10,000 rows a request in
each format; two workers, compared to one. One worker is on one core and wrk on the other, unless a scenario says more.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from benchmarks import load, network, servers
from benchmarks.ensemble import MEMBERS, ensemble_graph
from benchmarks.machine import describe
from benchmarks.serving import LOAD_CORE, SERVER_CORE
from tests.builders import build_schema, plain_features, sample_rows

BULK_ROWS = 10_000
ARROW = "application/vnd.apache.arrow.stream"

# Runs on the server's core: rows/s of the network alone at its best batch size.
_ALONE = """
import sys, time
import numpy as np
from pathlib import Path
from artifact.runtimes import OnnxRuntime
runtime, best = OnnxRuntime(Path(sys.argv[1])), 0.0
for n in (1, 4, 8, 16, 32, 64, 128, 256, 512):
    X = np.random.default_rng(0).normal(size=(n, int(sys.argv[2]))).astype(np.float32)
    codes = np.zeros((n, 0), np.int32)
    runtime.run(X, codes)
    rounds, ended = 0, time.perf_counter() + 0.7
    began = time.perf_counter()
    while time.perf_counter() < ended:
        runtime.run(X, codes)
        rounds += 1
    best = max(best, rounds * n / (time.perf_counter() - began))
print(best)
"""


class Figure(NamedTuple):
    """One line of the result."""

    what: str
    limit: str
    reached: str
    met: bool


class Bench:
    """Measures on one service at a time; medians over rounds.

    Args:
        folder: folder for networks, bodies and logs.
        seconds: seconds of one measurement.
        rounds: rounds of each measurement.
    """

    def __init__(self, folder: Path, seconds: int, rounds: int) -> None:
        self.folder = folder
        self.seconds = seconds
        self.rounds = rounds
        self.plain = network.build(folder / "plain")
        self.rows = load.write_script(folder / "rows", [body.encode() for body in self.plain.bodies])

    def press(
        self, script: load.Script, connections: int, net: network.Network | None = None, *, workers: int = 1
    ) -> load.Load:
        """The median load of several starts of the service."""
        loads = [self.once(script, connections, net, workers=workers) for _ in range(self.rounds)]
        return sorted(loads, key=lambda f: f.requests_per_second)[len(loads) // 2]

    def once(
        self,
        script: load.Script,
        connections: int,
        net: network.Network | None = None,
        *,
        server: str = "trueline",
        workers: int = 1,
        pinned: bool = True,
    ) -> load.Load:
        """The load of one start, with server and wrk on a core each, or both on all cores."""
        core = SERVER_CORE if pinned else None
        environ = {"TRUELINE_WORKERS": str(workers)}
        start = servers.start(
            servers.SERVERS[server], net or self.plain, self.folder, Path(sys.executable), core, environ
        )
        with start as running:
            for seconds in (2, self.seconds):
                measured = load.measure(
                    script,
                    running.port,
                    seconds=seconds,
                    connections=connections,
                    core=LOAD_CORE if pinned else None,
                )
        return measured


def one_connection(bench: Bench) -> Iterator[Figure]:
    result = bench.press(bench.rows, 1)
    yield Figure("1 connection, p50", "0.12 ms", f"{result.p50 * 1e3:.3f} ms", result.p50 <= 0.12e-3)


def many_connections(bench: Bench) -> Iterator[Figure]:
    result = bench.press(bench.rows, 512)
    reached = f"{result.p99 * 1e3:.1f} ms, {result.failed} errors, {result.requests_per_second:,.0f} requests/s"
    yield Figure("512 connections, p99", "60 ms, no error", reached, result.p99 <= 0.06 and not result.failed)


def ensemble(bench: Bench) -> Iterator[Figure]:
    """A TabM-mini as published, then one with the small network's two layers, for which HTTP alone is the limit."""
    for name, graph in (
        ("as published, two blocks of 512 over embeddings", ensemble_graph(network.N_FEATURES)),
        ("of two layers of 128", ensemble_graph(network.N_FEATURES, hidden=network.HIDDEN, embedding=0)),
    ):
        net = network.build(bench.folder / f"ensemble {name}", graph)
        script = load.write_script(bench.folder / f"rows of {name}", [body.encode() for body in net.bodies])
        # In turns, so that a slow minute of the machine hits both.
        runtime_rates, echoes, rates = [], [], []
        for _ in range(bench.rounds):
            runtime_rates.append(_runtime_rate(net))
            echoes.append(bench.once(script, 32, net, server="echo").requests_per_second)
            rates.append(bench.once(script, 32, net).requests_per_second)
        most, echo, rate = (statistics.median(rates_of) for rates_of in (runtime_rates, echoes, rates))
        reached = f"{rate / most:.2f} ({rate:,.0f} of {most:,.0f} rows/s)"
        if echo < 0.8 * most:
            reached += f"; cannot be met by one row a request: a bare echo alone answers {echo:,.0f} requests/s"
        what = f"tabm of {MEMBERS} members {name}, 32 connections, of ONNX Runtime alone"
        yield Figure(what, "0.8", reached, rate >= 0.8 * most)


def _runtime_rate(net: network.Network) -> float:
    """Rows/s of ONNX Runtime on the server's core, at its best batch size."""
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-c", _ALONE, str(net.onnx), str(network.N_FEATURES)]
    process = subprocess.run(command, cwd=servers.ROOT, check=True, capture_output=True, text=True)
    return float(process.stdout)


def bulk(bench: Bench) -> Iterator[Figure]:
    schema = build_schema(plain_features(network.N_FEATURES), targets=("y",))
    rows = [{k: round(v, 4) for k, v in row.items()} for row in sample_rows(schema, BULK_ROWS)]
    columns = {name: [row[name] for row in rows] for name in schema.names}
    sink = pa.BufferOutputStream()
    table = pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    bodies = (
        ("JSON columns", json.dumps({"columns": columns}).encode(), "application/json", 400_000),
        ("JSON rows", json.dumps({"rows": rows}).encode(), "application/json", 200_000),
        ("Arrow", sink.getvalue().to_pybytes(), ARROW, 1_500_000),
    )
    for name, body, content_type, limit in bodies:
        script = load.write_script(bench.folder / name.replace(" ", "-"), [body], content_type)
        rate = bench.press(script, 2).requests_per_second * BULK_ROWS
        yield Figure(f"{BULK_ROWS:,} rows a request, {name}", f"{limit:,} rows/s", f"{rate:,.0f} rows/s", rate >= limit)


def two_workers(bench: Bench) -> Iterator[Figure]:
    """One worker and two, each time with wrk on the same two cores.

    wrk takes processor time, too: beside one worker it has the other core, beside two workers it takes time from them.
    The most that two workers can reach follows from wrk's processor time.
    """
    ones, twos = [], []
    for _ in range(bench.rounds):
        ones.append(bench.once(bench.rows, 64, pinned=False))
        twos.append(bench.once(bench.rows, 64, workers=2, pinned=False))
    one, two = (statistics.median(f.requests_per_second for f in loads) for loads in (ones, twos))
    wrk = statistics.median(f.client_seconds for f in (*ones, *twos))
    most = 2 / (1 + wrk * one)
    reached = f"{two / one:.2f} ({two:,.0f} of {one:,.0f}; wrk takes {wrk * 1e6:.1f} us of each: {most:.2f} at most)"
    yield Figure("two workers on two cores, of one", "1.6", reached, two >= 1.6 * one)


SCENARIOS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "one": one_connection,
    "many": many_connections,
    "ensemble": ensemble,
    "bulk": bulk,
    "workers": two_workers,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scenarios", description=__doc__)
    parser.add_argument("--seconds", type=int, default=6, help="seconds of each measurement; defaults to 6")
    parser.add_argument("--rounds", type=int, default=3, help="defaults to 3")
    parser.add_argument("--only", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS), help="defaults to all")
    options = parser.parse_args(arguments)
    idle = os.getloadavg()[0]
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="trueline-benchmark-") as folder:
        bench = Bench(Path(folder), options.seconds, options.rounds)
        for name in options.only:
            for figure in SCENARIOS[name](bench):
                print(f"{figure.what}: {figure.reached} (asked: {figure.limit})", file=sys.stderr, flush=True)
                figures.append(figure)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}, load before {idle:.2f}; medians of {options.rounds} rounds.\n")
    print("| what | asked | reached | met |\n| --- | --- | --- | --- |")
    for figure in figures:
        print(f"| {figure.what} | {figure.limit} | {figure.reached} | {'yes' if figure.met else 'no'} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
