"""Requests/s, latency, memory and start of Trueline and other servers, in one run: ``python -m benchmarks.serving``.

Every server answers single rows with the same network. In each round each server is started on one core, loaded by
wrk from another, and stopped. Rounds are interleaved, so that a slow minute of the machine hits all of them. Figures
are medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks import load, network, servers
from benchmarks.environments import NotInstalledError, peer_python
from benchmarks.machine import describe

SERVER_CORE, LOAD_CORE = 0, 1


class Round(NamedTuple):
    """One server in one round; seconds and bytes."""

    load: load.Load
    ready: float
    memory: int


class Results(NamedTuple):
    """The results of all rounds.

    Attributes:
        rounds: rounds by server.
        absent: servers that could not be measured, with the reason in one line.
    """

    rounds: dict[str, list[Round]]
    absent: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    missing = [tool for tool in ("wrk", "taskset") if not shutil.which(tool)]
    if missing:
        print(f"Expected wrk and taskset in PATH. Received: no {' and no '.join(missing)}.", file=sys.stderr)
        return 2
    results = Results({}, {})
    pythons = install(options.servers, options.cache, results.absent)
    idle = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="trueline-benchmark-") as temporary:
        folder = Path(temporary)
        net = network.build(folder)
        for i in range(options.rounds):
            for name in (name for name in options.servers if name not in results.absent):
                try:
                    measured = measure(servers.SERVERS[name], net, folder, pythons[name], options)
                except RuntimeError as error:
                    if name == "trueline":
                        raise
                    print(f"{name}: {error}", file=sys.stderr, flush=True)
                    results.absent[name] = f"did not run: {str(error).splitlines()[0][:160]}"
                    continue
                results.rounds.setdefault(name, []).append(measured)
                print(
                    f"round {i + 1} of {options.rounds}  {name:16}{measured.load.requests_per_second:10,.0f} requests/s"
                    f"   p99 {measured.load.p99 * 1e3:7.1f} ms   failed {measured.load.failed}",
                    file=sys.stderr,
                    flush=True,
                )
    print(report(results, options, idle))
    return 1 if any(r.load.failed for measured in results.rounds.values() for r in measured) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="seconds of each measurement; defaults to 8")
    parser.add_argument("--warm-up", type=int, default=2, help="seconds before each measurement; defaults to 2")
    parser.add_argument("--rounds", type=int, default=5, help="defaults to 5")
    parser.add_argument("--connections", type=int, default=32, help="defaults to 32")
    parser.add_argument(
        "--servers", nargs="+", choices=list(servers.SERVERS), default=list(servers.SERVERS), help="defaults to all"
    )
    parser.add_argument(
        "--cache", type=Path, default=servers.ROOT / ".bench", help="folder for the peers' environments"
    )
    parser.add_argument("--json", type=Path, help="write every measurement to this file too")
    return parser.parse_args(arguments)


def install(names: Sequence[str], cache: Path, absent: dict[str, str]) -> dict[str, Path]:
    """The Python of each server's environment; those that cannot be installed go to ``absent``, with the reason."""
    pythons = {}
    for name in names:
        peer = servers.SERVERS[name].peer
        try:
            pythons[name] = peer_python(peer, cache) if peer else Path(sys.executable)
        except NotInstalledError as error:
            absent[name] = f"not installed: {error}"
    return pythons


def measure(
    server: servers.Server, net: network.Network, folder: Path, python: Path, options: argparse.Namespace
) -> Round:
    """Start a server, warm it, load it, stop it."""
    wire = server.wire
    script = load.write_script(folder / "bodies" / wire.name, wire.bodies(net.rows), route=wire.path)
    with servers.start(server, net, folder, python, SERVER_CORE) as running:

        def press(seconds: int) -> load.Load:
            return load.measure(script, running.port, seconds=seconds, connections=options.connections, core=LOAD_CORE)

        press(options.warm_up)
        return Round(press(options.seconds), running.ready_seconds, running.worker_memory())


def report(results: Results, options: argparse.Namespace, idle: float) -> str:
    """The results as Markdown; writes ``--json`` as well."""
    median = statistics.median
    rounds = {name: runs for name, runs in results.rounds.items() if name not in results.absent}
    rate = {name: median(r.load.requests_per_second for r in runs) for name, runs in rounds.items()}
    base = rate.get("trueline")
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {describe()}, load before {idle:.2f}. One row a request, "
        f"{options.connections} connections, server on core {SERVER_CORE}, wrk on core {LOAD_CORE}; medians of "
        f"{options.rounds} interleaved rounds of {options.seconds} s.",
        "",
        "| server | requests/s | lowest - highest | Trueline is | p50 | p99 | worker memory | ready after | failed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, runs in sorted(rounds.items(), key=lambda item: -rate[item[0]]):
        rates = [r.load.requests_per_second for r in runs]
        ratio = f"{base / rate[name]:.2f} x" if base else "-"
        lines.append(
            f"| {servers.SERVERS[name].name} | {rate[name]:,.0f} | {min(rates):,.0f} - {max(rates):,.0f} | {ratio} "
            f"| {median(r.load.p50 for r in runs) * 1e3:.2f} ms | {median(r.load.p99 for r in runs) * 1e3:.1f} ms "
            f"| {median(r.memory for r in runs) / 1e6:.0f} MB | {median(r.ready for r in runs):.1f} s "
            f"| {sum(r.load.failed for r in runs)} |"
        )
    lines += [f"| {servers.SERVERS[name].name} | {why} | | | | | | | |" for name, why in results.absent.items()]
    if options.json:
        plain = {n: [{**r._asdict(), "load": r.load._asdict()} for r in runs] for n, runs in rounds.items()}
        options.json.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
