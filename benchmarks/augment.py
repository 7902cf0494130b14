"""Measures augmentation on real tables: ``python -m benchmarks.augment --data DIR``.

For each table and split, a model is trained without augmentation and one with each way of it, on the split's training
rows, as ``trueline train --augment`` trains them. Each way is measured as that command measures it: on rows out of
fold, networks with it are compared to networks without it on the same folds. A way is better or worse where the 95%
interval of that ratio lies below or above 1. The networks that were chosen to serve are then scored on the split's test
rows, and compared to those served without augmentation. ``DIR`` holds ``housing.csv`` and ``uci/``, as for
:mod:`benchmarks.accuracy`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from artifact.rows.encoding import Encoded
from benchmarks.accuracy_tables import TABLES, splits
from benchmarks.machine import describe
from training.devices.backend import load_backend
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.data import read_table
from training.table.encode import encode_frame

WAYS: dict[str, dict[str, Any]] = {
    "noise 0.01": {"augment": "noise", "noise": 0.01},
    "noise 0.03": {"augment": "noise", "noise": 0.03},
    "noise 0.1": {"augment": "noise", "noise": 0.1},
    "mixup 0.2 near": {"augment": "mixup", "mixup": 0.2, "mixup_with": "near"},
    "mixup 1 near": {"augment": "mixup", "mixup": 1.0, "mixup_with": "near"},
    "mixup 0.2 any": {"augment": "mixup", "mixup": 0.2, "mixup_with": "any"},
    "mixup 1 any": {"augment": "mixup", "mixup": 1.0, "mixup_with": "any"},
    "noise 0.03, mixup 0.2 near": {"augment": "noise,mixup", "noise": 0.03, "mixup": 0.2, "mixup_with": "near"},
}
Run = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds housing.csv and uci/")
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    parser.add_argument("--splits", type=int, default=2, help="most splits of a table (default 2)")
    parser.add_argument("--rows", type=int, default=0, help="most training rows, drawn at random for each split")
    parser.add_argument("--preset", default="fast", help="preset of trueline train (default fast)")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    options = parser.parse_args()
    load_backend()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.tables:
            for number, train, test in splits(TABLES[name], options.data, Path(folder), options.splits):
                frames = [read_table(str(path)) for path in (train, test)]
                if 0 < options.rows < frames[0].height:
                    frames[0] = frames[0].sample(options.rows, seed=number)
                runs += _of_split(name, TABLES[name].target, number, frames, options)
    _print_table(runs)
    if options.json:
        options.json.write_text(json.dumps({"machine": describe(), "runs": runs}, indent=2) + "\n")


def _of_split(
    name: str, target: str, number: int, frames: list[pl.DataFrame], options: argparse.Namespace
) -> list[Run]:
    """Measure one split without augmentation, then with each way."""
    runs = []
    for way in ("", *options.ways):
        settings = {"preset": options.preset, "seed": number, **WAYS.get(way, {})}
        runs.append({"table": name, "split": number, "way": way, **_measured(target, frames, settings)})
        run = runs[-1]
        change = f"{run['ratio'] - 1:+7.1%} ({run['low'] - 1:+.1%} to {run['high'] - 1:+.1%})" if way else ""
        print(
            f"{name:18} split {number:2}  {way or 'without':26} test RMSE {run['rmse']:10,.4g}  "
            f"{run['seconds']:5.0f} s  {change} {run['served']}",
            flush=True,
        )
    return runs


def _measured(target: str, frames: list[pl.DataFrame], settings: dict[str, Any]) -> Run:
    import keras

    from training.fit.observer import Observer
    from training.fit.trained import Trained
    from training.networks.unseen import answers

    keras.backend.clear_session()
    started = time.perf_counter()
    prepared = prepare(frames[0], Request("-", (target,), "m", TrainConfig.build(None, settings)))
    fitted = Trained().fit(prepared, Observer(note=print)).fitted
    seconds = time.perf_counter() - started
    X = encode_frame(frames[1], prepared.schema.lenient())
    value = answers(fitted.model, Encoded(X.numeric, X.categorical)).value + [t.offset for t in prepared.schema.targets]
    error = value[:, 0] - frames[1][target].cast(pl.Float64).to_numpy()
    effect = fitted.augmentation
    return {
        "rmse": float(np.sqrt(np.mean(np.square(error)))),
        "seconds": seconds,
        "ratio": effect.ratio if effect else 1.0,
        "low": effect.low if effect else 1.0,
        "high": effect.high if effect else 1.0,
        "served": effect.served if effect else "",
    }


def _print_table(runs: list[Run]) -> None:
    """A line for each way and table: its effect out of fold, and the error of the served networks on test rows."""
    plain = {(run["table"], run["split"]): run["rmse"] for run in runs if not run["way"]}
    print(f"\n{describe()}\n")
    print("| table | way | out of fold, of without | better, worse, within chance | served, of without, on test rows |")
    print("| --- | --- | --- | --- | --- |")
    for table, way in dict.fromkeys((run["table"], run["way"]) for run in runs if run["way"]):
        runs_of_way = [run for run in runs if (run["table"], run["way"]) == (table, way)]
        ratio = statistics.geometric_mean(run["ratio"] for run in runs_of_way)
        better, worse = (sum(run["high"] < 1 for run in runs_of_way), sum(run["low"] > 1 for run in runs_of_way))
        served = statistics.geometric_mean(run["rmse"] / plain[table, run["split"]] for run in runs_of_way)
        counts = f"{better}, {worse}, {len(runs_of_way) - better - worse}"
        print(f"| {table} | {way} | {ratio - 1:+.1%} | {counts} | {served - 1:+.1%} |")


if __name__ == "__main__":
    main()
