"""No id passes through a float: groups and categories of many digits stay apart, held in memory and streamed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from training.prepare.bounds import Bounds
from training.prepare.in_memory import Prepared
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.corrections import Corrections, FeatureCorrection
from training.table.data import read_raw
from training.table.encode import encode_frame
from training.table.ids import ids_as_text
from training.table.types import typed, typed_column
from training.train import prepared_table

N = 300
GROUPS = np.arange(N) % 30
IDS = [2**63 + 1 + int(g) for g in GROUPS]


def table(**columns: pl.Series) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame({**columns, "area": rng.uniform(30, 200, N), "price": rng.normal(size=N)})


def prepared(path: Path, *, stream: bool | None = False, **options: object) -> Prepared:
    request = Request(str(path), ("price",), "m", TrainConfig.build(settings={"folds": 1, "refit": False}))
    with prepared_table(replace(request, stream=stream, **options), Bounds(), None) as (_, table, _facts):
        return table


def apart(ready: Prepared) -> None:
    """Each group lies in one part, and there are as many groups as there were."""
    assert ready.plan.parts is not None
    places: dict[str, set[str]] = {}
    for part, rows in ready.plan.parts._asdict().items():
        for group in ready.frame["cust"].cast(pl.String).gather(rows):
            places.setdefault(group, set()).add(part)
    assert len(places) == 30
    assert all(len(parts) == 1 for parts in places.values())


# Case 29's column, and neighbours: each was merged by a float, or lost in Int64.
COLUMNS = {
    "case 29": pl.Series(IDS, dtype=pl.UInt64),
    "decimal": pl.Series([str(10**25 + int(g)) for g in GROUPS]).cast(pl.Decimal(38, 0)),
    "20 digits": pl.Series([str(12345678901234567890 + int(g)) for g in GROUPS]),
    "exponents": pl.Series([f"{g}E{300 + g}" for g in GROUPS]),
    "leading zeros": pl.Series([f"{g:05d}" for g in GROUPS]),
    "64 bits": pl.Series([2**60 + int(g) for g in GROUPS]),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("suffix", ["parquet", "csv", "stream"])
def test_case_29_groups_are_what_they_are_written_as(tmp_path, name, suffix):
    frame = table(cust=COLUMNS[name])
    path = tmp_path / ("29-group.csv" if suffix == "csv" else "29-group.parquet")
    frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
    apart(prepared(path, stream=suffix == "stream", group="cust"))


def test_case_29_of_small_unsigned_numbers_and_floats(tmp_path):
    for column in (pl.Series(GROUPS, dtype=pl.UInt64), pl.Series(GROUPS, dtype=pl.Float64)):
        path = tmp_path / "group.parquet"
        table(cust=column).write_parquet(path)
        for stream in (False, True):
            apart(prepared(path, stream=stream, group="cust"))


def test_files_whose_ids_have_other_types_are_one_table(tmp_path):
    frame = table(cust=pl.Series([int(g) for g in GROUPS], dtype=pl.Int64))
    frame[:150].write_parquet(tmp_path / "a.parquet")
    frame[150:].with_columns(cust=pl.Series(IDS[150:], dtype=pl.UInt64)).write_parquet(tmp_path / "b.parquet")
    raw = read_raw(str(tmp_path / "*.parquet")).frame["cust"]
    assert (raw.dtype, raw.to_list()) == (pl.UInt64, [*map(int, GROUPS[:150]), *IDS[150:]])
    frame[:150].with_columns(cust=-pl.col("cust")).write_parquet(tmp_path / "a.parquet")
    raw = read_raw(str(tmp_path / "*.parquet")).frame["cust"]
    assert [int(v) for v in raw] == [*(-int(g) for g in GROUPS[:150]), *IDS[150:]]
    for stream in (False, True):
        ready = prepared(tmp_path / "*.parquet", stream=stream, group="cust")
        assert ready.frame["cust"].n_unique() == 60


@pytest.mark.parametrize("stream", [False, True])
def test_categories_of_64_bits_stay_apart(tmp_path, stream):
    path = tmp_path / "table.parquet"
    table(shop=pl.Series(IDS, dtype=pl.UInt64)).write_parquet(path)
    corrections = Corrections(features={"shop": FeatureCorrection(kind="category")})
    ready = prepared(path, stream=stream, corrections=corrections)
    shop = ready.schema.feature("shop")
    assert set(shop.categories) == {str(i) for i in IDS}
    frame = typed(ids_as_text(pl.read_parquet(path), ["shop"]), as_text=["shop"])
    assert encode_frame(frame, ready.schema).categorical.min() >= 2


def test_held_and_streamed_tables_have_one_fingerprint(tmp_path):
    path = tmp_path / "table.parquet"
    table(cust=pl.Series(IDS, dtype=pl.UInt64), shop=pl.Series(IDS, dtype=pl.UInt64)).write_parquet(path)
    corrections = Corrections(features={"shop": FeatureCorrection(kind="category")})
    request = Request(str(path), ("price",), "m", TrainConfig.build(settings={"folds": 1, "refit": False}))
    request = replace(request, group="cust", corrections=corrections)
    fingerprints = []
    for stream in (False, True):
        with prepared_table(replace(request, stream=stream), Bounds(), None) as (_, _, read):
            fingerprints.append(read.facts.fingerprint)
    assert fingerprints[0] == fingerprints[1]


def test_numbers_beyond_int64_are_numbers_and_not_missing():
    for dtype in (pl.UInt64, pl.Int128, pl.UInt128):
        column = typed_column(pl.Series([2**63, 1, None], dtype=dtype))
        assert (column.dtype, column.to_list()) == (pl.Float64, [2.0**63, 1.0, None])
