"""Leaks, keys and one value that holds everything are said aloud by name; clean tables are left alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from artifact.facts import (
    ColumnLeftOut,
    Fact,
    Facts,
    Formula,
    HeavyValue,
    KeyColumn,
    KnownWithTarget,
    Leak,
    Leaning,
    LongNumbers,
    TooGood,
)
from artifact.manifest import REPORT
from artifact.registry.local import LocalRegistry
from training.prepare.bounds import Bounds
from training.prepare.in_memory import prepare
from training.prepare.request import Request
from training.prepare.streamed import prepared_stream
from training.settings.config import TrainConfig
from training.suspects.results import too_good
from training.table.corrections import Corrections
from training.table.data import read_table
from training.table.parquet import ParquetSource
from training.train import Observer, train

N = 300
ROW = pl.int_range(pl.len())
SUSPECTS = (Formula, HeavyValue, KeyColumn, KnownWithTarget, Leak, Leaning, LongNumbers, TooGood)


def numbers(n: int = N, seed: int = 0) -> pl.DataFrame:
    """Three numbers and a target with noise; none of them says anything that it should not."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(1, 9, (3, n))
    return pl.DataFrame({"a": a, "b": b, "c": c, "y": 2 * a + b + rng.normal(0, 2, n)})


def facts_of(frame: pl.DataFrame, target: str = "y", **fields) -> tuple[Fact, ...]:
    return prepare(frame, Request("-", (target,), "m", **fields)).facts


def streamed_facts(frame: pl.DataFrame, folder: Path) -> tuple[Fact, ...]:
    frame.write_parquet(folder / "t.parquet")
    config = TrainConfig(preset="fast", model="mlp", folds=1)
    request = Request(str(folder / "t.parquet"), ("y",), "m", config, stream=True)
    with prepared_stream(request, ParquetSource([folder / "t.parquet"]), Bounds()) as (prepared, _):
        return prepared.facts


def suspicious(facts: tuple[Fact, ...]) -> list[Fact]:
    return [fact for fact in facts if isinstance(fact, SUSPECTS)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [40, 300, 3000])
def test_a_clean_table_has_no_such_note(n, seed):
    """Skewed numbers, integers, dates and categories among the features, and a target with noise."""
    rng = np.random.default_rng(seed)
    frame = numbers(n, seed).with_columns(
        income=pl.Series(rng.lognormal(10, 1, n)),
        rooms=pl.Series(rng.integers(1, 9, n)),
        area=pl.Series(rng.integers(20, 400_000, n)),
        town=pl.Series(rng.choice(["Leeds", "York"], n)),
        sold=pl.Series([datetime(2020, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 900, n)]),
    )
    assert suspicious(facts_of(frame)) == []
    assert suspicious(facts_of(frame.with_columns(y=(pl.col("y") / 6).exp()))) == []


def test_a_real_table_has_no_such_note():
    assert suspicious(facts_of(read_table("dataset:diabetes"), "target")) == []


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        (pl.col("a") + pl.col("b"), "'y' is exactly 'a' + 'b'. If its columns are known only after"),
        (pl.col("b") - pl.col("a"), "'y' is exactly 'b' - 'a'."),
        (pl.col("a") + pl.col("b") - pl.col("c"), "'y' is exactly 'a' + 'b' - 'c'."),
        (-pl.col("a") - pl.col("b") + 7, "'y' is exactly - 'a' - 'b'."),
        ((pl.col("a") + pl.col("b")) * 1000, "'y' is a weighted sum, exactly 1000 * 'a' + 1000 * 'b'."),
        (((pl.col("a") + pl.col("b")) * 1000).round(2), "weighted sum"),
        (pl.col("a") * pl.col("b"), "'y' is exactly 'a' * 'b', but for a constant factor."),
        (pl.col("a") / pl.col("b") * 3, "'y' is exactly 'a' / 'b', but for a constant factor."),
        (pl.col("a") * pl.col("b").pow(2), "'y' is exactly 'a' * 'b'^2,"),
        ((pl.col("a") + pl.col("b")).cast(pl.Float32), "'y' is exactly 'a' + 'b'."),
    ],
)
def test_columns_that_give_the_target_exactly_are_named(formula, says):
    (fact,) = [f for f in facts_of(numbers().with_columns(y=formula)) if isinstance(f, Formula)]
    assert says in fact.sentence
    assert fact.target == "y"
    assert set(fact.columns) <= {"a", "b", "c"}


def test_counts_that_add_up_are_named_in_a_streamed_table_too(tmp_path):
    """As casual and registered riders make all riders; rows where one is missing change nothing."""
    rng = np.random.default_rng(0)
    casual, registered = rng.poisson(40, 4000), rng.poisson(300, 4000)
    frame = pl.DataFrame({"casual": casual, "registered": registered, "x": rng.normal(size=4000)}).with_columns(
        y=pl.col("casual") + pl.col("registered")
    )
    holes = frame.with_columns(casual=pl.when(pl.int_range(pl.len()) % 9 > 0).then("casual"))
    expected = Formula(target="y", columns=("casual", "registered"), form="sum", formula="'casual' + 'registered'")
    for facts in (facts_of(frame), facts_of(holes), streamed_facts(frame, tmp_path)):
        assert expected in facts


