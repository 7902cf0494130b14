"""Rows that a version is made anew from: what trains, what is held out, and what is refused."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import polars as pl
import pytest

from artifact.errors import ArtifactError, DataError
from artifact.registry.tables import RowsAside
from tests.trueline.retrain.conftest import LATER, houses, made, stored, streamed_houses
from training.prepare.bounds import Bounds
from training.table.reading import Reading
from training.table.selection import Newest
from training.train import prepared_table
from trueline.frames import source_of
from trueline.retrain.earlier import Former
from trueline.retrain.refit import RetrainOptions, request_of
from trueline.retrain.rows import new_rows
from trueline.retrain.selection import RowChoice


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
    # Where few rows are different, new ones may be equal by chance.
    few = pl.concat([streamed_houses(20)] * 50)
    version = stored(home, few, stream=True, streamed=True)
    pl.concat([streamed_houses(20)] * 40).write_parquet(path)
    assert made(Former.find(home, f"houses:{version.version}"), path, appended=True)["new"] == 800
