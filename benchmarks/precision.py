"""The accuracy that mixed precision costs: ``python -m benchmarks.precision``.

The same networks (``--preset fast``, the same folds, weights and order of the rows) are trained in float32 and in
``mixed_bfloat16``, on tables that scikit-learn has or makes. The RMSE is that of joint answers by the networks that did
not see a row. A processor rounds to 16 bits as a GPU does, so accuracy can be measured without a GPU; speed cannot.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.machine import describe

PRECISIONS = ("float32", "mixed_bfloat16")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each; defaults to 3")
    parser.add_argument("--epochs", type=int, help="defaults to the preset's")
    parser.add_argument("--device", default="auto", help="as `trueline train` takes it; defaults to auto")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"Expected at least 1 seed. Received: {options.seeds}.")
    with tempfile.TemporaryDirectory() as scratch:
        rows = [
            (name, model, [_ratio(data, model, seed, options) for seed in range(options.seeds)])
            for name, data in _tables(Path(scratch))
            for model in ("mlp", "tabm", "realmlp")
        ]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}; {options.seeds} seeds.\n")
    print("| table | model | RMSE in float32 | in mixed_bfloat16 | ratio, lowest - highest |")
    print("| --- " * 5 + "|")
    for name, model, errors in rows:
        whole, mixed = (statistics.mean(pair[i] for pair in errors) for i in (0, 1))
        ratios = [b / a for a, b in errors]
        print(f"| {name} | {model} | {whole:.4g} | {mixed:.4g} | {min(ratios):.3f} - {max(ratios):.3f} |")
    return 0


def _tables(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and data for ``trueline train``; the target is the column ``target``."""
    from sklearn.datasets import make_friedman1

    yield "diabetes", "dataset:diabetes"
    X, y = make_friedman1(2_000, n_features=10, noise=1.0, random_state=0)
    frame = pl.DataFrame({f"x{j}": X[:, j] for j in range(X.shape[1])}).with_columns(target=pl.Series(y))
    frame.write_parquet(folder / "friedman1.parquet")
    yield "friedman1, 2,000 rows", str(folder / "friedman1.parquet")


def _ratio(data: str, model: str, seed: int, options: argparse.Namespace) -> tuple[float, float]:
    """The RMSE in both precisions."""
    whole, mixed = (_rmse(data, model, seed, precision, options) for precision in PRECISIONS)
    return whole, mixed


def _rmse(data: str, model: str, seed: int, precision: str, options: argparse.Namespace) -> float:
    from training.devices.backend import load_backend
    from training.prepare.in_memory import prepare
    from training.prepare.request import Request
    from training.settings.config import TrainConfig
    from training.table.data import read_table

    epochs = {} if options.epochs is None else {"epochs": options.epochs}
    config = TrainConfig.build(
        None,
        {"preset": "fast", "model": model, "seed": seed, "precision": precision, "device": options.device, **epochs},
    )
    prepared = prepare(read_table(data), Request(data, ("target",), "m", config))
    load_backend(config.device, prepared.frame.height)
    from training.fit.observer import Observer
    from training.fit.trained import Trained

    fitted = Trained().fit(prepared, Observer(note=print)).fitted
    folds = [prepared.plan.folds[i] for i in fitted.networks or range(len(prepared.plan.folds))]
    total, count = np.zeros_like(prepared.y), np.zeros((len(prepared.y), 1))
    for fold, outputs in zip(folds, fitted.unseen, strict=True):
        total[fold.validation] += outputs.value
        count[fold.validation] += 1
    return float(np.sqrt(np.square(total / count - prepared.y).mean()))


if __name__ == "__main__":
    sys.exit(main())
