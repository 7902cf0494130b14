"""The figures that :mod:`benchmarks.changes` measures: a checkout's service under load, training and scoring."""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks import load, network, servers
from benchmarks.checkouts import run_in
from benchmarks.scenarios import ARROW, BULK_ROWS
from benchmarks.serving import LOAD_CORE, SERVER_CORE
from tests.builders import build_schema, plain_features, sample_rows

Measured = dict[str, float]
_SCORED_ROWS = 300_000
_NETWORK = """
import json, sys
from pathlib import Path
from benchmarks import network
net = network.build(Path(sys.argv[1]))
print(json.dumps([net.rows, net.values]))
"""


class Figure(NamedTuple):
    """One figure of a checkout."""

    name: str
    unit: str
    digits: int
    higher_is_better: bool


GROUPS: dict[str, tuple[Figure, ...]] = {
    "serving": (
        Figure("32 connections", "requests/s", 0, higher_is_better=True),
        Figure("1 connection, p50", "ms", 3, higher_is_better=False),
        Figure("JSON rows", "rows/s", 0, higher_is_better=True),
        Figure("JSON columns", "rows/s", 0, higher_is_better=True),
        Figure("CSV", "rows/s", 0, higher_is_better=True),
        Figure("Arrow", "rows/s", 0, higher_is_better=True),
        Figure("worker memory", "MB", 0, higher_is_better=False),
        Figure("ready after", "s", 2, higher_is_better=False),
    ),
    "training": (
        Figure("train --preset fast, 3,000 rows", "s", 1, higher_is_better=False),
        Figure("its processor time", "s", 1, higher_is_better=False),
    ),
    "scoring": (Figure("predict, CSV of 300,000 rows", "s", 2, higher_is_better=False),),
}


class Checkout:
    """A checkout of Trueline, with a network that its own code has written, since a format may have changed.

    Args:
        root: folder of the checkout.
        folder: folder for networks, bodies, tables and logs.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._folder = root, folder
        self._net = network.Network(folder / "network" / "home", Path(), [], [], [])
        self._scripts: dict[str, load.Script] = {}

    def build(self, groups: Sequence[str]) -> None:
        """Write the files that the groups need.

        Raises:
            subprocess.CalledProcessError: the checkout's own code failed.
        """
        self._folder.mkdir(parents=True)
        rows, values = json.loads(self._run([sys.executable, "-c", _NETWORK, str(self._folder / "network")]))
        self._net = self._net._replace(rows=rows, values=values)
        schema = build_schema(plain_features(network.N_FEATURES), targets=("y",))
        if "serving" in groups:
            self._write_bodies(schema)
        if "training" in groups:
            _table(3_000).write_csv(self._folder / "train.csv")
        if "scoring" in groups:
            rng = np.random.default_rng(1)
            columns = {name: rng.normal(size=_SCORED_ROWS).round(4) for name in schema.names}
            pl.DataFrame(columns).write_csv(self._folder / "score.csv")

    def measure(self, groups: Sequence[str], seconds: int) -> Measured:
        """Measure each figure of the groups once; each load takes ``seconds``."""
        figures: Measured = {}
        if "serving" in groups:
            figures |= self._serving(seconds)
        if "training" in groups:
            wall, used = self._command("train", str(self._folder / "train.csv"), "--target", "y", "--preset", "fast")
            figures |= {figure.name: value for figure, value in zip(GROUPS["training"], (wall, used), strict=True)}
        if "scoring" in groups:
            output = str(self._folder / "scored.csv")
            wall, _ = self._command("predict", network.MODEL_NAME, str(self._folder / "score.csv"), "-o", output)
            figures[GROUPS["scoring"][0].name] = wall
        return figures

    def _write_bodies(self, schema: object) -> None:
        rows = [{k: round(v, 4) for k, v in row.items()} for row in sample_rows(schema, BULK_ROWS)]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        sink = pa.BufferOutputStream()
        table = pa.table(columns)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        bodies: dict[str, tuple[list[bytes], str]] = {
            "one": ([json.dumps({"rows": [row]}).encode() for row in rows[:500]], "application/json"),
            "JSON rows": ([json.dumps({"rows": rows}).encode()], "application/json"),
            "JSON columns": ([json.dumps({"columns": columns}).encode()], "application/json"),
            "CSV": ([pl.DataFrame(columns).write_csv().encode()], "text/csv"),
            "Arrow": ([sink.getvalue().to_pybytes()], ARROW),
        }
        for name, (contents, kind) in bodies.items():
            self._scripts[name] = load.write_script(self._folder / name.replace(" ", "-"), contents, kind)

    def _serving(self, seconds: int) -> Measured:
        server, environ = servers.SERVERS["trueline"], {"PYTHONPATH": str(self._root)}
        with servers.start(
            server, self._net, self._folder, Path(sys.executable), SERVER_CORE, environ, self._root
        ) as running:

            def press(name: str, connections: int) -> load.Load:
                return load.measure(
                    self._scripts[name], running.port, seconds=seconds, connections=connections, core=LOAD_CORE
                )

            press("one", 32)
            figures = {"32 connections": press("one", 32).requests_per_second}
            figures["1 connection, p50"] = press("one", 1).p50 * 1e3
            for name in ("JSON rows", "JSON columns", "CSV", "Arrow"):
                figures[name] = press(name, 2).requests_per_second * BULK_ROWS
            return {**figures, "worker memory": running.worker_memory() / 1e6, "ready after": running.ready_seconds}

    def _command(self, *words: str) -> tuple[float, float]:
        """Run a ``trueline`` command; its wall seconds and processor seconds."""
        home = self._net.home if words[0] == "predict" else self._folder / "trained"
        shutil.rmtree(self._folder / "trained", ignore_errors=True)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        self._run([sys.executable, "-m", "trueline", *words], BENTOML_HOME=str(home))
        wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def _run(self, command: Sequence[str], **environ: str) -> str:
        return run_in(self._root, command, **environ).stdout


def _table(n_rows: int) -> pl.DataFrame:
    """Numbers, a category and a date, with a target that depends on them and on noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, 6))
    town = rng.integers(0, 12, n_rows)
    days = rng.integers(0, 1_500, n_rows)
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.1 * town + 0.001 * days + 0.2 * rng.normal(size=n_rows)
    dates = np.datetime64("2020-01-01") + days.astype("timedelta64[D]")
    numbers = {f"x{j}": x[:, j].round(5) for j in range(x.shape[1])}
    return pl.DataFrame({**numbers, "town": [f"town {t}" for t in town], "sold": dates, "y": y.round(5)})