def test_two_dates_that_give_a_duration_are_named():
    rng = np.random.default_rng(0)
    days = rng.integers(0, 900, N), rng.integers(0, 90, N)
    start = [datetime(2020, 1, 1) + timedelta(days=int(d)) for d in days[0]]
    end = [s + timedelta(days=int(d)) for s, d in zip(start, days[1], strict=True)]
    frame = pl.DataFrame({"start": start, "end": end, "x": rng.normal(size=N), "y": days[1]})
    assert [f.formula for f in facts_of(frame) if isinstance(f, Formula)] == ["'end' - 'start'"]


def test_a_sum_with_noise_is_no_formula():
    rng = np.random.default_rng(0)
    noisy = numbers().with_columns(y=pl.col("a") + pl.col("b") + pl.Series(rng.normal(0, 0.01, N)))
    assert not [fact for fact in facts_of(noisy) if isinstance(fact, Formula)]


def test_one_row_for_each_column_is_no_formula():
    """As many columns as rows give any target."""
    X = np.random.default_rng(0).normal(size=(60, 55))
    frame = pl.DataFrame({f"f{i}": X[:, i] for i in range(55)}).with_columns(y=pl.Series(np.arange(60) ** 0.5))
    assert not [fact for fact in facts_of(frame) if isinstance(fact, Formula)]


def test_a_feature_that_is_known_only_when_the_target_is_is_named():
    sold = pl.int_range(pl.len()) % 4 > 0
    frame = numbers().with_columns(y=pl.when(sold).then("y"), fee=pl.when(sold).then(pl.col("c") * 2))
    fact = KnownWithTarget(column="fee", targets=("y",), rows=75, known=1.0)
    assert suspicious(facts_of(frame)) == [fact]
    assert fact.sentence.startswith(
        "Column 'fee' is missing in each of 75 rows that have no value of 'y', and known in 100% of"
    )


@pytest.mark.parametrize(
    "frame",
    [
        # Missing at random, in a few rows without a target; empty lines; missing as often elsewhere.
        numbers().with_columns(y=pl.when(ROW > 2).then("y"), d=pl.when(ROW % 2 > 0).then("c")),
        numbers().with_columns(pl.when(ROW % 4 > 0).then(pl.all())),
        numbers().with_columns(y=pl.when(ROW % 4 > 0).then("y")),
    ],
)  # fmt: skip
def test_a_column_that_is_missing_by_chance_is_no_leak(frame):
    assert suspicious(facts_of(frame)) == []


def keyed(values) -> pl.DataFrame:
    return numbers().with_columns(pl.Series("key", values))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("id", np.random.default_rng(0).permutation(6_000_000_000 + np.arange(N) * 7_654_321)),
        ("Unnamed", np.sort(np.random.default_rng(0).choice(375, N, replace=False))),
        ("customer_id", np.random.default_rng(0).integers(1000, 9999, N)),
        ("orderId", np.random.default_rng(0).permutation(N) * 31 + 5),
    ],
    ids=["07e", "after-a-split", "customers", "camel"],
)
def test_case_07e_an_id_like_column_that_is_kept_is_named(name, values):
    (key,) = suspicious(facts_of(keyed(values).rename({"key": name})))
    assert isinstance(key, KeyColumn)
    assert (key.column, key.rows) == (name, N)
    assert "as an identifier has" in key.sentence
    corrections = Corrections.model_validate({"features": {name: {"unit": "pieces"}}})
    assert suspicious(facts_of(keyed(values).rename({"key": name}), corrections=corrections)) == []


def test_an_id_like_column_of_a_streamed_table_is_named(tmp_path):
    frame = numbers(4000).with_columns(serial=pl.Series(10_000_000 + np.arange(4000) * 977))
    assert KeyColumn(column="serial", distinct=4000, rows=4000) in streamed_facts(frame, tmp_path)


def test_case_13b_ids_too_long_for_a_float_are_named(tmp_path):
    orders = [12345678901234567000.0 + 4096.0 * i for i in range(N)]
    long = LongNumbers(column="key", digits=20)
    assert long in facts_of(keyed(orders))
    assert "20 digits; a 64-bit float keeps 15 of them" in long.sentence
    (constant,) = facts_of(keyed([1.2345678901234567e19] * N))
    assert isinstance(constant, ColumnLeftOut)
    assert (constant.column, constant.why) == ("key", "constant")
    assert "it is constant as a 64-bit float" in constant.sentence
    assert facts_of(keyed([10.0 ** (i % 30) for i in range(N)])) == ()
    frame = numbers(4000).with_columns(key=pl.Series([12345678901234567000.0 + 4096.0 * i for i in range(4000)]))
    assert long in streamed_facts(frame, tmp_path)


