"""Each runtime on the same trained networks: time of a call, load time, memory, and difference to ONNX Runtime.

    python -m benchmarks.runtimes --data housing.csv --target median_house_value

Each measurement is a process of its own with one thread. Rounds take the runtimes in turn, so that drifts in the
machine's speed hit all of them, and the best time of each is shown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks import machine

NETWORKS = {"2 x 128": (128, 128), "3 x 512": (512, 512, 512)}
SIZES = (1, 16, 256, 4096)
# The runtime's name and Keras's backend, by the name in the table.
RUNTIMES = {
    "onnx": ("onnx", ""),
    "onnx-int8": ("onnx-int8", ""),
    "keras, tensorflow": ("keras", "tensorflow"),
    "keras, jax": ("keras", "jax"),
}
# Runs in the measuring process. Modules that are imported before the clock starts are those of every worker.
MEASURE = """
import json, pathlib, sys, time
import numpy as np
import psutil
from artifact.golden import read_golden
from artifact.predictor import Predictor

folder, runtime, sizes, seconds = pathlib.Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), float(sys.argv[4])
started = time.perf_counter()
predictor = Predictor.load(folder, runtime=runtime, device=sys.argv[5])
load = time.perf_counter() - started
golden = read_golden(folder)
rows = predictor.encoder.encode_rows(golden.rows)
times = {}
for n in sizes:
    at = np.arange(n) % len(rows)
    X = rows.numeric[at], rows.categorical[at]
    predictor.run(*X)
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        begun = time.perf_counter()
        predictor.run(*X)
        best = min(best, time.perf_counter() - begun)
    times[n] = best
print(json.dumps({"load": load, "memory": psutil.Process().memory_info().rss, "times": times,
    "device": predictor.runtime.device, "difference": max(predictor.differences(golden).values())}))
"""


def train_network(home: Path, data: str, target: str, hidden: tuple[int, ...]) -> Path:
    """Train a version, with all its copies, on a real table for a few epochs; its folder."""
    from artifact.registry.local import LocalRegistry
    from training.prepare.request import Request
    from training.settings.config import TrainConfig
    from training.train import train

    registry = LocalRegistry(home)
    manifest = train(Request(data, (target,), "n", TrainConfig(hidden=hidden, epochs=8, int8=True)), registry)
    for note in manifest.notes:
        print(f"note: {note}")
    if manifest.int8 is not None:
        print(f"int8: RMSE on the validation rows {manifest.int8.rmse_ratio:.4f} times the network's")
    return registry.resolve(f"n:{manifest.model_version}").path


def measure(folder: Path, label: str, seconds: float, device: str) -> dict[str, Any] | str:
    """Measure a runtime in one process; the last line of its error where it does not run."""
    runtime, backend = RUNTIMES[label]
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **({"KERAS_BACKEND": backend} if backend else {})}
    command = [sys.executable, "-W", "ignore", "-c", MEASURE, folder, runtime, json.dumps(SIZES), str(seconds), device]
    process = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=300)
    if process.returncode:
        return (process.stderr.strip().splitlines() or [f"exit {process.returncode}"])[-1]
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


def table(results: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The rows of a Markdown table, one for each runtime, with the best of its rounds."""
    heads = " | ".join(f"{n:,} row{'s' * (n > 1)}" for n in SIZES)
    lines = [f"| runtime | device | {heads} | load | memory | largest difference |", "| --- " * (len(SIZES) + 5) + "|"]
    for label, rounds in results.items():
        times = " | ".join(f"{min(r['times'][str(n)] for r in rounds) * 1e6:,.0f} us" for n in SIZES)
        load, memory = (min(r[key] for r in rounds) for key in ("load", "memory"))
        last = f"{load:.1f} s | {memory / 1e6:,.0f} MB | {rounds[0]['difference']:.1e} deviations"
        lines.append(f"| {label} | {rounds[0]['device']} | {times} | {last} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="dataset:diabetes", help="table to train on [default: dataset:diabetes]")
    parser.add_argument("--target", default="target", help="its target column [default: target]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each number of rows [default: 0.5]")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME")
    options = parser.parse_args()
    print(f"{machine.describe()}; {options.rounds} rounds, best of each\n")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.networks:
            hidden = NETWORKS[name]
            folder = train_network(Path(scratch) / name.replace(" ", ""), options.data, options.target, hidden)
            results: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for _ in range(options.rounds):
                for label in RUNTIMES:
                    result = measure(folder, label, options.seconds, options.device)
                    if isinstance(result, str):
                        print(f"{label}: {result}")
                    else:
                        results[label].append(result)
            print(f"\n{name}\n\n" + "\n".join(table(results)) + "\n", flush=True)


if __name__ == "__main__":
    main()
