"""The time of one row, and the accuracy that a faster answer costs: an ensemble and its student.

    python -m benchmarks.latency --data DIR

``DIR`` holds ``housing.csv``. Each preset is trained twice on four fifths of it, with ``distil=false`` and
``distil=true``, and answers the rest. A time is that of one forward pass by ONNX Runtime on one core, through the
Predictor: the median of the fastest of many blocks of calls, since others may use the machine.
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
from typing import Any

import numpy as np
import onnx
import polars as pl

from artifact import manifest as files
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from benchmarks.accuracy_tables import TABLES, splits
from benchmarks.machine import describe
from training.table.data import read_table
from training.table.encode import encode_frame

PRESETS = ("fast", "balanced", "best")
# The limits for one row, in milliseconds.
LIMITS = {"fast": 0.02, "balanced": 0.2, "best": 0.2}
SIZES = (1, 4, 64)
_BLOCKS, _CALLS = 60, 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds housing.csv")
    parser.add_argument("--presets", nargs="*", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--set", dest="settings", action="append", default=[], help="a setting of trueline train")
    options = parser.parse_args()
    table = TABLES["housing"]
    print(f"{describe()}\n\n| preset | distil | RMSE | weights | operations | 1 row, ms | asked | 4 rows | 64 rows |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        _, train, test = next(iter(splits(table, options.data, Path(folder), 1)))
        for preset in options.presets:
            for distil in ("false", "true"):
                settings = [*options.settings, f"distil={distil}"]
                result = measured(trained(train, table.target, Path(folder), preset, settings), test, table.target)
                times = [f"{result[f'rows_{n}']:.3f}" for n in SIZES]
                cells = [
                    preset,
                    distil,
                    f"{result['rmse']:,.0f}",
                    f"{result['weights']:,}",
                    str(result["operations"]),
                ]
                print(f"| {' | '.join([*cells, times[0], f'{LIMITS[preset]:g}', *times[1:]])} |", flush=True)


def trained(train: Path, target: str, home: Path, preset: str, settings: list[str]) -> Path:
    """Train a version as a user trains it; its folder."""
    command = [sys.executable, "-m", "trueline", "train", str(train), "--target", target, "--name", "m"]
    command += ["--preset", preset, "--json"]
    for setting in settings:
        command += ["--set", setting]
    environment = {**os.environ, "BENTOML_HOME": str(home)}
    process = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    version = json.loads(process.stdout.splitlines()[-1])["model_version"]
    return LocalRegistry(home).resolve(f"m:{version}").path


def measured(folder: Path, test: Path, target: str) -> dict[str, Any]:
    """RMSE on the test rows, weights, operations of the graph, and milliseconds by number of rows."""
    predictor = Predictor.load(folder)
    frame = read_table(str(test), as_text=[f.name for f in predictor.schema.categorical])
    X = encode_frame(frame, predictor.schema)
    error = predictor.predict(X).value[:, 0] - frame[target].cast(pl.Float64).to_numpy()
    figures: dict[str, Any] = {
        "rmse": float(np.sqrt(np.mean(np.square(error)))),
        "weights": predictor.manifest.parameters,
        "operations": len(onnx.load(folder / files.ONNX_MODEL).graph.node),
    }
    for n in SIZES:
        figures[f"rows_{n}"] = milliseconds(predictor, X.numeric[:n], X.categorical[:n])
    return figures


def milliseconds(predictor: Predictor, numeric: np.ndarray, categorical: np.ndarray) -> float:
    """The time of one call: the median of the fastest block."""
    predictor.run(numeric, categorical)
    medians = []
    for _ in range(_BLOCKS):
        times = []
        for _ in range(_CALLS):
            started = time.perf_counter()
            predictor.run(numeric, categorical)
            times.append(time.perf_counter() - started)
        medians.append(statistics.median(times))
    return min(medians) * 1e3


if __name__ == "__main__":
    main()