def test_uuids_are_left_out_and_named():
    import uuid

    (fact,) = facts_of(keyed([str(uuid.UUID(int=i * 7919)) for i in range(N)]))
    assert isinstance(fact, ColumnLeftOut)
    assert (fact.column, fact.why) == ("key", "identifier")


@pytest.mark.parametrize("row", [0, 7, N - 1])
def test_case_17g_the_row_that_holds_the_variance_is_named(row, tmp_path):
    price = numbers()["y"].to_numpy().copy()
    price[row] = 3e14
    (heavy,) = suspicious(facts_of(numbers().with_columns(y=price)))
    assert isinstance(heavy, HeavyValue)
    assert (heavy.target, heavy.row, heavy.value, heavy.share) == ("y", row + 1, 3e14, pytest.approx(0.997, abs=1e-3))
    assert heavy.sentence.startswith(
        f"Row {row + 1} of the table has 'y' = 3e+14, which alone holds 99.7% of the target's"
    )


def test_the_row_is_counted_in_the_table_as_it_was_given():
    """A neighbour of 17g: rows without a target, left out before, are counted."""
    price = numbers()["y"].to_numpy().copy()
    price[[3, 5]] = np.nan
    price[9] = -1e9
    (heavy,) = suspicious(facts_of(numbers().with_columns(y=price)))
    assert isinstance(heavy, HeavyValue)
    assert (heavy.row, heavy.value) == (10, -1e9)


def test_a_row_that_weighs_nothing_holds_nothing():
    price = numbers()["y"].to_numpy().copy()
    price[9] = 1e9
    frame = numbers().with_columns(y=price, w=pl.Series((np.arange(N) != 9).astype(float)))
    assert suspicious(facts_of(frame, weight="w")) == []


def test_the_row_of_a_streamed_table_is_named(tmp_path):
    y = np.random.default_rng(0).normal(size=4000)
    y[1234] = 1e6
    frame = pl.DataFrame({"x": np.random.default_rng(1).normal(size=4000), "y": y})
    heavy = [fact for fact in streamed_facts(frame, tmp_path) if isinstance(fact, HeavyValue)]
    assert [(fact.row, fact.value) for fact in heavy] == [(1235, 1e6)]


def increase(*parts: float) -> np.ndarray:
    return np.array(parts, float).reshape(-1, 1, 1)


@pytest.mark.parametrize(
    ("r2", "parts", "says"),
    [
        ({"mlp": 0.80, "ridge": 0.995}, (5, 1, 1), "R2 of 'y' is 0.9950, by ridge"),
        ({"mlp": 0.99999}, (5, 1, 1), "R2 of 'y' is more than 0.9999, by mlp"),
        ({"mlp": 0.9}, (9, 1, 0.5), "Column 'leak' holds 86% of the importance for 'y'"),
        ({"mlp": 0.9}, (5, 3, 2), None),
        ({"mlp": 0.2}, (9, 0.1, 0.1), None),
        ({"mlp": 0.9}, (9, 0.1), None),
        ({"mlp": None}, (9, 0.1, 0.1), None),
        ({"mlp": 0.9}, (-1, -1, 0), None),
    ],
)
def test_results_that_are_too_good(r2, parts, says):
    facts = too_good({"y": r2}, ("leak", "b", "c")[: len(parts)], increase(*parts), len(parts))
    assert (says is None and facts == []) or [fact.sentence.startswith(says) for fact in facts] == [True]


def test_what_only_the_results_show_is_told_in_the_notes_the_terminal_and_the_report(tmp_path):
    rng = np.random.default_rng(0)
    leak = numbers()["y"].to_numpy() + rng.normal(0, 0.7, N)
    numbers().with_columns(leak=leak).write_csv(tmp_path / "t.csv")
    sentences: list[str] = []
    config = TrainConfig(model="ridge", folds=3)
    manifest = train(
        Request(str(tmp_path / "t.csv"), ("y",), "m", config), LocalRegistry(tmp_path), Observer(note=sentences.append)
    )
    (fact,) = manifest.facts.leaning
    assert (fact.column, fact.target) == ("leak", "y")
    assert manifest.notes.count(fact.sentence) == sentences.count(fact.sentence) == 1
    folder = LocalRegistry(tmp_path).resolve("m").path
    assert "of the importance for" in (folder / REPORT / "report.html").read_text(encoding="utf-8")
    assert "of the importance for" in (folder / REPORT / "report.json").read_text(encoding="utf-8")


def test_an_honest_model_has_no_such_note(tmp_path):
    numbers().write_csv(tmp_path / "t.csv")
    config = TrainConfig(model="ridge", folds=3)
    manifest = train(Request(str(tmp_path / "t.csv"), ("y",), "m", config), LocalRegistry(tmp_path))
    # Ridge always notes its penalty and its coefficients.
    assert manifest.facts.model_copy(update={"penalties": (), "coefficients": ()}) == Facts()
