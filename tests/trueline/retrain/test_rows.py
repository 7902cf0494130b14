"""Rows that a version is made anew from: what trains, what is held out, and what is refused."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from artifact.errors import ArtifactError, DataError
from artifact.registry.tables import RowsAside
from tests.trueline.retrain.conftest import houses, stored
from training.prepare.bounds import Bounds
from training.table.kept import write_table
from training.table.reading import Reading
from training.table.selection import Newest
from training.train import prepared_table
from trueline.frames import source_of
from trueline.retrain.call import Call
from trueline.retrain.earlier import Former
from trueline.retrain.refit import RetrainOptions, request_of
from trueline.retrain.rows import new_rows
from trueline.retrain.selection import RowChoice

LATER = datetime(2023, 1, 1)


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


def test_new_rows_alone_without_those_that_are_held_out(home, new):
    stored(home)
    rows = made(Former.find(home, "houses"), new)
    assert (rows["new"], rows["train"].height, rows["held_out"].height) == (800, 500, 300)
    assert rows["held_out"]["sold"].min() > rows["train"]["sold"].max()
    assert "the last 300 of the 800 rows" in rows["notes"][-1]
    assert not list(home.staging.iterdir())


@pytest.mark.parametrize("kept_as", ["csv", "parquet"])
def test_new_rows_are_added_to_the_kept_ones_whatever_file_they_are_in(home, new, tmp_path, kept_as):
    table = houses()
    if kept_as == "csv":  # all columns of a CSV are texts
        table = table.with_columns(pl.all().cast(pl.String))
    stored(home, table)
    rows = made(Former.find(home, "houses"), new, appended=True)
    assert (rows["train"].height, rows["held_out"].height) == (1500, 300)
    assert rows["train"]["sold"].to_list() == houses()["sold"].to_list() + houses(800, 1, LATER)["sold"].to_list()[:500]
    assert rows["train"]["age"].cast(pl.Float64).to_list()[:1000] == houses()["age"].to_list()


def test_rows_that_are_kept_already_are_not_added_once_more(home, tmp_path):
    stored(home, houses())
    former = Former.find(home, "houses")
    for name, table, known in (("same", houses(), "1,000 of 1,000"), ("most", houses()[:900], "900 of 900")):
        table.write_parquet(tmp_path / f"{name}.parquet")
        with pytest.raises(DataError, match=f"{name}.parquet, whose rows are kept already: {known}. Give the new rows"):
            made(former, tmp_path / f"{name}.parquet", appended=True)
    # Some rows that came before do not stop the others.
    pl.concat([houses()[:300], houses(800, 1, LATER)]).write_parquet(tmp_path / "some.parquet")
    assert made(former, tmp_path / "some.parquet", appended=True)["new"] == 1100


def test_equal_rows_of_a_table_of_few_different_rows_may_be_new(home, tmp_path):
    few = houses(20)
    stored(home, pl.concat([few] * 50))
    pl.concat([few] * 40).write_parquet(tmp_path / "new.parquet")
    assert made(Former.find(home, "houses"), tmp_path / "new.parquet", appended=True)["new"] == 800


def test_rows_that_are_kept_already_are_not_held_out(home, tmp_path):
    stored(home, houses())
    both = pl.concat([houses(400, 1, LATER), houses()])
    both.write_parquet(tmp_path / "export.parquet")
    rows = made(Former.find(home, "houses"), tmp_path / "export.parquet")
    assert rows["held_out"].equals(houses(400, 1, LATER)[100:])
    assert rows["train"].height == 1100


def test_a_time_column_orders_the_rows_and_chooses_the_newest(home, tmp_path):
    stored(home, houses(), time="sold")
    shuffled = houses(800, 1, LATER).sample(fraction=1, shuffle=True, seed=3)
    shuffled.write_csv(tmp_path / "new.csv")
    former = Former.find(home, "houses")
    rows = made(former, tmp_path / "new.csv", appended=True, newest=Newest.parse("600"))
    assert rows["held_out"].height == 300
    assert rows["train"].height == 600
    assert rows["held_out"]["sold"].min() > rows["train"]["sold"].max()
    # 100 of the kept rows are newer than the others, and all new ones that are not held out.
    assert rows["train"]["sold"].min() == houses()["sold"][900]
    days = made(former, tmp_path / "new.csv", newest=Newest.parse("2d"), hold_out=False)
    assert days["train"].height == 48
    assert days["held_out"] is None


def test_columns_that_the_version_did_not_have_are_left_out_and_said(home, tmp_path):
    stored(home)
    houses(800).with_columns(colour=pl.lit("red")).write_csv(tmp_path / "new.csv")
    rows = made(Former.find(home, "houses"), tmp_path / "new.csv")
    assert rows["train"].columns == houses().columns
    assert any("had no such column: 'colour'" in note for note in rows["notes"])


def test_too_few_rows_to_hold_out_say_so_and_all_train(home, tmp_path):
    stored(home)
    houses(412).write_csv(tmp_path / "new.csv")
    rows = made(Former.find(home, "houses"), tmp_path / "new.csv")
    assert (rows["train"].height, rows["held_out"]) == (412, None)
    assert "No rows of" in rows["notes"][-1]
    assert "at least 600 new rows are needed" in rows["notes"][-1]


def test_a_streamed_table_is_written_aside_the_same(home, tmp_path):
    table = houses().with_columns(pl.col("sold").str.to_datetime())
    stored(home, table, stream=True, streamed=True, time="sold")
    new = houses(800, 1, LATER).with_columns(pl.col("sold").str.to_datetime())
    new.sample(fraction=1, shuffle=True, seed=3).write_parquet(tmp_path / "new.parquet", row_group_size=70)
    former = Former.find(home, "houses")
    rows = made(former, tmp_path / "new.parquet", appended=True)
    assert rows["held_out"].sort("sold").equals(new[500:])
    assert rows["train"].sort("sold").equals(pl.concat([table, new[:500]]))
    newest = made(former, tmp_path / "new.parquet", appended=True, newest=Newest.parse("600"))
    assert newest["train"].height == 600


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda frame: frame.drop("age"), "no column 'age'"),
        (lambda frame: frame.drop("price"), "no target 'price'"),
        (lambda frame: frame.clear(), "Expected rows in"),
        (lambda frame: frame.with_columns(pl.lit(None, pl.String).alias("price")), "800 rows, none of which has one"),
    ],
)
def test_rows_that_do_not_fit_the_version_are_refused(home, tmp_path, change, sentence):
    stored(home)
    change(houses(800)).write_csv(tmp_path / "new.csv")
    former = Former.find(home, "houses")
    with pytest.raises(DataError, match=sentence):
        made(former, tmp_path / "new.csv")


def test_types_that_do_not_go_with_the_kept_rows_are_refused(home, tmp_path):
    stored(home, houses())
    houses(800).with_columns(age=pl.lit([1, 2])).write_parquet(tmp_path / "new.parquet")
    with pytest.raises(DataError, match="Expected column 'age' to be of one type in all files"):
        made(Former.find(home, "houses"), tmp_path / "new.parquet", appended=True)


def test_kept_rows_that_are_gone_or_damaged_are_told(home, new):
    version = stored(home, houses())
    former = Former.find(home, "houses")
    [path] = home.tables.folder.glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match=f"training rows of houses:{version.version} .* The file is damaged"):
        made(former, new, appended=True)
    path.unlink()
    with pytest.raises(ArtifactError, match=r"no such file; `trueline data --prune`.* give the rows by --data"):
        made(former, new, appended=True)
    # New rows alone need no kept ones.
    assert made(former, new)["train"].height == 500


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lambda path: houses(9).drop("age", "price").write_parquet(path), "no column 'age', no column 'price'"),
        (lambda path: pl.DataFrame({"x": [1]}).write_parquet(path), "no column 'age', no column 'income'"),
        (lambda path: path.write_bytes(b"PAR1, and nothing"), "no Parquet file"),
        (lambda path: path.write_bytes(b""), "no Parquet file"),
    ],
)
def test_kept_rows_that_are_others_than_the_recipe_says_are_told(home, new, content, sentence):
    """A faulty tool may have written them: their checksum is right."""
    with home.tables.writing() as path:
        content(path)
        table = home.tables.add(RowsAside(path, 9))
    former = Former.find(home, f"houses:{stored(home).version}")
    former = replace(former, recipe=former.recipe.model_copy(update={"table": table}))
    with pytest.raises(ArtifactError, match=rf"with the columns of its recipe\. Received: {sentence}.*by --data\."):
        made(former, new, appended=True)


def test_appending_needs_kept_rows_and_newest_needs_an_order(home, new):
    stored(home)
    former = Former.find(home, "houses")
    with pytest.raises(DataError, match="which was trained without --keep-data"):
        made(former, new, appended=True)
    with pytest.raises(DataError, match="Expected a version that was trained with --time, for --newest"):
        made(former, new, newest=Newest.parse("10"))


def test_a_streamed_table_is_prepared_under_the_name_that_was_given(home, tmp_path):
    table = houses().with_columns(pl.col("sold").str.to_datetime())
    stored(home, table, stream=True, streamed=True, settings={"folds": 1})
    new = tmp_path / "new.parquet"
    houses(800, 1, LATER).with_columns(pl.col("sold").str.to_datetime()).write_parquet(new, row_group_size=70)
    former = Former.find(home, "houses")
    choice = RowChoice(source_of(new), Reading(), appended=True)
    with ExitStack() as stack:
        rows = new_rows(former, choice, stack)
        request = request_of(former, choice, RetrainOptions("refit"), rows)
        with prepared_table(request, Bounds(), None) as (_, prepared, read):
            assert (read.streamed, read.facts.rows, prepared.n_rows < 1500) == (True, 1500, True)
    assert (request.data, request.derivation.new_rows, request.held_out.rows) == (str(new), 800, 300)


@pytest.mark.parametrize("keep_data", [True, False])
def test_the_command_names_the_new_rows_and_keeps_what_is_kept(home, new, keep_data):
    words = ("houses.csv", "--target", "price", "--keep-data", "--preset", "fast")
    stored(home, houses(), command=words)
    former = Former.find(home, "houses")
    choice = RowChoice(source_of(new), Reading())
    with ExitStack() as stack:
        rows = new_rows(former, choice, stack)
        request = request_of(former, choice, RetrainOptions("refit", None if keep_data else False), rows)
    assert request.keep_data == keep_data
    expected = (str(new), "--target", "price", "--preset", "fast")
    assert request.command == (*expected, *(["--keep-data"] if keep_data else []))


def test_a_table_in_memory_is_split_as_its_file_is(home, new):
    former = Former.find(home, f"houses:{stored(home, houses()).version}")
    by_file = made(former, new, appended=True)
    frame = pl.read_csv(new, infer_schema=False)
    for table, kind in (
        (frame, "a polars DataFrame"),
        (frame.to_pandas(), "a pandas DataFrame"),
        (frame.to_arrow(), "a pyarrow Table"),
    ):
        in_memory = made(former, table, appended=True)
        assert in_memory["train"].equals(by_file["train"])
        assert in_memory["held_out"].equals(by_file["held_out"])
        assert f"the last 300 of the 800 rows of {kind}" in in_memory["notes"][-1]


def test_a_table_in_memory_is_not_added_to_rows_that_are_streamed(home, new):
    former = Former.find(home, f"houses:{stored(home, houses(), streamed=True).version}")
    with pytest.raises(DataError, match=r"Expected Parquet files to add .* Received: a polars DataFrame\."):
        made(former, pl.read_csv(new), appended=True)
    assert made(former, pl.read_csv(new))["train"].height == 500


def test_a_table_in_memory_has_no_command_and_cannot_be_read_again(home, new):
    former = Former.find(home, f"houses:{stored(home, houses(), command=('houses.csv', '--target', 'price')).version}")
    for table, command in ((new, (str(new), "--target", "price")), (pl.read_csv(new), ())):
        choice = RowChoice(source_of(table), Reading())
        with ExitStack() as stack:
            request = request_of(former, choice, RetrainOptions("refit", False), new_rows(former, choice, stack))
        assert request.command == command


def streamed_houses(n: int, seed: int = 0, first: datetime = datetime(2021, 1, 1)) -> pl.DataFrame:
    return houses(n, seed, first).with_columns(pl.col("sold").str.to_datetime())


def test_streamed_rows_that_are_kept_already_are_not_added_once_more_and_not_held_out(home, tmp_path):
    """As in memory: the rows are compared batch by batch."""
    stored(home, streamed_houses(1000), stream=True, streamed=True)
    former, path = Former.find(home, "houses"), tmp_path / "new.parquet"
    streamed_houses(1000).write_parquet(path, row_group_size=70)
    with pytest.raises(DataError, match=r"whose rows are kept already: 1,000 of 1,000\. Give the new rows"):
        made(former, path, appended=True)
    both = pl.concat([streamed_houses(800, 1, LATER), streamed_houses(1000)[:300]])
    both.write_parquet(path, row_group_size=70)
    for appended in (True, False):
        rows = made(former, path, appended=appended)
        assert rows["held_out"].equals(streamed_houses(800, 1, LATER)[500:])
    # Of few different rows, new ones may be equal by chance.
    few = pl.concat([streamed_houses(20)] * 50)
    version = stored(home, few, stream=True, streamed=True)
    pl.concat([streamed_houses(20)] * 40).write_parquet(path)
    assert made(Former.find(home, f"houses:{version.version}"), path, appended=True)["new"] == 800


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


def derived(home, table=None, **more):
    derivation = {"by": "refit", "version": "houses:1", "data": "new.csv", "new_rows": 5, "appended": True}
    return stored(home, table, derivation=derivation, data="new.csv", **more)


@pytest.mark.parametrize("streamed", [False, True])
def test_without_data_the_kept_rows_train_where_the_recipe_s_file_was_added_to_others(home, streamed):
    with home.tables.writing() as path:
        held_out = home.tables.add(RowsAside(path, write_table(path, streamed_houses(320, 9))))
    table = streamed_houses(1000)
    derived(home, table, streamed=streamed, held_out=held_out, time="sold")
    former = Former.find(home, "houses")
    call = Call.refit(former, None, None, {})
    choice = call._choice(former)
    rows = made(former, "new.csv", appended=True, only_kept=choice.only_kept)
    assert rows["train"].equals(table)
    assert rows["held_out"].equals(streamed_houses(320, 9))
    assert f"No file has all rows that trained {former.reference}: new.csv was added" in rows["notes"][0]
    newest = made(former, "new.csv", appended=True, only_kept=True, newest=Newest.parse("100"), hold_out=False)
    assert newest["train"].equals(table[900:])
    assert newest["held_out"] is None
    with ExitStack() as stack:
        request = request_of(former, choice, RetrainOptions("refit"), new_rows(former, choice, stack))
    assert (request.derivation.new_rows, request.derivation.appended, request.keep_data) == (0, True, True)


def test_a_recipe_of_added_rows_says_so_through_a_recalibration(home):
    """The derivation of a recalibrated version is another one, and its rows are the same."""
    recipe = {"added": True, "derivation": {"by": "recalibrate", "version": "v", "data": "d", "new_rows": 1}}
    former = Former.find(home, f"houses:{stored(home, houses(), data='new.csv', **recipe).version}")
    assert Call.refit(former, None, None, {}).only_kept
    plain = Former.find(home, f"houses:{stored(home, houses(), data='new.csv').version}")
    assert not Call.refit(plain, None, None, {}).only_kept


def test_added_rows_that_are_not_kept_cannot_train_again(home):
    former = Former.find(home, f"houses:{derived(home).version}")
    with pytest.raises(DataError, match=r"was trained on new\.csv and on rows of an earlier version, .*Give the rows"):
        Call.refit(former, None, None, {})


def test_held_out_rows_that_are_gone_are_a_note(home):
    with home.tables.writing() as path:
        held_out = home.tables.add(RowsAside(path, write_table(path, houses(320, 9))))
    derived(home, houses(), held_out=held_out)
    (home.tables.folder / f"{held_out.sha256}.parquet").unlink()
    rows = made(Former.find(home, "houses"), "new.csv", appended=True, only_kept=True)
    assert rows["held_out"] is None
    assert "No rows are held out for the comparison. Expected the held-out rows" in rows["notes"][1]


@pytest.mark.parametrize("streamed", [False, True])
def test_rows_that_judged_a_version_train_the_next_one(home, tmp_path, streamed):
    with home.tables.writing() as path:
        held_out = home.tables.add(RowsAside(path, write_table(path, streamed_houses(320, 9))))
    table, new = streamed_houses(1000), streamed_houses(800, 1, LATER)
    derived(home, table, streamed=streamed, held_out=held_out, time="sold")
    former = Former.find(home, "houses")
    new.write_parquet(tmp_path / "next.parquet")
    rows = made(former, tmp_path / "next.parquet", appended=True)
    assert rows["train"].equals(pl.concat([table, streamed_houses(320, 9), new[:500]]))
    assert rows["held_out"].equals(new[500:])
    assert rows["notes"][0] == f"The 320 rows that {former.reference} held out train now."
    # So they are old rows, which are not added once more.
    streamed_houses(320, 9).write_parquet(tmp_path / "again.parquet")
    with pytest.raises(DataError, match="whose rows are kept already: 320 of 320"):
        made(former, tmp_path / "again.parquet", appended=True)
    home.tables.path(held_out, "held-out rows").write_bytes(b"damaged")
    rows = made(former, tmp_path / "next.parquet", appended=True)
    assert rows["train"].equals(pl.concat([table, new[:500]]))
    assert rows["notes"][0].startswith(f"The rows that {former.reference} held out do not train. Expected ")
