"""How often the gates refuse equal and worse candidates: ``python -m benchmarks.gates --data DIR``.

``DIR`` holds ``housing.csv``, as for :mod:`benchmarks.accuracy`; without it only diabetes is measured. A candidate is a
ridge regression on random features: another seed gives another model of the same data in milliseconds. The champion is
one of them. Equal candidates have other seeds. Worse ones have 10% more RMSE, in two ways: noise is added to their
answers, or the answers are drawn towards the mean. Housing is judged on its held-out tenth of the rows; diabetes,
which has too few rows for that, out of fold. The gates are those that ``promote --data`` asks: error, groups, coverage
and width.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.gates.cells import Cell, cells_of
from artifact.gates.limits import SAME_TABLE
from artifact.gates.rows import Answers, Rows, coverage_gate, error_gate, groups_gate, width_gate
from artifact.rows.encoding import Encoded
from artifact.rows.schema import Feature, FeatureSchema, Target
from benchmarks.machine import describe

Float64 = npt.NDArray[np.float64]

MOST_EQUAL, LEAST_WORSE = 0.05, 0.95
WORSE = 1.10
_LEVEL = 0.9


class Table(NamedTuple):
    """A table as candidates are fitted on it.

    Attributes:
        name: of the table.
        X: float64 (n_samples, n_columns), standardised.
        y: float64 (n_samples,).
        cells: of the rows that are judged.
        judged: indices of the rows that are judged.
        out_of_fold: whether they are answered out of fold, and not by a model of the other rows.
        width: number of random features.
    """

    name: str
    X: Float64
    y: Float64
    cells: list[Cell]
    judged: npt.NDArray[np.intp]
    out_of_fold: bool
    width: int


class Model(NamedTuple):
    """A candidate's answers.

    Attributes:
        value: float64 (n_judged,).
        calibration: residuals of other rows, or out of fold.
        mean: of the target.
    """

    value: Float64
    calibration: tuple[Float64, Float64]
    mean: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gates", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that holds housing.csv")
    parser.add_argument("--candidates", type=int, default=200, help="of each kind; defaults to 200")
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args(arguments)
    if options.candidates < 1:
        parser.error(f"Expected at least 1 candidate. Received: {options.candidates}.")
    tables = [diabetes(), *([_housing(options.data)] if options.data else [])]
    found = [figures for table in tables for figures in measure(table, options.candidates)]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}; {options.candidates} candidates of each kind.\n")
    print("| table | candidates | refused | by | limit | met |")
    print("| --- " * 6 + "|")
    for figures in found:
        by = ", ".join(f"{gate} {count}" for gate, count in figures["by"].items())
        met = {True: "yes", False: "no", None: ""}[figures["met"]]
        print(
            f"| {figures['table']} | {figures['kind']} | {figures['refused']:.1%} | {by} | {figures['limit']} | {met} |"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if all(figures["met"] is not False for figures in found) else 1


def measure(table: Table, candidates: int) -> Iterator[dict[str, Any]]:
    """The shares of candidates that are refused, by kind.

    Args:
        table: see :class:`Table`.
        candidates: number of each kind.
    """
    champion = fit(table, 0)
    models = [fit(table, seed) for seed in range(1, candidates + 1)]
    kinds: dict[str, Callable[[Model, int], Model]] = {
        "equal, other seeds": lambda model, _: model,
        "10% more RMSE, by noise": noisy,
        "10% more RMSE, towards the mean": lambda model, _: blunt(model),
    }
    for kind, change in kinds.items():
        changed = [change(model, seed) for seed, model in enumerate(models)]
        refused = [refusing_gates(table, model, champion) for model in changed]
        yield _figures(table, kind, refused, kind.startswith("equal"))
        if table.out_of_fold:
            ratios = [_rmse(table, model) / _rmse(table, champion) for model in changed]
            by_figures = [["error"] if ratio > SAME_TABLE else [] for ratio in ratios]
            yield _figures(table, f"{kind}; by figures alone", by_figures, kind.startswith("equal"))


def _figures(table: Table, kind: str, refused: list[list[str]], equal: bool) -> dict[str, Any]:
    share = float(np.mean([bool(gates) for gates in refused]))
    # Only housing has rows enough for all worse ones to show.
    asked = equal or not table.out_of_fold
    limit = f"at most {MOST_EQUAL:.0%}" if equal else f"at least {LEAST_WORSE:.0%}" if asked else "none"
    met = None if not asked else share <= MOST_EQUAL if equal else share >= LEAST_WORSE
    by = dict(Counter(gate for gates in refused for gate in gates))
    return {"table": table.name, "kind": kind, "refused": share, "by": by, "limit": limit, "met": met}


def refusing_gates(table: Table, model: Model, champion: Model) -> list[str]:
    """Names of the gates that refuse."""
    ours, theirs = (_answers(table, one) for one in (model, champion))
    rows = Rows(
        targets=("y",),
        candidate=ours,
        champion=theirs,
        root=True,
        plain="RMSE",
        std=np.array([table.y.std()]),
        level=_LEVEL,
        cells=table.cells,
    )
    return refused_by(rows, theirs)


def refused_by(rows: Rows, champion: Answers) -> list[str]:
    """Names of the gates of answered rows that refuse the candidate."""
    results = [error_gate(rows, champion), groups_gate(rows, champion), coverage_gate(rows), width_gate(rows, champion)]
    return [result.gate for result in results if not result.passed]


def _answers(table: Table, model: Model) -> Answers:
    """Answers with conformal intervals of one width."""
    y, value = table.y[table.judged], model.value
    truth, calibration = model.calibration
    half = float(np.quantile(np.abs(truth - calibration), _LEVEL))
    inside = np.abs(y - value) <= half
    return Answers(np.square(y - value)[:, None], inside[:, None], np.full((len(y), 1), 2 * half))


def fit(table: Table, seed: int) -> Model:
    """A candidate of a seed, which shuffles the rows and makes the random features."""
    y, judged = table.y, table.judged
    if table.out_of_fold:
        order = np.random.default_rng([seed, 1]).permutation(len(y))
        value = np.zeros(len(y))
        for held_out in np.array_split(order, 10):
            value[held_out] = _predicted(table, np.setdiff1d(order, held_out), held_out, seed)
        return Model(value[judged], (y, value), float(y.mean()))
    others = np.setdiff1d(np.arange(len(y)), judged)
    shuffled = np.random.default_rng([seed, 1]).permutation(others)
    train, calibrate = shuffled[len(shuffled) // 8 :], shuffled[: len(shuffled) // 8]
    value = _predicted(table, train, np.concatenate([judged, calibrate]), seed)
    return Model(value[: len(judged)], (y[calibrate], value[len(judged) :]), float(y[train].mean()))


def _predicted(table: Table, train: Any, asked: Any, seed: int) -> Float64:
    """A ridge regression on random features of the columns."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(table.X.shape[1], table.width)) / np.sqrt(table.X.shape[1])
    offsets = rng.normal(size=table.width)

    def features(rows: Any) -> Float64:
        return np.hstack([np.tanh(table.X[rows] @ weights + offsets), table.X[rows]])

    Z, mean = features(train), table.y[train].mean()
    centre = Z.mean(axis=0)
    Z = Z - centre
    system = Z.T @ Z + 1e-3 * len(train) * np.eye(Z.shape[1])
    return np.asarray((features(asked) - centre) @ np.linalg.solve(system, Z.T @ (table.y[train] - mean)) + mean)


