"""The same table prepared in memory and streamed: one set of rules, so the same schema, sentences and arrays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from artifact.errors import DataError
from artifact.facts import Facts
from tests.training.conftest import mixed_table
from training.prepare.bounds import Bounds
from training.prepare.in_memory import Prepared, prepare
from training.prepare.request import Request
from training.prepare.streamed import prepared_stream
from training.settings.config import TrainConfig
from training.table.corrections import Corrections
from training.table.data import read_raw
from training.table.parquet import ParquetSource
from training.table.paths import files_of

CONFIG = TrainConfig(model="mlp", folds=1, refit=False)
GAMMA = CONFIG.model_copy(update={"objective": "gamma"})
N = 600
I = pl.int_range(N)  # noqa: E741


def both(frame: pl.DataFrame, folder: Path, targets=("price",), **fields: Any) -> tuple[Prepared, Prepared]:
    """The table streamed, in small batches and with all rows in the sample, and held in memory."""
    path = folder / "t.parquet"
    frame.write_parquet(path, row_group_size=70)
    request = Request(str(path), targets, "m", **{"config": CONFIG, **fields})
    with prepared_stream(request, ParquetSource(files_of(request.data)), Bounds(64, 100)) as (streamed, _):
        raw = read_raw(request.data)
        return streamed, prepare(raw.frame, request, reading_notes=raw.notes)


def plain() -> pl.DataFrame:
    """Rows that each have a number of their own, by which they are found again."""
    return mixed_table(N).with_columns(row=(I * 7919 % 100_003) / 2)


TABLES: dict[str, tuple[pl.DataFrame, dict[str, Any]]] = {
    "numbers, words and dates": (plain(), {}),
    "ordered by time": (plain(), {"time": "sold"}),
    "ordered by a number, which is no feature": (
        plain().with_columns(year=I // 4),
        {"time": "year", "corrections": Corrections.model_validate({"features": {"year": {"drop": True}}})},
    ),
    "in groups": (plain().with_columns(house=I % 97), {"group": "house"}),
    "with weights and two targets": (
        plain().with_columns(w=I % 3 + 1, year=2000.0 + pl.col("rooms") / 1e3),
        {"weight": "w", "targets": ("price", "year")},
    ),
    "rates that keep their zero": (
        plain().with_columns(price=1_000_000 + I % 13),
        {"config": CONFIG.model_copy(update={"objective": "poisson"})},
    ),
    "columns that are left out, repaired or odd": (
        plain().with_columns(
            counter=I + 5,
            account=pl.format("A-{}", I * 977 % 100_003),
            country=pl.lit("UK"),
            nothing=pl.lit(None, dtype=pl.Float64),
            ratio=pl.when(I % 50 == 0).then(float("inf")).otherwise((I * 37 % 101) / 10),
            user_id=I * 1_000_003,
            lasts=pl.duration(days=I),
            tag=pl.format("t{}", I * I % 401),
            spare=pl.lit(1.0) * (I % 5),
            as_number=pl.format("{}.5", I * 7 % 13),
        ),
        {
            "corrections": Corrections.model_validate(
                {"features": {"spare": {"drop": True}, "counter": {"unit": "m"}, "country": {"kind": "category"}}}
            )
        },
    ),
    "rows that are left out, empty or decide everything": (
        plain().with_columns(
            price=pl.when(I % 9 == 0).then(None).when(I == 124).then(1e9).otherwise(pl.col("price")),
            late=pl.when(I % 9 == 0).then(None).otherwise(I % 11),
            leak=pl.when(I % 9 == 0).then(None).otherwise(pl.col("price") * 2),
        ),
        {},
    ),
    "a target that is a sum": (
        plain().with_columns(a=(I * 31 % 211) / 7, b=(I * 17 % 193) / 3).with_columns(price=pl.col("a") + pl.col("b")),
        {},
    ),
}


def in_row_order(prepared: Prepared, column: str = "row") -> dict[str, np.ndarray]:
    """What is fitted, the rows in an order that both ways have."""
    order = prepared.frame[column].arg_sort().to_numpy()
    names = [["", "other", *f.categories] for f in prepared.schema.categorical]
    words = [np.array(n)[codes] for n, codes in zip(names, prepared.X.categorical[order].T, strict=True)]
    arrays = {"numeric": prepared.X.numeric[order], "y": (prepared.y + offsets(prepared))[order]}
    arrays |= {f.name: column for f, column in zip(prepared.schema.categorical, words, strict=True)}
    return arrays if prepared.weight is None else {**arrays, "weight": prepared.weight[order]}


def offsets(prepared: Prepared) -> np.ndarray:
    return np.array([target.offset for target in prepared.schema.targets])


def plain_notes(prepared: Prepared) -> list[str]:
    """The notes, without the figures that hang on which rows are held out."""
    return [re.sub(r"\d+\.\d%|'t\d+'|\d+ of \d+ categories", "...", note) for note in prepared.notes]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_prepared_alike_in_memory_and_streamed(name, tmp_path):
    frame, fields = TABLES[name]
    streamed, in_memory = both(frame, tmp_path, **fields)
    in_time = "time" in fields
    # Ties of time are counted in memory alone.
    shared = re.compile(r"; [\d,]+ of them share their moment .*|; rows of one moment stay together\.")
    assert [shared.sub("", note) for note in plain_notes(streamed)] == [
        shared.sub("", note) for note in plain_notes(in_memory)
    ]
    assert [type(fact) for fact in streamed.facts] == [type(fact) for fact in in_memory.facts]
    ours, theirs = Facts.of(streamed.facts), Facts.of(in_memory.facts)
    # Shares of a variance are those of moments that are taken batch by batch, to rounding.
    rounded = {"leaks": (), "heavy_values": ()}
    assert ours.model_copy(update=rounded) == theirs.model_copy(update=rounded)
    for one, other in zip(ours.heavy_values, theirs.heavy_values, strict=True):
        assert one.model_dump(exclude={"share"}) == other.model_dump(exclude={"share"})
        assert one.share == pytest.approx(other.share)
    assert [(leak.column, leak.target) for leak in ours.leaks] == [(leak.column, leak.target) for leak in theirs.leaks]
    assert streamed.schema.names == in_memory.schema.names
    for one, other in zip(streamed.schema.features, in_memory.schema.features, strict=True):
        # Which rows are held out is drawn in another way, but where time says it; categories are those of the others.
        other_rows = {"example"} if in_time else {"example", "categories", "rare"}
        other_rows = other_rows if one.kind == "category" else set()
        assert one.model_dump(exclude=other_rows) == other.model_dump(exclude=other_rows)
        assert {*one.categories, *one.rare} == {*other.categories, *other.rare}
    for one, other in zip(streamed.schema.targets, in_memory.schema.targets, strict=True):
        assert (one.name, one.offset, one.text) == (other.name, pytest.approx(other.offset, rel=1e-3), other.text)
        assert one.std == pytest.approx(other.std, rel=1e-9 if in_time else 0.5)
    assert {n: len(r) for n, r in streamed.plan.parts._asdict().items()}.keys() == in_memory.plan.parts._asdict().keys()
    if in_time:
        for one, other in zip(streamed.plan.parts, in_memory.plan.parts, strict=True):
            assert set(streamed.frame["row"].gather(one)) == set(in_memory.frame["row"].gather(other))
    elif not fields.get("group"):
        assert streamed.plan.sizes() == in_memory.plan.sizes()
    arrays, others = in_row_order(streamed), in_row_order(in_memory)
    assert arrays.keys() == others.keys()
    for key, values in arrays.items():
        if values.dtype.kind == "U":
            # A category that few rows show may have an answer of its own on one side alone.
            agree = (values == others[key]) | (values == "other") | (others[key] == "other")
            assert agree.all()
        else:
            np.testing.assert_allclose(values, others[key], rtol=1e-6)
    assert streamed.config == in_memory.config


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"price": pl.lit("a")}, {}),
        ({"price": pl.lit(1.0)}, {}),
        ({"price": pl.lit(None, dtype=pl.Float64)}, {}),
        ({"price": pl.col("price") * 1e300}, {}),
        ({"price": pl.when(I == 5).then(-1.0).otherwise(2.0)}, {"config": GAMMA}),
        ({"w": pl.when(I == 7).then(None).otherwise(1.0)}, {"weight": "w"}),
        ({"w": pl.lit(-1.0)}, {"weight": "w"}),
        ({"w": pl.lit(0.0)}, {"weight": "w"}),
        ({"w": pl.lit("x")}, {"weight": "w"}),
        ({"t": pl.lit("x")}, {"time": "t"}),
        ({"t": pl.when(I == 7).then(None).otherwise(I)}, {"time": "t"}),
        ({}, {"interval_groups": "rooms"}),
        ({}, {"group": "nowhere"}),
        ({}, {"corrections": Corrections.model_validate({"features": {"nowhere": {"drop": True}}})}),
        ({}, {"corrections": Corrections.model_validate({"features": {"town": {"kind": "number"}}})}),
    ],
)  # fmt: skip
def test_a_table_is_refused_in_the_same_words(change, fields, tmp_path):
    frame = plain().with_columns(**change)
    path = tmp_path / "t.parquet"
    frame.write_parquet(path, row_group_size=70)
    request = Request(str(path), ("price",), "m", **{"config": CONFIG, **fields})
    with pytest.raises(DataError) as in_memory:
        prepare(read_raw(request.data).frame, request)
    with (
        pytest.raises(DataError) as streamed,
        prepared_stream(request, ParquetSource(files_of(request.data)), Bounds(64, 100)),
    ):
        pass
    assert str(streamed.value) == str(in_memory.value)


def test_a_table_without_a_usable_column_is_refused_in_the_same_words(tmp_path):
    frame = pl.DataFrame({"price": np.arange(200.0), "empty": [None] * 200, "one": [1] * 200})
    frame.write_parquet(tmp_path / "t.parquet")
    request = Request(str(tmp_path / "t.parquet"), ("price",), "m", CONFIG)
    with pytest.raises(DataError, match=r"at least one usable feature.*it is constant") as in_memory:
        prepare(read_raw(request.data).frame, request)
    with (
        pytest.raises(DataError) as streamed,
        prepared_stream(request, ParquetSource(files_of(request.data)), Bounds()),
    ):
        pass
    assert str(streamed.value) == str(in_memory.value)
