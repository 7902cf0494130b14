"""How often the gates refuse trained networks: ``python -m benchmarks.gates_networks --data DIR``.

:mod:`benchmarks.gates` has hundreds of candidates, which are ridge models. Here they are networks that
``trueline train`` fits with other seeds, fewer because each takes its time. Every ordered pair of them is compared as
``promote --data`` does it, on rows that none has seen. A worse candidate is a network whose answers get noise, so that
its RMSE is 10% more. Its intervals are those of training, so that they may be refused for their coverage too; the share
that each gate refuses stands beside the whole. ``DIR`` holds ``housing.csv``; without it only diabetes is measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from artifact.gates.side import Side
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from artifact.runtimes import Float32, Int32, Outputs, Runtime
from benchmarks.gates import LEAST_WORSE, MOST_EQUAL, WORSE, refused_by
from benchmarks.machine import describe


class Table(NamedTuple):
    """A table as networks are trained and compared on it.

    Attributes:
        name: of the table.
        target: column to predict.
        train: rows of the training.
        judged: the other rows, which no network has seen.
        is_asked: whether worse candidates must be refused: only where the judged rows are enough to show it.
    """

    name: str
    target: str
    train: pl.DataFrame
    judged: pl.DataFrame
    is_asked: bool


class Noisy:
    """A runtime whose answers get noise.

    Args:
        runtime: gives the answers.
        deviation: of the noise, in the target's unit.
        seed: of the noise.
    """

    name, device = "noisy", "cpu"

    def __init__(self, runtime: Runtime, deviation: float, seed: int) -> None:
        self._runtime, self._deviation = runtime, deviation
        self._rng = np.random.default_rng([seed, 2])

    def run(self, numeric: Float32, categorical: Int32) -> Outputs:
        outputs = self._runtime.run(numeric, categorical)
        noise = self._deviation * self._rng.normal(size=outputs.value.shape)
        return outputs._replace(value=(outputs.value + noise).astype(np.float32))

    def computed_rows(self, n_rows: int) -> int:
        return self._runtime.computed_rows(n_rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gates_networks", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that holds housing.csv")
    parser.add_argument("--networks", type=int, default=15, help="of each table, at least 2; defaults to 15")
    parser.add_argument("--rows", type=int, default=6_000, help="of housing's training; defaults to 6,000")
    options = parser.parse_args(arguments)
    if options.networks < 2:
        parser.error(f"Expected at least 2 networks. Received: {options.networks}.")
    tables = [_diabetes(), *([_housing(options.data, options.rows)] if options.data else [])]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}; {options.networks} networks of each table, in ordered pairs.\n")
    print("| table | candidates | refused | by | limit | met |\n" + "| --- " * 6 + "|")
    met = True
    for table in tables:
        with tempfile.TemporaryDirectory(prefix="trueline-gates-") as temporary:
            sides = trained(table, Path(temporary), options.networks)
            for kind, worse in (("equal, other seeds", False), ("10% more RMSE, by noise", True)):
                met = _line(table, kind, refused(table, sides, worse=worse), worse=worse) and met
    return 0 if met else 1


def trained(table: Table, home: Path, networks: int) -> list[Side]:
    """Networks that differ in their seed alone, loaded as a service loads them."""
    import trueline

    registry = LocalRegistry(home)
    sides = []
    for seed in range(networks):
        model = trueline.train(
            table.train, table.target, name="network", preset="fast", seed=seed, quiet=True, registry=registry
        )
        sides.append(Side.of(model.reference, model.path, Predictor.load(model.path)))
        print(f"{table.name}: network {seed + 1} of {networks}", file=sys.stderr, flush=True)
    return sides


def refused(table: Table, sides: Sequence[Side], *, worse: bool) -> list[list[str]]:
    """For each ordered pair of candidate and champion, the names of the gates that refuse the candidate."""
    from training.table.reading import Reading
    from trueline.gates.rows import Given, compared

    given = Given(table.judged, Reading())
    gates = []
    for seed, (candidate, champion) in enumerate(permutations(sides, 2)):
        rows, why_not = compared(given, _noisy(candidate, table.target, seed) if worse else candidate, champion)
        if rows is None or rows.champion is None:
            raise RuntimeError(f"Expected rows that both answer. Received: {why_not}")
        gates.append(refused_by(rows, rows.champion))
    return gates


def _noisy(side: Side, target: str, seed: int) -> Side:
    assert side.predictor is not None and side.folder is not None
    given = side.predictor
    rmse = given.manifest.metrics[target]["rmse"]
    assert rmse is not None
    deviation = rmse * float(np.sqrt(WORSE**2 - 1))
    noisy = Predictor(given.schema, Noisy(given.runtime, deviation, seed), given.calibration, given.manifest)
    return Side.of(side.reference, side.folder, noisy)


def _line(table: Table, kind: str, gates: Sequence[Sequence[str]], *, worse: bool) -> bool:
    share = float(np.mean([bool(names) for names in gates]))
    by = ", ".join(f"{gate} {count / len(gates):.1%}" for gate, count in Counter(g for n in gates for g in n).items())
    limit, met = f"at most {MOST_EQUAL:.0%}", share <= MOST_EQUAL
    if worse:
        limit, met = (f"at least {LEAST_WORSE:.0%}", share >= LEAST_WORSE) if table.is_asked else ("none", True)
    print(
        f"| {table.name} | {len(gates)} {kind} | {share:.1%} | {by} | {limit} | {'yes' if met else 'no'} |", flush=True
    )
    return met


def _diabetes() -> Table:
    """The table that scikit-learn carries; a quarter of its rows is judged."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    columns = {name: data.data[:, j] for j, name in enumerate(data.feature_names)}
    frame = pl.DataFrame({**columns, "progression": data.target}).sample(fraction=1.0, shuffle=True, seed=0)
    judged = frame.height // 4
    return Table(f"diabetes, {judged} rows", "progression", frame[judged:], frame[:judged], is_asked=False)


def _housing(folder: Path, rows: int) -> Table:
    frame = pl.read_csv(folder / "housing.csv").sample(fraction=1.0, shuffle=True, seed=0)
    judged = frame.height // 10
    train = frame[judged : judged + rows]
    return Table(f"housing, {judged:,} rows", "median_house_value", train, frame[:judged], is_asked=True)


if __name__ == "__main__":
    sys.exit(main())
