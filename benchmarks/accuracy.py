"""Accuracy and training time of ``trueline train`` beside its peers, on the same splits, in one run.

    python -m benchmarks.accuracy --data DIR

``DIR`` holds ``housing.csv`` and ``uci/``. Every model is given the same training rows and scored on the same test
rows; runs are interleaved by split, one process a fit. Trueline runs as a user runs it; its seconds are those that
``--json`` reports: reading, loading TensorFlow, training, baselines, export and checks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from artifact.intervals import Calibration
from artifact.predictor import Predictor
from artifact.registry import Registry
from benchmarks import accuracy_peers
from benchmarks.accuracy_tables import TABLES, Table, splits
from benchmarks.environments import NotInstalledError, peer_python
from benchmarks.machine import describe
from training.columns import encode_frame
from training.data import read_table

PRESETS = ("fast", "balanced", "best")
Runs = dict[str, list[dict[str, float]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds housing.csv and uci/")
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    parser.add_argument("--splits", type=int, default=20, help="at most so many splits a table (default all, 5 or 20)")
    parser.add_argument("--presets", nargs="*", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--peers", nargs="*", choices=accuracy_peers.PEERS, default=list(accuracy_peers.PEERS))
    parser.add_argument("--set", dest="settings", action="append", default=[], help="a setting of trueline train")
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="environments of the peers (default .bench)")
    parser.add_argument("--json", type=Path, help="keep every measurement in this file")
    options = parser.parse_args()
    pythons = _pythons(options.peers, options.cache)
    found: dict[str, Runs] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.tables:
            found[name] = _run_table(TABLES[name], options, pythons, Path(folder))
    for name, runs in found.items():
        _print_table(TABLES[name], runs)
    if options.json:
        options.json.write_text(json.dumps({"machine": describe(), "tables": found}, indent=2) + "\n")


def _pythons(peers: list[str], cache: Path) -> dict[str, str]:
    """The Python of each peer; those that cannot be installed are told and left out."""
    pythons = {peer: sys.executable for peer in peers if peer not in accuracy_peers.BOOSTING}
    try:
        boosting = str(peer_python("boosting", cache)) if set(peers) & set(accuracy_peers.BOOSTING) else ""
        pythons.update({peer: boosting for peer in peers if peer in accuracy_peers.BOOSTING})
    except NotInstalledError as error:
        print(f"not installed: {', '.join(accuracy_peers.BOOSTING)}: {error}", flush=True)
    return pythons


def _run_table(table: Table, options: argparse.Namespace, pythons: dict[str, str], folder: Path) -> Runs:
    runs: Runs = {}
    for number, train, test in splits(table, options.data, folder, options.splits):
        for preset in options.presets:
            measured = _trueline(table, train, test, folder / "home", preset, number, options.settings)
            _note(runs, table.name, number, f"trueline {preset}", measured)
        for peer, python in pythons.items():
            _note(runs, table.name, number, peer, _peer(python, peer, train, test, table.target, number))
    return runs


def _note(runs: Runs, table: str, number: int, name: str, measured: dict[str, float]) -> None:
    runs.setdefault(name, []).append(measured)
    rmse, seconds = f"{measured['rmse']:,.4g}", f"{measured['seconds']:.1f}"
    if measured["rmse"] > 1000:
        rmse = f"{measured['rmse']:,.0f}"
    print(f"{table:18} split {number:2}  {name:24} RMSE {rmse:>8}  {seconds:>6} s", flush=True)


def _trueline(
    table: Table, train: Path, test: Path, home: Path, preset: str, seed: int, settings: list[str]
) -> dict[str, float]:
    command = [sys.executable, "-m", "trueline", "train", str(train), "--target", table.target, "--name", "m"]
    command += ["--preset", preset, "--seed", str(seed), "--json"]
    for setting in settings:
        command += ["--set", setting]
    started = time.perf_counter()
    environment = {**os.environ, "BENTOML_HOME": str(home)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    wall = time.perf_counter() - started
    result = json.loads(done.stdout.splitlines()[-1])
    folder = Registry(home).resolve(f"m:{result['model_version']}").path
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
        # Constant-width conformal needs scores of unseen rows too: those of the test rows flatter it.
        "constant_width": 2 * float(Calibration.fit(y[:, None], answer.value).bound(0.9)[0]),
        "milliseconds": _one_row(predictor),
        "claimed_rmse": float(result["metrics"][table.target]["rmse"]),
    }


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


def _peer(python: str, name: str, train: Path, test: Path, target: str, seed: int) -> dict[str, float]:
    command = [python, "-m", "benchmarks.accuracy_peers", name, str(train), str(test), target, str(seed)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _print_table(table: Table, runs: Runs) -> None:
    print(f"\n{describe()}\n\n**{table.name}**, {len(next(iter(runs.values())))} splits\n")
    print(
        "| model | mean RMSE | asked | median fit, s | longest fit, s | asked |\n| --- | --- | --- | --- | --- | --- |"
    )
    mean = {name: statistics.mean(run["rmse"] for run in found) for name, found in runs.items()}
    for name, rmse in sorted(mean.items(), key=lambda item: item[1]):
        seconds = [run["seconds"] for run in runs[name]]
        preset = name.removeprefix("trueline ") if name.startswith("trueline ") else ""
        cells = [name, _figure(rmse), _figure(table.asked.get(preset)), f"{statistics.median(seconds):.1f}"]
        cells += [f"{max(seconds):.1f}", _figure(table.seconds.get(preset))]
        print(f"| {' | '.join(cells)} |")
    for name, found in runs.items():
        if not name.startswith("trueline "):
            continue
        covered, width = (statistics.mean(run[key] for run in found) for key in ("coverage", "width"))
        narrower = 1 - width / statistics.mean(run["constant_width"] for run in found)
        claimed = statistics.mean(run["claimed_rmse"] for run in found)
        one = statistics.median(run["milliseconds"] for run in found)
        print(
            f"{name}: 90% intervals cover {covered:.1%}, {narrower:.1%} narrower than constant width; "
            f"its report claims an RMSE of {_figure(claimed)}; one row takes {one:.3f} ms."
        )
        if "nll" in found[0]:
            nll = statistics.mean(run["nll"] for run in found)
            print(f"{name}: negative log-likelihood {nll:.3f}; asked: at most {_figure(table.nll)}.")


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3f}"


if __name__ == "__main__":
    main()
