"""Kept rows that train once more: alone, and those that judged a version beside new ones."""

from __future__ import annotations

from contextlib import ExitStack

import polars as pl
import pytest

from artifact.errors import DataError
from artifact.registry.tables import RowsAside
from tests.trueline.retrain.conftest import LATER, houses, made, stored, streamed_houses
from training.table.kept import write_table
from training.table.selection import Newest
from trueline.retrain.call import Call
from trueline.retrain.earlier import Former
from trueline.retrain.refit import RetrainOptions, request_of
from trueline.retrain.rows import new_rows


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
