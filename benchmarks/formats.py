"""Large requests in every wire format to a real service: rows a second, and how long small requests wait meanwhile.

Example:
    $ python -m benchmarks.formats --rows 10000 --seconds 2
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import http.client
import io
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from benchmarks.network import MODEL_NAME, Network, build
from benchmarks.servers import SERVERS, start
from tests.builders import sample_rows


def bodies(rows: list[dict[str, Any]]) -> dict[str, tuple[str, bytes]]:
    """Media type and body of each format, all of the same rows."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    table, stream, file, text = pa.table(columns), io.BytesIO(), io.BytesIO(), io.StringIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    pq.write_table(table, file)
    lines = csv.writer(text)
    lines.writerow(columns)
    lines.writerows(row.values() for row in rows)
    return {
        "JSON columns": ("application/json", json.dumps({"columns": columns}).encode()),
        "JSON rows": ("application/json", json.dumps({"rows": rows}).encode()),
        "CSV": ("text/csv", text.getvalue().encode()),
        "NDJSON": ("application/x-ndjson", "\n".join(map(json.dumps, rows)).encode()),
        "Arrow": ("application/vnd.apache.arrow.stream", stream.getvalue()),
        "Parquet": ("application/vnd.apache.parquet", file.getvalue()),
    }


def post(connection: http.client.HTTPConnection, media_type: str, body: bytes | str) -> bytes:
    """Send one request; its answer.

    Raises:
        RuntimeError: the status is not 200.
    """
    connection.request("POST", "/predict", body, {"Content-Type": media_type})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RuntimeError(f"Expected status 200. Received: {response.status} {answer[:300]!r}")
    return answer


def measure(port: int, media_type: str, body: bytes, seconds: float) -> list[float]:
    """Seconds of each request on one connection."""
    times = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        post(connection, media_type, body)
        end = time.perf_counter() + seconds
        while (started := time.perf_counter()) < end or len(times) < 3:
            post(connection, media_type, body)
            times.append(time.perf_counter() - started)
    return times


def waits(port: int, body: str, stop: threading.Event, times: list[float]) -> None:
    """Send small requests one after another until ``stop`` is set, and add each one's seconds to ``times``."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        while not stop.is_set():
            started = time.perf_counter()
            post(connection, "application/json", body)
            times.append(time.perf_counter() - started)
            time.sleep(0.002)


def network_seconds(network: Network, rows: list[dict[str, Any]]) -> float:
    """Seconds that ONNX Runtime alone takes for the rows, in parts of the size that the service runs."""
    predictor = Predictor.load(LocalRegistry(network.home).resolve(MODEL_NAME).path)
    X = predictor.encoder.encode_rows(rows)
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        for at in range(0, len(X), 512):
            predictor.run(X.numeric[at : at + 512], X.categorical[at : at + 512])
        best = min(best, time.perf_counter() - started)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--core", type=int, default=0, help="the service's core; -1 for all")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    network = build(folder)
    schema = Predictor.load(LocalRegistry(network.home).resolve(MODEL_NAME).path).schema
    rows = sample_rows(schema, options.rows)
    runtime = network_seconds(network, rows)
    print(f"ONNX Runtime alone: {options.rows / runtime:,.0f} rows/s")
    core = None if options.core < 0 else options.core
    with start(SERVERS["trueline"], network, folder, Path(), core) as server:
        print(f"{'':14}{'rows/s':>12}{'in ONNX Runtime':>17}{'small p50':>11}{'p99':>9}{'max':>9}{'memory':>10}")
        for name, (media_type, body) in bodies(rows).items():
            best = float(np.median(measure(server.port, media_type, body, options.seconds)))
            stop, times = threading.Event(), []
            small = threading.Thread(target=waits, args=(server.port, network.bodies[0], stop, times))
            small.start()
            measure(server.port, media_type, body, options.seconds / 2)
            stop.set()
            small.join()
            p50, p99, most = (f"{1000 * float(q):.1f} ms" for q in np.quantile(times, [0.5, 0.99, 1.0]))
            memory = f"{server.worker_memory() / 2**20:.0f} MB"
            print(
                f"{name:14}{options.rows / best:>12,.0f}{runtime / best:>17.0%}{p50:>11}{p99:>9}{most:>9}{memory:>10}"
            )


if __name__ == "__main__":
    main()
