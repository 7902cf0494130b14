"""``trueline example``: the same table for the same seed, with what the page promises; no file is lost."""

from __future__ import annotations

import io

import polars as pl
import pytest

from trueline.houses import COLUMNS, LEAK, houses_csv
from trueline.main import run


def frame(**options: object) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(houses_csv(**options)), try_parse_dates=True)


def test_the_same_seed_gives_the_same_table_and_another_seed_another():
    assert houses_csv(50, 3) == houses_csv(50, 3)
    assert houses_csv(50, 3) != houses_csv(50, 4)


def test_it_has_dates_categories_booleans_and_missing_values():
    table = frame()
    assert tuple(table.columns) == COLUMNS
    assert table.height == 1000
    assert (table["sold"].dtype, table["garden"].dtype, table["town"].dtype) == (pl.Date, pl.Boolean, pl.String)
    assert [name for name in COLUMNS if table[name].null_count()] == ["built", "garden", "heating"]
    assert table["price"].min() > 0


def test_a_leak_is_there_only_when_asked_for_and_inspect_names_it(tmp_path, capsys):
    assert LEAK not in frame().columns
    path = tmp_path / "houses.csv"
    assert run(["example", str(path), "--leak", "--rows", "300"]) == 0
    assert frame(rows=300, leak=True).drop(LEAK).equals(frame(rows=300))
    capsys.readouterr()
    assert run(["inspect", str(path), "--target", "price"]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Note:")]
    assert any(LEAK in note and "a leak" in note for note in notes), notes


def test_a_file_that_exists_is_replaced_only_by_force(tmp_path, capsys):
    path = tmp_path / "houses.csv"
    path.write_text("mine")
    assert run(["example", str(path)]) == 2
    assert path.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert run(["example", str(path), "--force", "--rows", "5", "--seed", "1", "--json"]) == 0
    assert path.read_text() == houses_csv(5, 1)


@pytest.mark.parametrize("where", ["no/such/folder.csv", "."])
def test_a_place_that_holds_no_file_is_refused(where, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["example", where]) == 2
    assert list(tmp_path.iterdir()) == []
