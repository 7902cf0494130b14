"""Measures a start from an earlier version on few new rows: ``python -m benchmarks.transfer``.

An earlier version is trained on three quarters of a table. Some hundreds of the other rows are the new rows, and the
rest are test rows. Networks start from random weights or from the version, at several shares of the usual learning
rate, and train for few epochs or for the preset's. Their RMSE on the test rows is printed, as a mean over draws of the
new rows, with that of the earlier version as it is.

There are two made-up tables, similar to California's houses (eight numbers, two of them the position, and a category):
new rows from the same place as the old ones, and from another place, where the level and the weight of the income
differ. ``--data`` takes a file instead; then ``--by COLUMN`` takes the rows where that number is largest as new rows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from artifact.registry.local import LocalRegistry
from benchmarks.machine import describe

PRESET, TARGET = "fast", "value"


class Case(NamedTuple):
    """An earlier table, rows to draw new ones from, and test rows."""

    name: str
    target: str
    earlier: pl.DataFrame
    new: pl.DataFrame
    test: pl.DataFrame


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=__doc__)
    parser.add_argument("--data", help="a table in place of the made-up ones")
    parser.add_argument("--target", help="its target")
    parser.add_argument("--by", help="number whose largest quarter is the new rows; by default they are random")
    parser.add_argument("--size", type=int, default=8_000, help="rows of a made-up table; defaults to 8,000")
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 1_000], help="new rows; defaults to 200 1000")
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 150], help="most epochs; defaults to 5 150")
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[1.0, 0.3, 0.1, 0.03], help="shares of the usual rate"
    )
    parser.add_argument("--draws", type=int, default=2, help="draws of the new rows; defaults to 2")
    options = parser.parse_args(arguments)
    if (options.data is None) != (options.target is None):
        parser.error("Expected --data and --target together.")
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}, preset {PRESET}, {options.draws} draws.", flush=True)
    for case in _cases(options):
        _measure(case, options)
    return 0


def _cases(options: argparse.Namespace) -> Iterator[Case]:
    if options.data is None:
        for name, elsewhere in (("new rows from the same place", False), ("new rows from elsewhere", True)):
            rng = np.random.default_rng(0)
            earlier = made_up(options.size * 3 // 4, rng)
            rest = made_up(options.size // 4 + max(options.rows), rng, elsewhere=elsewhere)
            yield Case(name, TARGET, earlier, rest[options.size // 4 :], rest[: options.size // 4])
        return
    from training.table.data import read_table

    frame = read_table(options.data).drop_nulls(options.target).sample(fraction=1.0, shuffle=True, seed=0)
    if options.by:
        frame = frame.sort(options.by)
    cut = frame.height * 3 // 4
    rest = frame[cut:].sample(fraction=1.0, shuffle=True, seed=1)
    half = rest.height // 2
    name = f"{Path(options.data).name}, new rows by {options.by}" if options.by else Path(options.data).name
    yield Case(name, options.target, frame[:cut], rest[half:], rest[:half])


def made_up(n: int, rng: np.random.Generator, *, elsewhere: bool = False) -> pl.DataFrame:
    """Houses whose value depends on income, age, rooms and place, with noise; ``elsewhere``: in another place."""
    x, y = rng.uniform(0, 10, (2, n))
    income, age = rng.gamma(4, 1, n), rng.uniform(1, 52, n)
    rooms, people = rng.normal(5.4, 1.2, n), rng.gamma(3, 0.9, n)
    households, bedrooms = rng.lognormal(6, 0.7, n), rng.normal(1.1, 0.15, n)
    coast = np.where(x < 2, "near", np.where(x < 5, "hour", "inland"))
    weight = 0.28 if elsewhere else 0.42
    value = weight * income + 0.6 * np.sin(x) * np.cos(0.7 * y) + 0.5 * np.tanh(rooms - people - 2)
    value += np.where(coast == "near", 0.8, 0.0) - 0.01 * np.abs(age - 25) + 0.1 * np.log(households)
    value += (0.9 if elsewhere else 0.0) + rng.normal(0, 0.35, n)
    columns = {"x": x, "y": y, "income": income, "age": age, "rooms": rooms, "people": people}
    return pl.DataFrame({**columns, "households": households, "bedrooms": bedrooms, "coast": coast, TARGET: value})


def _measure(case: Case, options: argparse.Namespace) -> None:
    from training.devices.backend import load_backend
    from training.prepare.request import Request
    from training.settings.config import TrainConfig
    from training.train import train
    from training.transfer.earlier import Earlier

    load_backend()
    with tempfile.TemporaryDirectory() as home:
        registry, path = LocalRegistry(Path(home)), Path(home) / "earlier.parquet"
        case.earlier.write_parquet(path)
        train(Request(str(path), (case.target,), "earlier", TrainConfig(preset=PRESET)), registry)
        earlier = Earlier.find(registry, "earlier")
        print(f"\n{case.name}: the earlier version as it is {_as_it_is(earlier, case):.4g}\n")
        head = [f"init, rate x {rate:g}" for rate in options.rates]
        print(f"| new rows | epochs | from nothing | {' | '.join(head)} |\n|{' --- |' * (3 + len(head))}")
        for n in options.rows:
            for epochs in options.epochs:
                errors = [_error(None, case, n, epochs, 1.0, options.draws)]
                errors += [_error(earlier, case, n, epochs, rate, options.draws) for rate in options.rates]
                print(f"| {n} | {epochs} | {' | '.join(f'{error:.4g}' for error in errors)} |", flush=True)


def _error(earlier: Any, case: Case, n: int, epochs: int, rate: float, draws: int) -> float:
    """Root of the mean squared error over draws of the new rows."""
    return float(np.sqrt(np.mean([_squares(earlier, case, n, epochs, rate, draw) for draw in range(draws)])))


def _squares(earlier: Any, case: Case, n: int, epochs: int, rate: float, draw: int) -> float:
    from artifact.predictor import target_offsets
    from training.fit.observer import Observer
    from training.fit.trained import Trained
    from training.networks.unseen import answers
    from training.prepare.in_memory import prepare
    from training.prepare.request import Request
    from training.settings.config import TrainConfig
    from training.table.encode import encode_frame

    usual = TrainConfig(preset=PRESET).resolved(n).required("learning_rate")
    rates = tuple(rate * r for r in usual) if isinstance(usual, tuple) else rate * usual
    config = TrainConfig(preset=PRESET, epochs=epochs, learning_rate=rates, seed=draw)
    new = case.new.sample(n, seed=draw)
    prepared = prepare(new, Request("-", (case.target,), "new", config), earlier)
    fitted = Trained().fit(prepared, Observer()).fitted
    answer = answers(fitted.model, encode_frame(case.test, prepared.schema.lenient())).value
    offsets = target_offsets(prepared.schema)
    value = answer if offsets is None else answer + offsets
    return float(np.square(value[:, 0] - case.test[case.target].to_numpy()).mean())


def _as_it_is(earlier: Any, case: Case) -> float:
    from artifact.predictor import Predictor
    from training.table.encode import encode_frame

    predictor = Predictor.load(earlier.folder)
    X = encode_frame(case.test, predictor.schema.lenient())
    value = predictor.predict(X).value[:, 0]
    return float(np.sqrt(np.square(value - case.test[case.target].to_numpy()).mean()))


if __name__ == "__main__":
    raise SystemExit(main())
