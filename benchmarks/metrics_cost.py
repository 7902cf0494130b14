"""The time that metrics cost each request: ``python -m benchmarks.metrics_cost``.

The service's app runs in this process, behind its own HTTP protocol on uvloop, with connections that are not sockets.
So the processor time of everything but the kernel's part is measured. Metrics go to files as with several workers.
Rounds with metrics and with calls that do nothing alternate, so that a slow minute of the machine hits both.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import describe

if TYPE_CHECKING:
    from benchmarks.network import Network

_HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
# The metrics that a request and its batch call; the others belong to shed and refused requests.
_CALLS = ("request", "batch", "waited", "waited_all", "flush", "process", "queue")


class _Connection:
    """Takes the place of a socket's transport, and discards all data."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None:
        pass


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="rounds of each kind; defaults to 40")
    parser.add_argument("--requests", type=int, default=10_000, help="requests of a round; defaults to 10,000")
    parser.add_argument("--connections", type=int, default=32, help="defaults to 32")
    options = parser.parse_args(arguments)
    import uvloop

    with tempfile.TemporaryDirectory(prefix="trueline-benchmark-") as folder:
        # The Prometheus client reads this when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(_measure(Path(folder), options))
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}; medians of {options.rounds} rounds of {options.requests:,}.\n")
    print("| | microseconds a request | lowest | requests/s without the kernel's part |\n| --- | --- | --- | --- |")
    for name, costs in results.items():
        median = statistics.median(costs)
        print(f"| {name} | {median * 1e6:.2f} | {min(costs) * 1e6:.2f} | {1 / median:,.0f} |")
    on, off = results.values()
    cost = statistics.median(a - b for a, b in zip(on, off, strict=True))
    print(f"\nMetrics cost {cost * 1e6:.2f} microseconds a request, {cost / statistics.median(on):.1%} of it.")
    return 0


async def _measure(folder: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    from benchmarks import network

    net = network.build(folder / "network")
    kinds = {"with metrics": await _service(net), "with calls that do nothing": await _service(net)}
    worker = kinds["with calls that do nothing"][0]
    for name in _CALLS:
        setattr(worker.metrics, name, lambda *_: None)
    worker.count = lambda *_: None
    worker.tap.add = lambda *_: None
    requests = [_HEAD % len(body) + body.encode() for body in net.bodies]
    results: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(options.rounds + 1):
        for name, (_, app) in kinds.items():
            cost = await _round(app, requests, options)
            if turn:  # the first round warms up
                results[name].append(cost)
    for worker, _ in kinds.values():
        await worker.stop()
    return results


async def _service(net: Network) -> tuple[Any, Any]:
    """A started worker and its app."""
    from prometheus_client import CollectorRegistry

    from artifact.registry.local import LocalRegistry
    from benchmarks.network import MODEL_NAME
    from service.app import front
    from service.app.app import App
    from service.metrics.metrics import Metrics
    from service.settings.settings import Settings
    from service.worker import Worker

    async def nothing(*_: object) -> None:
        raise RuntimeError("Expected only routes of the service. Received: another.")

    worker = Worker(Settings(model=MODEL_NAME), LocalRegistry(net.home), Metrics(CollectorRegistry()))
    await worker.start()
    return worker, front.build(App(worker, nothing), worker)


async def _round(app: Any, requests: Sequence[bytes], options: argparse.Namespace) -> float:
    """Processor seconds of this thread for each request; a connection sends its next request when all have answers."""
    import uvicorn
    from uvicorn.server import ServerState

    from service.wire.framing import Connection

    state = ServerState()
    config = uvicorn.Config(app, log_config=None, server_header=False)
    connections = [Connection(config, state, {}) for _ in range(options.connections)]
    for connection in connections:
        connection.connection_made(_Connection())
    began = time.thread_time()
    sent = 0
    while sent < options.requests:
        for connection in connections:
            connection.data_received(requests[sent % len(requests)])
            sent += 1
        while state.total_requests < sent:
            await asyncio.sleep(0)
    cost = (time.thread_time() - began) / sent
    for connection in connections:
        connection.connection_lost(None)  # this ends its timer, too
    return cost


if __name__ == "__main__":
    sys.exit(main())
