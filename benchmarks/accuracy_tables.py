"""The tables of the accuracy benchmark, cut into training and test files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.model_selection import train_test_split

from training.table.data import read_table

# The most seconds of a fit, by preset.
_UCI_SECONDS = {"fast": 15.0, "balanced": 120.0, "best": 600.0}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the benchmark.

    Attributes:
        name: as ``--tables`` takes it.
        target: column to predict.
        limits: highest mean test RMSE by preset.
        seconds: longest fit by preset.
        splits: number of splits.
        nll: highest mean negative log-likelihood, with ``--set objective=gaussian``.
    """

    name: str
    target: str
    limits: dict[str, float]
    seconds: dict[str, float]
    splits: int
    nll: float | None = None


TABLES = {
    table.name: table
    for table in (
        Table("housing", "median_house_value", {"fast": 48_000, "balanced": 45_000, "best": 43_500}, _UCI_SECONDS, 5),
        Table("concrete", "y", {"balanced": 4.2, "best": 4.0}, _UCI_SECONDS, 20, 2.85),
        Table("energy", "y", {"balanced": 0.33, "best": 0.31}, _UCI_SECONDS, 20, 0.55),
        Table("power-plant", "y", {"balanced": 3.4, "best": 3.15}, _UCI_SECONDS, 20, 2.65),
        Table("wine-quality-red", "y", {"balanced": 0.60, "best": 0.58}, _UCI_SECONDS, 20, 0.91),
    )
}


def splits(table: Table, data: Path, folder: Path, count: int) -> Iterator[tuple[int, Path, Path]]:
    """Write each split's training and test rows as Parquet files.

    Args:
        table: the table to split.
        data: folder that holds ``housing.csv`` and ``uci/``.
        folder: folder for the files.
        count: the most splits.

    Yields:
        The split's number, its training file, its test file.
    """
    frame, parts = (_housing if table.name == "housing" else _uci)(table, data)
    for number in range(min(count, table.splits)):
        paths = []
        for part, rows in zip(("train", "test"), parts(number), strict=True):
            paths.append(folder / f"{table.name}-{number}-{part}.parquet")
            frame[rows].write_parquet(paths[-1])
        yield number, paths[0], paths[1]


def _housing(_table: Table, data: Path) -> tuple[pl.DataFrame, object]:
    frame = read_table(str(data / "housing.csv"))
    return frame, lambda seed: train_test_split(np.arange(frame.height), test_size=0.2, random_state=seed)


def _uci(table: Table, data: Path) -> tuple[pl.DataFrame, object]:
    folder = data / "uci" / table.name
    values = np.loadtxt(folder / "data.txt")
    features = np.loadtxt(folder / "index_features.txt").astype(int)
    target = int(np.loadtxt(folder / "index_target.txt"))
    frame = pl.DataFrame({**{f"x{j}": values[:, j] for j in features}, table.target: values[:, target]})

    def rows(number: int) -> tuple[np.ndarray, np.ndarray]:
        train, test = (np.loadtxt(folder / f"index_{part}_{number}.txt").astype(int) for part in ("train", "test"))
        return train, test

    return frame, rows
