"""The tables that both checkouts train on, and the one whose rows their models answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

FEATURES = ("area", "distance", "rooms", "garden", "town", "sold")
TARGETS = ("price", "tax", "visits", "sold_fast")
_TOWNS = ("Leeds", "York", "Hull", "Ripon", "Otley")


def houses(n_rows: int, seed: int) -> pl.DataFrame:
    """A table with every kind of feature, missing values, a group, a weight and a moment.

    Args:
        n_rows: rows.
        seed: seed of the draws.

    Returns:
        :data:`FEATURES`; ``street``, a group; ``listed``, a moment; ``counts``, a weight; and :data:`TARGETS`: two
        amounts, a count, and 0 or 1.
    """
    rng = np.random.default_rng(seed)
    area, distance = rng.gamma(9, 12, n_rows).round(1), rng.exponential(3, n_rows).round(2)
    rooms, town = rng.integers(1, 9, n_rows), rng.integers(0, len(_TOWNS), n_rows)
    garden, sold = rng.random(n_rows) < 0.4, rng.integers(0, 900, n_rows)
    price = 900 * area + 9_000 * rooms * garden - 4_000 * np.sqrt(distance) + 7_000 * town + 30 * sold
    price = (price * np.exp(0.15 * rng.normal(size=n_rows))).round(2)
    days = np.datetime64("2023-01-01")
    columns: dict[str, Any] = {
        "area": area,
        "distance": _with_gaps(distance, rng),
        "rooms": rooms,
        "garden": garden,
        "town": _with_gaps(np.array(_TOWNS, dtype=object)[town], rng),
        "sold": days + sold.astype("timedelta64[D]"),
        "street": [f"street {s}" for s in rng.integers(0, max(8, n_rows // 12), n_rows)],
        "listed": days + rng.permutation(n_rows).astype("timedelta64[D]"),
        "counts": rng.integers(1, 5, n_rows),
        "price": price,
        "tax": (0.01 * price + 2 * rooms + rng.normal(size=n_rows)).round(3),
        "visits": rng.poisson(1 + 0.5 * rooms),
        "sold_fast": (price < np.median(price)).astype(int),
    }
    return pl.DataFrame(columns)


def write_tables(folder: Path) -> None:
    """Write the tables that train, ``known.csv`` (rows to measure on) and ``asked.csv`` (rows to be answered)."""
    folder.mkdir(parents=True, exist_ok=True)
    table = houses(240, 0)
    for name in ("price", "price-tax", "price-street", "price-listed", "price-counts", "visits-listed", "sold_fast"):
        table.select(*FEATURES, *name.split("-")).write_csv(folder / f"{name}.csv")
    houses(120, 1).select(*FEATURES, "price").write_csv(folder / "later.csv")
    houses(900, 2).select(*FEATURES, "price", "counts").write_parquet(folder / "many.parquet")
    houses(160, 3).select(*FEATURES, "listed", *TARGETS).write_csv(folder / "known.csv")
    # Models that are cut by time take the moment as a feature too.
    question_rows(150).with_columns(houses(150, 4)["listed"]).write_csv(folder / "asked.csv")


def question_rows(n_rows: int) -> pl.DataFrame:
    """Rows to be answered: features alone, some outside the training range, some with an unseen category."""
    frame = houses(n_rows, 4).select(FEATURES)
    number = pl.int_range(pl.len())
    return frame.with_columns(
        area=pl.when(number % 17 == 3).then(900.0).otherwise("area"),
        town=pl.when(number % 13 == 5).then(pl.lit("Oslo")).otherwise("town"),
    )


def _with_gaps(values: Any, rng: np.random.Generator) -> list[Any]:
    gaps = rng.random(len(values)) < 0.06
    return [None if gap else value for value, gap in zip(values.tolist(), gaps, strict=True)]
