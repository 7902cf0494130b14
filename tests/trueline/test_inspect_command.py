"""``trueline inspect`` as its user sees it."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from training.table.corrections import Corrections
from trueline.main import run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "houses [1].csv"
    rows = range(60)
    pl.DataFrame(
        {
            "ref": [f"H{i}" for i in rows],
            "[b]town[/]": [("Alma", "Brod", "C <1>")[i % 3] for i in rows],
            "area": [None if i == 4 else 40.5 + i * 7 % 31 for i in rows],
            "country": ["UK"] * 60,
            "price": [1000.0 * (i * 7 % 31) + i for i in rows],
        }
    ).write_csv(path)
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run(["inspect", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_columns_notes_and_checks_are_shown_as_they_are_named(table, capsys):
    code, out, err = call(capsys, table, "--target", "price")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{table}: 60 rows, 5 columns"
    rows = {line.split("│")[1].strip(): [c.strip() for c in line.split("│")[2:-1]] for line in lines if "│" in line}
    assert list(rows) == ["ref", "[b]town[/]", "area", "country", "price"]
    assert rows["area"][:4] == ["", "number", "1", "31"]
    assert rows["[b]town[/]"][-1] == "Alma (20), Brod (20), C <1> (20)"
    assert rows["price"][0] == "target"
    assert "Note: Column 'ref' is left out: it looks like an identifier (60 different texts in 60 rows)." in lines
    assert any(line.startswith("Note: Column 'country' is left out: it is constant") for line in lines)


def test_the_last_line_is_one_json_object(table, capsys):
    code, out, _ = call(capsys, table, "--json")
    document = json.loads(out.splitlines()[-1])
    assert code == 0
    assert (document["rows"], document["refusal"], document["data"]) == (60, None, str(table))
    area = next(column for column in document["columns"] if column["name"] == "area")
    assert (area["kind"], area["missing"], area["role"], area["low"]) == ("number", 1, "feature", 40.5)
    assert {"kind": "left out", "columns": ["ref"]}.items() <= document["alerts"][0].items()


def test_any_type_of_value_can_be_told_as_json(tmp_path, capsys):
    import datetime
    from decimal import Decimal

    path = tmp_path / "types.parquet"
    n = 30
    pl.DataFrame(
        {
            "decimal": [Decimal(i) / 3 for i in range(n)],
            "day": [datetime.date(2024, 1, 1 + i) for i in range(n)],
            "clock": [datetime.time(i % 24) for i in range(n)],
            "span": [datetime.timedelta(i) for i in range(n)],
            "zone": pl.Series([datetime.datetime(2024, 1, 1 + i) for i in range(n)]).dt.replace_time_zone("Asia/Tokyo"),
            "list": [[i] for i in range(n)],
            "bytes": [b"\xff"] * n,
            "none": [None] * n,
            "inf": [float("inf")] * n,
            "big": pl.Series([2**63 + i for i in range(n)], dtype=pl.UInt64),
        }
    ).write_parquet(path)
    code, out, err = call(capsys, path, "--json")
    assert (code, err) == (0, "")
    assert len(json.loads(out.splitlines()[-1])["columns"]) == 10


def test_a_schema_to_begin_with_is_written_or_printed_alone(table, tmp_path, capsys):
    schema_toml = tmp_path / "schema.toml"
    code, out, _ = call(capsys, table, "--target", "price", "--schema-out", schema_toml)
    assert (code, out.splitlines()[-1]) == (0, f"Written: {schema_toml}")
    assert Corrections.read(schema_toml).features["ref"].drop
    code, out, err = call(capsys, table, "--target", "price", "--toml")
    assert (code, out, err) == (0, schema_toml.read_text(encoding="utf-8"), "")
    code, out, _ = call(capsys, table, "--target", "price", "--schema", schema_toml)
    assert code == 0
    assert "Note: Column 'ref' is left out, as schema.toml says." in out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--toml",), "Expected --target with --toml"),
        (("--schema-out", "x.toml"), "Expected --target with --schema-out"),
        (("--target", "price", "--toml", "--json"), "Expected --toml or --json. Received: both."),
        (("--target", "prise"), "Unknown column 'prise'. There are: 'price'"),
        (("--target", "price", "--schema-out", "no/such/x.toml"), "folder that exists"),
        (("--target", "country"), "Expected"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_2(options, sentence, table, capsys):
    code, _, err = call(capsys, table, *options)
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1


def test_a_table_that_train_refuses_is_shown_with_the_reason(table, capsys):
    code, out, err = call(capsys, table, "--target", "country", "--json")
    assert code == 2
    assert "Alma (20)" in out
    assert json.loads(out.splitlines()[-1])["refusal"] == err.removeprefix("Error: ").strip()
