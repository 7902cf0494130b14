"""What is probably wrong with new rows: no target, or values outside of the range of training."""

from __future__ import annotations

import polars as pl
import pytest

from artifact.errors import DataError
from tests.trueline.retrain.conftest import LATER, houses, made, stored, streamed_houses
from trueline.retrain.earlier import Former


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_without_any_target_are_refused_and_few_targets_are_a_warning(home, tmp_path, ending):
    table = houses() if ending == "csv" else streamed_houses(1000)
    stored(home, table, stream=ending == "parquet", streamed=ending == "parquet")
    former, path = Former.find(home, "houses"), tmp_path / f"new.{ending}"

    def write(price: pl.Expr) -> None:
        new = houses(800, 1, LATER) if ending == "csv" else streamed_houses(800, 1, LATER)
        new = new.with_columns(price=price)
        new.write_csv(path) if ending == "csv" else new.write_parquet(path)

    nothing = [pl.lit(None, pl.Float64), pl.lit("n/a")] if ending == "csv" else [pl.lit(None, pl.Float64)]
    for price in nothing:
        write(price)
        for appended in (True, False):
            with pytest.raises(
                DataError, match=r"Expected rows with a value of 'price' in .* Received: 800 rows, none"
            ):
                made(former, path, appended=appended)
    few = pl.when(pl.int_range(pl.len()) < 300).then("price")
    write(few)
    [warning] = made(former, path, appended=True)["warnings"]
    assert warning == f"Only 300 of the 800 rows of {path} have a value of 'price'; the others teach nothing."


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_in_another_unit_is_a_warning_and_equal_rows_are_none(home, tmp_path, ending):
    """The schema of ``tests.builders`` says: age from 0 to 100, rooms from 1 to 12, a price of -50 to 50."""
    table = houses() if ending == "csv" else streamed_houses(1000)
    stored(home, table, stream=ending == "parquet", streamed=ending == "parquet")
    former, path = Former.find(home, "houses"), tmp_path / f"new.{ending}"

    def warnings(**columns: pl.Expr) -> tuple[str, ...]:
        new = houses(800, 1, LATER) if ending == "csv" else streamed_houses(800, 1, LATER)
        new = new.with_columns(**columns)
        new.write_csv(path) if ending == "csv" else new.write_parquet(path)
        return made(former, path, appended=True)["warnings"]

    assert warnings() == ()
    age = pl.col("age")
    [target] = warnings(price=pl.col("price") * 1000)
    assert target.startswith("100% of the values of 'price' lie outside of the range that houses:"), target
    assert target.endswith("Check whether both are in the same unit.")
    [feature] = warnings(age=(50 + age / 2) * 3.28)
    assert "of the values of 'age'" in feature
    assert "0 to 100 there" in feature
    # Less than half of the values, as a change of the market gives them, is nothing to tell.
    assert warnings(age=age * 1.8) == ()


def test_many_columns_out_of_range_are_counted(home, tmp_path):
    stored(home, houses())
    new = houses(800, 1, LATER).with_columns((pl.col("age", "income", "rooms", "price") * 1000 + 1e9).cast(pl.Int64))
    new.write_csv(tmp_path / "new.csv")
    warnings = made(Former.find(home, "houses"), tmp_path / "new.csv", appended=True)["warnings"]
    assert (len(warnings), warnings[-1]) == (4, "The same holds for 1 more column.")


def test_the_column_of_times_lies_beyond_all_earlier_ones_and_is_no_warning(home, tmp_path):
    """Here the rows are numbered by ``age``, and a later number says nothing about a unit."""
    from training.table.ranges import outside_sentences

    former = Former.find(home, f"houses:{stored(home).version}")
    new = houses(800).with_columns(age=pl.col("age") + 1000)
    assert len(outside_sentences(new, former.schema, former.manifest)) == 1
    lineage = former.manifest.lineage.model_copy(update={"config": {"time": "age"}})
    assert outside_sentences(new, former.schema, former.manifest.model_copy(update={"lineage": lineage})) == []


@pytest.mark.parametrize("value", [float("inf"), float("nan"), None, "n/a"])
def test_values_that_are_missing_or_infinite_have_no_range(home, value):
    from training.table.ranges import outside_sentences

    former = Former.find(home, f"houses:{stored(home).version}")
    new = houses(800).with_columns(age=pl.lit(value), price=pl.lit(value))
    assert outside_sentences(new, former.schema, former.manifest) == []
    assert outside_sentences(new.clear(), former.schema, former.manifest) == []
