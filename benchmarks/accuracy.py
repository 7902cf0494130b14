"""Accuracy and training time of ``trueline train`` beside its peers, on the same splits, in one run.

    python -m benchmarks.accuracy --data DIR

``DIR`` holds ``housing.csv``: California housing, 20,640 districts, target ``median_house_value``. Each seed splits the
table 80/20 once; every model is given the same 80% and scored on the same 20%. Trueline holds back validation,
calibration and test rows from the 80% it is given; the peers train on all of it. Runs are interleaved by seed.
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
from sklearn.model_selection import train_test_split

from artifact.predictor import Predictor
from artifact.registry import Registry
from benchmarks import accuracy_peers
from benchmarks.machine import describe
from training.columns import encode_frame
from training.data import read_table

TARGET = "median_house_value"
LIMIT_RMSE = 50_000
LIMIT_SECONDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds housing.csv")
    parser.add_argument("--seeds", type=int, default=5, help="splits, with seeds 0 to N-1 (default 5)")
    parser.add_argument("--peers", nargs="*", choices=accuracy_peers.PEERS, default=list(accuracy_peers.PEERS))
    parser.add_argument("--json", type=Path, help="keep every measurement in this file")
    options = parser.parse_args()
    table = read_table(str(options.data / "housing.csv"))
    runs: dict[str, list[dict[str, float]]] = {"trueline": [], **{name: [] for name in options.peers}}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            train, test = train_test_split(np.arange(table.height), test_size=0.2, random_state=seed)
            paths = [Path(folder) / f"{part}.csv" for part in ("train", "test")]
            table[train].write_csv(paths[0])
            table[test].write_csv(paths[1])
            for name, found in runs.items():
                measured = _trueline(*paths, Path(folder), seed) if name == "trueline" else _peer(name, *paths, seed)
                found.append(measured)
                print(f"seed {seed}  {name:24} RMSE {measured['rmse']:8,.0f}  {measured['seconds']:6.1f} s", flush=True)
    _print_table(runs)
    if options.json:
        options.json.write_text(json.dumps({"machine": describe(), "runs": runs}, indent=2) + "\n")


def _trueline(train: Path, test: Path, home: Path, seed: int) -> dict[str, float]:
    environment = {**os.environ, "BENTOML_HOME": str(home)}
    command = [sys.executable, "-m", "trueline", "train", str(train), "--target", TARGET, "--name", "housing"]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--seed", str(seed), "--json"], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    wall = time.perf_counter() - started
    result = json.loads(done.stdout.splitlines()[-1])
    predictor = Predictor.load(Registry(home).resolve(f"housing:{result['model_version']}").path)
    frame = read_table(str(test), as_text=[f.name for f in predictor.schema.categorical])
    answer = predictor.predict(encode_frame(frame, predictor.schema))
    y = frame[TARGET].cast(pl.Float64).to_numpy()
    return {
        "rmse": float(np.sqrt(np.mean(np.square(answer.value[:, 0] - y)))),
        "seconds": result["seconds"],
        "wall_seconds": wall,
        "coverage": float(np.mean((answer.lower[:, 0] <= y) & (y <= answer.upper[:, 0]))),
        "width": float(np.mean(answer.upper - answer.lower)),
    }


def _peer(name: str, train: Path, test: Path, seed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.accuracy_peers", name, str(train), str(test), TARGET, str(seed)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _print_table(runs: dict[str, list[dict[str, float]]]) -> None:
    print(f"\n{describe()}\n\n| model | mean RMSE | RMSE by seed | longest fit, s |\n| --- | --- | --- | --- |")
    for name, found in sorted(runs.items(), key=lambda item: statistics.mean(r["rmse"] for r in item[1])):
        mean = statistics.mean(r["rmse"] for r in found)
        by_seed = ", ".join(f"{r['rmse']:,.0f}" for r in found)
        print(f"| {name} | {mean:,.0f} | {by_seed} | {max(r['seconds'] for r in found):.1f} |")
    ours = runs["trueline"]
    rmse, seconds = statistics.mean(r["rmse"] for r in ours), max(r["seconds"] for r in ours)
    coverage = statistics.mean(r["coverage"] for r in ours)
    print(f"\ntrueline: RMSE {rmse:,.0f} (asked: at most {LIMIT_RMSE:,}), longest fit {seconds:.1f} s ", end="")
    print(f"(asked: at most {LIMIT_SECONDS}), 90% intervals cover {coverage:.1%}.")


if __name__ == "__main__":
    main()
