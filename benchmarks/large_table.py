"""Trains on a table that is too large for memory: ``python -m benchmarks.large_table``.

Writes a Parquet file of 50 features (numbers, some of them missing, integers, three categories, a date; the target is
nonlinear in them), and runs ``trueline train FILE --preset fast`` on it in a process of its own. Prints the seconds and
the peak memory of that process and its children, with the limits for 1,000,000 rows. Then ``trueline evaluate`` answers
all rows of the file, and its peak memory is printed, too. The RMSE is on other rows; the table also has that of
scikit-learn's HistGradientBoosting with its defaults, fitted on all rows of the file.

``--rows 4000000 16000000`` trains on tables of these sizes one after another: the memory should not grow with them.
``--set`` is passed on; it can make a run short if only its memory matters.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.large_table_data import CATEGORIES, write_table
from benchmarks.machine import describe

_GIB = 1024**3
# Limits for 1,000,000 rows x 50 features with --preset fast.
MOST_BYTES, MOST_SECONDS, ASKED_ROWS = 4 * _GIB, 600, 1_000_000
# Limit for ``trueline evaluate`` on as many rows.
MOST_BYTES_TO_EVALUATE = 2 * _GIB
_TEST_ROWS = 100_000
_POLL_SECONDS = 0.1


class Run(NamedTuple):
    """One training, and the evaluation of its rows.

    Attributes:
        rows: rows of the table.
        peak, peak_to_evaluate: most bytes of all processes together, in the training and in the evaluation.
        seconds, processor: wall seconds and processor seconds of the training.
        rmse, boosting: RMSE on other rows, by Trueline and by HistGradientBoosting.
    """

    rows: int
    peak: int
    peak_to_evaluate: int
    seconds: float
    processor: float
    rmse: float
    boosting: float | None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_table", description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[ASKED_ROWS], help="rows of each table; defaults to 1,000,000"
    )
    parser.add_argument("--preset", default="fast", help="defaults to fast")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the training")
    parser.add_argument("--no-stream", action="store_true", help="hold the table in memory")
    parser.add_argument("--no-boosting", action="store_true", help="leave HistGradientBoosting on all rows out")
    parser.add_argument("--folder", type=Path, help="folder that keeps the tables; defaults to a temporary one")
    options = parser.parse_args(arguments)
    if min(options.rows) < 1_000:
        parser.error(f"Expected at least 1,000 rows. Received: {min(options.rows)}.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        test = _table(folder, _TEST_ROWS, seed=1)
        runs = [_run(folder, n_rows, test, options, Path(temporary)) for n_rows in options.rows]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}; --preset {options.preset}", *options.set, sep=" --set ")
    print(
        "\n| rows | peak memory | to evaluate them | seconds | of a processor | RMSE of other rows "
        "| HistGradientBoosting on all rows |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for run in runs:
        boosting = "-" if run.boosting is None else f"{run.boosting:.4f}"
        took = f"{run.seconds:,.0f} | {run.processor:,.0f}"
        peaks = f"{run.peak / _GIB:.2f} GiB | {run.peak_to_evaluate / _GIB:.2f} GiB"
        print(f"| {run.rows:,} | {peaks} | {took} | {run.rmse:.4f} | {boosting} |")
    return _judge(runs)


def _judge(runs: list[Run]) -> int:
    """Print the limits and the figures; 1 where a limit is not met."""
    runs_with_limit = [run for run in runs if run.rows == ASKED_ROWS]
    if not runs_with_limit:
        return 0
    run = runs_with_limit[0]
    lines = (
        ("peak memory of train", "4 GiB", f"{run.peak / _GIB:.2f} GiB", run.peak <= MOST_BYTES),
        ("time of train", f"{MOST_SECONDS} s", f"{run.seconds:,.0f} s", run.seconds <= MOST_SECONDS),
        (
            "peak memory of evaluate",
            "2 GiB",
            f"{run.peak_to_evaluate / _GIB:.2f} GiB",
            run.peak_to_evaluate <= MOST_BYTES_TO_EVALUATE,
        ),
    )
    print("\n| what | asked | reached | met |\n| --- | --- | --- | --- |")
    for what, limit, reached, met in lines:
        print(f"| {what} | at most {limit} | {reached} | {'yes' if met else 'no'} |")
    return 0 if all(line[-1] for line in lines) else 1


def _table(folder: Path, n_rows: int, seed: int) -> Path:
    path = folder / f"table-{n_rows}-{seed}.parquet"
    if not path.exists():
        part = path.with_suffix(".part")
        write_table(part, n_rows, seed)
        part.replace(path)
    return path


def _run(folder: Path, n_rows: int, test: Path, options: argparse.Namespace, home: Path) -> Run:
    data = _table(folder, n_rows, seed=0)
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true"}
    settings = [part for setting in options.set for part in ("--set", setting)]
    mode = "--no-stream" if options.no_stream else "--stream"
    command = [sys.executable, "-m", "trueline", "train", str(data), "--target", "y", "--name", f"rows-{n_rows}"]
    began, busy = time.perf_counter(), _processor()
    peak = _watched([*command, "--preset", options.preset, mode, "--json", *settings], environment)
    seconds, busy = time.perf_counter() - began, _processor() - busy
    evaluate = [sys.executable, "-m", "trueline", "evaluate", f"rows-{n_rows}"]
    process = subprocess.run(
        [*evaluate, str(test), "--json"], env=environment, capture_output=True, text=True, check=True
    )
    peak_to_evaluate = _watched([*evaluate, str(data), "--json"], environment)
    rmse = json.loads(process.stdout.splitlines()[-1])["metrics"]["y"]["rmse"]
    boosting = None
    if not options.no_boosting:
        # In a process of its own, so that its memory does not count as Trueline's.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            boosting = pool.submit(_boosting, data, test).result()
    return Run(n_rows, peak, peak_to_evaluate, seconds, busy, rmse, boosting)


def _watched(command: list[str], environment: dict[str, str]) -> int:
    """Run a command; the most bytes of it and its children together."""
    with subprocess.Popen(command, env=environment) as process:
        peak, stop = [0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, peak, stop))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        stop.set()
        watcher.join()
    if code:
        raise SystemExit(f"Expected {' '.join(command)} to end well. Received: exit code {code}.")
    # The kernel's figure for the largest single process, in case a poll missed its peak.
    return max(peak[0], usage.ru_maxrss * 1024)


def _processor() -> float:
    """Processor seconds of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _watch(pid: int, peak: list[int], stop: threading.Event) -> None:
    while not stop.wait(_POLL_SECONDS):
        peak[0] = max(peak[0], sum(map(_resident, _tree(pid))))


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        child_pids = [int(child) for child in children.read_text().split()]
    except OSError:
        return [pid]
    return [pid, *(each for child in child_pids for each in _tree(child))]


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _boosting(data: Path, test: Path) -> float:
    import numpy as np
    import polars as pl
    from sklearn.ensemble import HistGradientBoostingRegressor

    def matrix(path: Path) -> tuple[np.ndarray, np.ndarray]:
        frame = pl.read_parquet(path).with_columns(
            pl.col("sold").dt.epoch("s"),
            *(pl.col(name).cast(pl.String).str.split(" ").list.last().cast(pl.Int64) for name in CATEGORIES),
        )
        features = frame.drop("y").cast(pl.Float32).to_numpy()
        return features, frame["y"].to_numpy()

    X, y = matrix(data)
    columns = [name for name in pl.read_parquet_schema(data) if name != "y"]
    model = HistGradientBoostingRegressor(
        categorical_features=[columns.index(name) for name in CATEGORIES], random_state=0
    )
    model.fit(X, y)
    X, y = matrix(test)
    return float(np.sqrt(np.mean(np.square(model.predict(X) - y))))


if __name__ == "__main__":
    sys.exit(main())