def _rmse(table: Table, model: Model) -> float:
    return float(np.sqrt(np.mean(np.square(table.y[table.judged] - model.value))))


def noisy(model: Model, seed: int) -> Model:
    """Noise of so much variance that the RMSE is 10% more."""
    rng = np.random.default_rng([seed, 2])
    truth, value = model.calibration
    scale = np.sqrt((WORSE**2 - 1) * np.mean(np.square(truth - value)))
    noisy = [part + scale * rng.normal(size=len(part)) for part in (model.value, value)]
    return model._replace(value=noisy[0], calibration=(truth, noisy[1]))


def blunt(model: Model) -> Model:
    """Answers drawn towards the mean until the RMSE on the calibration rows is 10% more."""
    truth, value = model.calibration
    wanted = WORSE * np.sqrt(np.mean(np.square(truth - value)))
    low, high = 0.0, 1.0
    for _ in range(40):
        share = (low + high) / 2
        drawn = model.mean + share * (value - model.mean)
        low, high = (share, high) if np.sqrt(np.mean(np.square(truth - drawn))) > wanted else (low, share)
    both = [model.mean + low * (part - model.mean) for part in (model.value, value)]
    return model._replace(value=both[0], calibration=(truth, both[1]))


def diabetes() -> Table:
    """The table that scikit-learn carries."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    everything = np.arange(len(data.target))
    columns = {name: data.data[:, j] for j, name in enumerate(data.feature_names)}
    return _table(
        "diabetes, out of fold", columns, {}, data.target.astype(float), everything, out_of_fold=True, width=30
    )


def _housing(folder: Path) -> Table:
    import polars as pl

    frame = pl.read_csv(folder / "housing.csv")
    y = frame["median_house_value"].to_numpy().astype(float)
    frame = frame.drop("median_house_value")
    words = {name: frame[name].to_list() for name, dtype in frame.schema.items() if dtype == pl.String}
    numbers = {name: frame[name].cast(pl.Float64).to_numpy() for name in frame.columns if name not in words}
    judged = np.sort(np.random.default_rng(0).choice(len(y), len(y) // 10, replace=False))
    return _table("housing, a tenth held out", numbers, words, y, judged, out_of_fold=False, width=300)


def _table(
    name: str,
    numbers: dict[str, Float64],
    words: dict[str, list[str]],
    y: Float64,
    judged: npt.NDArray[np.intp],
    *,
    out_of_fold: bool,
    width: int,
) -> Table:
    numeric = np.column_stack(list(numbers.values()))
    known = {column: sorted(set(values)) for column, values in words.items()}
    codes = [[known[column].index(value) + 2 for value in values] for column, values in words.items()]
    categorical = np.array(codes, np.int32).reshape(len(words), len(y)).T
    features = [Feature(name=column, kind="number", missing="impute") for column in numbers]
    features += [Feature(name=column, kind="category", categories=tuple(known[column])) for column in words]
    target = Target(name="y", minimum=float(y.min()), maximum=float(y.max()), std=float(y.std()))
    schema = FeatureSchema(features=tuple(features), targets=(target,))
    cells = cells_of(schema, Encoded(numeric[judged].astype(np.float32), categorical[judged]))
    filled = np.where(np.isnan(numeric), np.nanmedian(numeric, axis=0), numeric)
    flags = [categorical[:, [j]] == code for j in range(len(words)) for code in np.unique(categorical[:, j])]
    X = np.hstack([filled, *flags]).astype(float)
    return Table(name, (X - X.mean(axis=0)) / X.std(axis=0), y, cells, judged, out_of_fold, width)


if __name__ == "__main__":
    sys.exit(main())
