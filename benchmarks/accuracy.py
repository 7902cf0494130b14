"""Accuracy and training time of ``trueline train`` and of its peers, on the same splits, in one run.

    python -m benchmarks.accuracy --data DIR

``DIR`` holds ``housing.csv`` and ``uci/``. Every model gets the same training rows and is scored on the same test rows.
Runs are interleaved by split, with one process for each fit. Trueline runs as a user runs it; its seconds are those
that ``--json`` reports: reading, loading TensorFlow, training, baselines and export, not the report. With
``--cores 0 1`` two fits run at once, each on one core. All tables take hours: with ``--json FILE`` every measurement is
stored when it is made, and the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from benchmarks import accuracy_peers
from benchmarks.accuracy_results import Measured, Results
from benchmarks.accuracy_tables import TABLES, Table, splits
from benchmarks.environments import NotInstalledError, peer_python
from benchmarks.machine import describe
from training.table.data import read_table
from training.table.encode import encode_frame

PRESETS = ("fast", "balanced", "best")
# A fit; its argument is the core that it may use, or None for all.
Job = Callable[[int | None], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds housing.csv and uci/")
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    parser.add_argument("--splits", type=int, default=20, help="most splits of a table (default all, 5 or 20)")
    parser.add_argument("--presets", nargs="*", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--peers", nargs="*", choices=accuracy_peers.PEERS, default=list(accuracy_peers.PEERS))
    parser.add_argument("--set", dest="settings", action="append", default=[], help="a setting of trueline train")
    parser.add_argument("--cores", nargs="*", type=int, help="run one fit at a time on each (default: one fit on all)")
    parser.add_argument("--minutes", type=float, help="start no fit after this many")
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="environments of the peers (default .bench)")
    parser.add_argument("--json", type=Path, help="store every measurement in this file; those in it are not repeated")
    options = parser.parse_args()
    results = Results(options.json, describe())
    with tempfile.TemporaryDirectory() as folder:
        _run(_jobs(options, results, Path(folder)), options.cores or [None], options.minutes)
    for name in options.tables:
        results.show(TABLES[name])


def _jobs(options: argparse.Namespace, results: Results, folder: Path) -> list[Job]:
    """The fits that are not measured yet; tables take turns, so that a run that is stopped has some of each."""
    pythons = _pythons(options.peers, options.cache)
    parts = {name: list(splits(TABLES[name], options.data, folder, options.splits)) for name in options.tables}
    jobs: list[Job] = []
    for number in range(options.splits):
        for name in options.tables:
            if number >= len(parts[name]):
                continue
            split = parts[name][number]
            for preset in options.presets:
                model = " ".join(["trueline", preset, *options.settings])
                if not results.has(name, model, number):
                    jobs.append(_trueline_job(results, TABLES[name], model, split, preset, options.settings))
            for peer, python in pythons.items():
                if not results.has(name, peer, number):
                    jobs.append(_peer_job(results, TABLES[name], peer, split, python))
    return jobs


def _trueline_job(
    results: Results, table: Table, model: str, split: tuple[int, Path, Path], preset: str, settings: list[str]
) -> Job:
    number, train, test = split

    def job(core: int | None) -> None:
        home = train.parent / f"home-{core}"
        results.add(table.name, model, number, _trueline(table, train, test, home, preset, number, settings, core))

    return job


def _peer_job(results: Results, table: Table, peer: str, split: tuple[int, Path, Path], python: str) -> Job:
    number, train, test = split

    def job(core: int | None) -> None:
        results.add(table.name, peer, number, _peer(python, peer, train, test, table.target, number, core))

    return job


def _run(jobs: list[Job], cores: list[int | None], minutes: float | None) -> None:
    """Run one job at a time on each core; an exception ends the run after the jobs that are under way."""
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    until = time.monotonic() + 60 * minutes if minutes else float("inf")

    def work(core: int | None) -> None:
        while time.monotonic() < until:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            job(core)

    with ThreadPoolExecutor(len(cores)) as pool:
        for future in [pool.submit(work, core) for core in cores]:
            future.result()


def _pinned(command: list[str], core: int | None) -> list[str]:
    return command if core is None else ["taskset", "-c", str(core), *command]


def _pythons(peers: list[str], cache: Path) -> dict[str, str]:
    """The Python of each peer; peers that cannot be installed are printed and left out."""
    pythons = {peer: sys.executable for peer in peers if peer not in accuracy_peers.BOOSTING}
    try:
        boosting = str(peer_python("boosting", cache)) if set(peers) & set(accuracy_peers.BOOSTING) else ""
        pythons.update({peer: boosting for peer in peers if peer in accuracy_peers.BOOSTING})
    except NotInstalledError as error:
        print(f"not installed: {', '.join(accuracy_peers.BOOSTING)}: {error}", flush=True)
    return pythons


def _trueline(
    table: Table,
    train: Path,
    test: Path,
    home: Path,
    preset: str,
    seed: int,
    settings: list[str],
    core: int | None,
) -> Measured:
    command = [sys.executable, "-m", "trueline", "train", str(train), "--target", table.target, "--name", "m"]
    command += ["--preset", preset, "--seed", str(seed), "--json"]
    for setting in settings:
        command += ["--set", setting]
    started = time.perf_counter()
    environment = {**os.environ, "BENTOML_HOME": str(home)}
    process = subprocess.run(_pinned(command, core), env=environment, check=True, stdout=subprocess.PIPE, text=True)
    wall = time.perf_counter() - started
    result = json.loads(process.stdout.splitlines()[-1])
    folder = LocalRegistry(home).resolve(f"m:{result['model_version']}").path
    predictor = Predictor.load(folder)
    frame = read_table(str(test), as_text=[f.name for f in predictor.schema.categorical])
    X = encode_frame(frame, predictor.schema)
    answer = predictor.predict(X)
    y = frame[table.target].cast(pl.Float64).to_numpy()
    error = np.abs(answer.value[:, 0] - y)
    spread = predictor.run(X.numeric, X.categorical).spread
    likelihood = {}
    if predictor.manifest.objective == "gaussian" and spread is not None:
        std = spread[:, 0].astype(np.float64)
        nll = 0.5 * np.square(error / std) + np.log(std) + 0.5 * np.log(2 * np.pi)
        likelihood["nll"] = float(nll.mean())
    return {
        **likelihood,
        "rmse": float(np.sqrt(np.mean(np.square(error)))),
        "seconds": result["seconds"],
        "wall_seconds": wall,
        "coverage": float(np.mean((answer.lower[:, 0] <= y) & (y <= answer.upper[:, 0]))),
        "width": float(np.mean(answer.upper - answer.lower)),
        **_widths(error, (answer.upper - answer.lower)[:, 0] / 2),
        "milliseconds": _one_row(predictor),
        "claimed_rmse": float(result["metrics"][table.target]["rmse"]),
    }


def _widths(error: np.ndarray, half: np.ndarray) -> dict[str, float]:
    """Mean widths that cover 90% of the test rows: one width for all, and each row's own, scaled by one factor.

    Both take their scale from the test rows, which makes both too narrow; served intervals do not.
    """
    rank = min(math.ceil(0.9 * (len(error) + 1)), len(error)) - 1
    own = float(np.sort(error / half)[rank])
    return {"constant_width": 2 * float(np.sort(error)[rank]), "scaled_width": 2 * own * float(np.mean(half))}


def _one_row(predictor: Predictor) -> float:
    """Median time of one forward pass of one row by ONNX Runtime on one core, in milliseconds."""
    schema = predictor.schema
    numeric = np.zeros((1, len(schema.numeric_columns)), np.float32)
    categorical = np.ones((1, len(schema.categorical)), np.int32)
    times = []
    for _ in range(300):
        started = time.perf_counter()
        predictor.run(numeric, categorical)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def _peer(python: str, name: str, train: Path, test: Path, target: str, seed: int, core: int | None) -> Measured:
    command = [python, "-m", "benchmarks.accuracy_peers", name, str(train), str(test), target, str(seed)]
    process = subprocess.run(
        _pinned(command, core), check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    measured: Measured = json.loads(process.stdout.splitlines()[-1])
    return measured


if __name__ == "__main__":
    main()
