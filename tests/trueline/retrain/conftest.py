"""A stored version of houses with a recipe and kept rows, without any training."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from artifact.recipe import Recipe
from artifact.registry.base import Reference
from artifact.registry.local import LocalRegistry
from artifact.registry.tables import RowsAside
from tests.builders import write_version
from training.table.kept import types_of, write_table
from training.table.reading import Reading
from trueline.frames import source_of
from trueline.retrain.earlier import Former
from trueline.retrain.rows import new_rows
from trueline.retrain.selection import RowChoice

LATER = datetime(2023, 1, 1)


def houses(n: int = 1000, seed: int = 0, first: datetime = datetime(2021, 1, 1)) -> pl.DataFrame:
    """Rows for ``tests.builders.HOUSE_FEATURES``, one sale an hour, the newest last."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "age": rng.uniform(0, 100, n).round(2),
            "income": rng.uniform(0, 9e4, n).round(),
            "rooms": rng.integers(1, 13, n),
            "garden": rng.random(n) < 0.5,
            "town": rng.choice(["Leeds", "York"], n),
            "heating": rng.choice(["gas", "oil", "heat pump"], n),
            "sold": [(first + timedelta(hours=i)).isoformat() for i in range(n)],
            "price": rng.normal(0, 10, n).round(3),
        }
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRegistry:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")
    return LocalRegistry(tmp_path / "home")


def stored(home: LocalRegistry, table: pl.DataFrame | None = None, **recipe: Any) -> Reference:
    """A version of houses, whose rows are kept where ``table`` is given."""
    kept_table = None
    if table is not None:
        with home.tables.writing() as path:
            kept_table = home.tables.add(RowsAside(path, write_table(path, table)))
    recipe = {"data": "houses.csv", "columns": types_of(houses(1).schema), "settings": {}, "corrections": {}, **recipe}
    with home.create("houses") as (version, folder):
        Recipe(name="houses", targets=("price",), table=kept_table, **recipe).write(folder)
        write_version(folder, version)
    return home.resolve(f"houses:{version}")


def streamed_houses(n: int, seed: int = 0, first: datetime = datetime(2021, 1, 1)) -> pl.DataFrame:
    return houses(n, seed, first).with_columns(pl.col("sold").str.to_datetime())


def made(former: Former, data: Any, **choice: Any) -> dict[str, Any]:
    """The rows that train, those that are held out, and the notes."""
    with ExitStack() as stack:
        rows = new_rows(former, RowChoice(source_of(data), choice.pop("reading", Reading()), **choice), stack)
        train = rows.table if rows.file is None else pl.read_parquet(rows.file)
        assert train is not None
        assert train.height == rows.train
        held_out = None if rows.held_out is None else pl.read_parquet(rows.held_out.path)
        assert held_out is None or held_out.height == rows.held_out.rows
        return {
            "train": train,
            "held_out": held_out,
            "notes": rows.notes,
            "warnings": rows.warnings,
            "new": rows.new,
        }


@pytest.fixture
def new(tmp_path):
    """800 new rows as a CSV."""
    path = tmp_path / "new.csv"
    houses(800, 1, LATER).write_csv(path)
    return path
