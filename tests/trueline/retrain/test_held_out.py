"""The gates take the rows that ``refit`` held out: what was measured there is what is promoted."""

from __future__ import annotations

import polars as pl
import pytest

from artifact.registry.entry import Statement
from artifact.registry.tables import RowsAside
from tests.trueline.retrain.conftest import houses, stored
from tests.trueline.test_commands import call, last_json
from training.table.kept import write_table


def candidate(home):
    with home.tables.writing() as path:
        held_out = home.tables.add(RowsAside(path, write_table(path, houses(320, 9))))
    return stored(home, held_out=held_out)


@pytest.fixture
def pair(home, capsys):
    """A champion, and a candidate with held-out rows."""
    champion = stored(home)
    home.promote(f"houses:{champion.version}", statement=Statement(forced=("verdict",)))
    return champion, candidate(home)


def sentences(document):
    return " ".join(gate["sentence"] for gate in document["gates"])


def test_promote_and_compare_measure_on_the_rows_that_were_held_out(home, pair, capsys):
    champion, new = pair
    words = ("compare", f"houses:{new.version}", f"houses:{champion.version}", "--json")
    document = last_json(call(capsys, *words)[1])
    assert "320" in sentences(document)
    code, out, err = call(capsys, "promote", f"houses:{new.version}", "--json")
    assert "320" in sentences(last_json(out)), out + err
    if code == 0:
        assert last_json(out)["kept_rows"] == {"held-out rows": 320}


def test_rows_that_somebody_gives_come_first(home, pair, tmp_path, capsys):
    champion, new = pair
    houses(444, 10).write_csv(tmp_path / "other.csv")
    words = ("compare", f"houses:{new.version}", f"houses:{champion.version}", str(tmp_path / "other.csv"), "--json")
    document = last_json(call(capsys, *words)[1])
    assert "444" in sentences(document)
    assert "320" not in sentences(document)


@pytest.mark.parametrize("content", [None, b"PAR1 damaged"])
def test_held_out_rows_that_are_gone_or_damaged_are_one_note(home, pair, capsys, content):
    champion, new = pair
    [path] = home.tables.folder.glob("*.parquet")
    path.unlink() if content is None else path.write_bytes(content)
    code, out, err = call(capsys, "compare", f"houses:{new.version}", f"houses:{champion.version}", "--json")
    assert code == 0, err
    assert (
        f"Note: Without held-out rows the gates compare the figures of both trainings. Expected the held-out rows "
        f"of houses:{new.version}" in err
    )
    assert "320" not in sentences(last_json(out))
    assert home.alias("houses").version == champion.version


@pytest.mark.parametrize("by", ["compare", "promote"])
def test_rows_in_another_unit_are_told_beside_the_gates(home, pair, tmp_path, capsys, by):
    champion, new = pair
    path = tmp_path / "other.csv"
    words = ("compare", f"houses:{new.version}", f"houses:{champion.version}", str(path))
    words = words if by == "compare" else ("promote", f"houses:{new.version}", "--data", str(path))
    # First the wrong rows: a promotion by the right ones would change what is live.
    houses(444, 10).with_columns(pl.col("price") * 1000).write_csv(path)
    _, _, err = call(capsys, *words)
    for version in (new, champion):
        assert f"Note: 100% of the values of 'price' lie outside of the range that houses:{version.version} saw" in err
    houses(444, 10).write_csv(path)
    assert "lie outside" not in call(capsys, *words)[2]
