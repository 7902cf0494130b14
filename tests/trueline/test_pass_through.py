"""``trueline predict`` passes columns through unchanged, in every format, and adds the answers."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from artifact.registry.local import LocalRegistry
from artifact.rows.schema import Feature
from tests.builders import build_schema, build_version
from tests.trueline.test_commands import call, last_json

SCHEMA = build_schema(
    (
        Feature(name="area", kind="number", minimum=30, maximum=200, missing="impute"),
        Feature(name="town", kind="category", categories=("Cern", "Lodi"), missing="impute"),
    )
)
READERS = {"csv": pl.read_csv, "parquet": pl.read_parquet, "arrow": pl.read_ipc, "ndjson": pl.read_ndjson}
ANSWERS = ["value", "lower", "upper", "warnings"]
FEATURES: dict[str, Any] = {"area": [141.6, 73.8], "town": ["Cern", None]}
# Columns of case 13, types of case 30, and similar ones: each once became a float, a naive moment or a string.
TYPED = {
    "key": pl.Series([2**63 + 1, 2**63 + 2], dtype=pl.UInt64),
    "small": pl.Series([1, None], dtype=pl.Int8),
    "amount": pl.Series([Decimal("12345678901234567890123456.78"), None], dtype=pl.Decimal(30, 2)),
    "moment": pl.Series([datetime(2024, 7, 1, 12, tzinfo=UTC), None], dtype=pl.Datetime("ns", "Europe/Berlin")),
    "naive": pl.Series([datetime(2024, 7, 1, 12, 0, 0, 123000), None], dtype=pl.Datetime("ms")),
    "day": pl.Series([date(9999, 12, 31), date(1, 1, 1)]),
    "clock": pl.Series([time(23, 59, 59), None]),
    "span": pl.Series([timedelta(days=-2, microseconds=1), None]),
    "single": pl.Series([0.1, None], dtype=pl.Float32),
    "kind": pl.Series(["b", "a"], dtype=pl.Enum(["a", "b"])),
    "coded": pl.Series(["x", None], dtype=pl.Categorical),
    "tags": pl.Series([["a", None], []], dtype=pl.List(pl.String)),
    "point": pl.Series([{"x": 1, "y": [1.5]}, {"x": None, "y": []}]),
    "pair": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int16, 2)),
    "blob": pl.Series([b"\xff\x00", None]),
    "nothing": pl.Series([None, None]),
    "yes": pl.Series([True, None]),
    "code": pl.Series(["007", "1E5"]),
}
# Types that a text format cannot hold, and types that it writes as text.
NESTED = ("tags", "point", "pair")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRegistry:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    registry = LocalRegistry(tmp_path)
    build_version(registry, promote=True, schema=SCHEMA)
    return registry


def predicted(capsys: pytest.CaptureFixture[str], data: Path, output: Path) -> pl.DataFrame:
    code, _, err = call(capsys, "predict", "houses", str(data), "-o", str(output))
    assert code == 0, err
    return READERS[output.suffix[1:]](output)


def typed_table(path: Path, *without: str) -> pl.DataFrame:
    frame = pl.DataFrame({**FEATURES, **TYPED}).drop(without)
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_ipc(path)
    return frame


@pytest.mark.parametrize("source", ["parquet", "arrow"])
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_case_13_case_30_types_come_out_as_they_came(home, capsys, tmp_path, source, suffix):
    frame = typed_table(tmp_path / f"13-new.{source}")
    out = predicted(capsys, tmp_path / f"13-new.{source}", tmp_path / f"out.{suffix}")
    assert out.columns == [*frame.columns, *ANSWERS]
    assert out.select(frame.columns).schema == frame.schema
    assert out.select(frame.columns).equals(frame)


def test_case_13_types_as_text(home, capsys, tmp_path):
    data = tmp_path / "13-new.parquet"
    typed_table(data, *NESTED, "blob", "span", "nothing")
    first = predicted(capsys, data, tmp_path / "out.csv").row(0, named=True)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    header = lines[0].split(",")
    text = dict(zip(header, lines[1].split(","), strict=True))
    assert text["key"] == "9223372036854775809"
    assert text["amount"] == "12345678901234567890123456.78"
    assert text["moment"] == "2024-07-01T14:00:00.000000000+0200"
    assert text["naive"] == "2024-07-01T12:00:00.123"
    assert (text["day"], text["clock"][:8]) == ("9999-12-31", "23:59:59")
    assert (text["single"], text["kind"], text["code"]) == ("0.1", "b", "007")
    assert first["value"] is not None
    typed_table(data, "blob", "nothing")
    predicted(capsys, data, tmp_path / "out.ndjson")
    row = json.loads((tmp_path / "out.ndjson").read_text().splitlines()[0])
    assert row["key"] == 2**63 + 1
    assert row["amount"] == "12345678901234567890123456.78"
    assert row["moment"] == "2024-07-01T14:00:00+02:00"
    assert (row["tags"], row["point"], row["pair"]) == (["a", None], {"x": 1, "y": [1.5]}, [1, 2])
    assert row["span"].startswith("-P") and row["code"] == "007"


ORDERS = "order,code,zip,price,area,town,day\n12345678901234567890,1E5,007,1.50,141.6,Cern,2024-05-01\n"
ORDERS += "12345678901234567891,2E5,042, 2.0 ,73.8,Lodi,2024-5-1\n"


@pytest.mark.parametrize("suffix", READERS)
def test_case_13b_the_texts_of_a_csv_stay_what_they_are(home, capsys, tmp_path, suffix):
    data = tmp_path / "13b-new.csv"
    data.write_text(ORDERS)
    predicted(capsys, data, output := tmp_path / f"out.{suffix}")
    read = {"csv": lambda path: pl.read_csv(path, infer_schema=False)}.get(suffix, READERS[suffix])
    out = read(output)
    assert out["order"].to_list() == ["12345678901234567890", "12345678901234567891"]
    assert out["code"].to_list() == ["1E5", "2E5"]
    assert out["zip"].to_list() == ["007", "042"]
    assert out["price"].to_list() == ["1.50", " 2.0 "]
    assert out["area"].to_list() == ["141.6", "73.8"]
    assert out["day"].to_list() == ["2024-05-01", "2024-5-1"]


def test_the_numbers_of_ndjson_stay_what_they_are(home, capsys, tmp_path):
    data = tmp_path / "new.ndjson"
    rows = [{"id": 9007199254740993, "code": "1E5", "area": 141.6, "town": "Cern", "tags": ["a"]}]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    predicted(capsys, data, tmp_path / "out.ndjson")
    result = json.loads((tmp_path / "out.ndjson").read_text())
    assert {name: result[name] for name in rows[0]} == rows[0]


def test_long_numbers_of_ndjson_are_decimals_that_other_readers_know(home, capsys, tmp_path):
    data = tmp_path / "new.ndjson"
    ids = [2**64 - 16, 10**30]
    data.write_text("".join(json.dumps({"id": i, "area": 141.6, "town": "Cern"}) + "\n" for i in ids))
    for suffix in ("parquet", "arrow"):
        output = tmp_path / f"out.{suffix}"
        out = predicted(capsys, data, output)
        assert [int(i) for i in out["id"]] == ids
        again = predicted(capsys, output, tmp_path / "again.ndjson")
        assert [int(i) for i in again["id"]] == ids
    predicted(capsys, data, tmp_path / "out.ndjson")
    assert [json.loads(line)["id"] for line in (tmp_path / "out.ndjson").read_text().splitlines()] == ids


@pytest.mark.parametrize(
    ("columns", "suffix", "sentence", "able"),
    [
        (["blob"], "csv", "'blob' of type Binary", ".parquet or .arrow or .feather"),
        (["blob"], "ndjson", "'blob' of type Binary", ".parquet or .arrow or .feather"),
        (["tags"], "csv", "'tags' of type List(String)", ".parquet or .arrow or .feather or .ndjson"),
        (["point", "pair"], "csv", "'point' of type Struct", ".parquet or .arrow or .feather or .ndjson"),
        (["span"], "csv", "'span' of type Duration", ".parquet or .arrow or .feather or .ndjson"),
        (["blob"], None, "'blob' of type Binary", ".parquet or .arrow or .feather"),
    ],
)
def test_what_a_format_cannot_hold_is_one_sentence_before_any_work(
    home, capsys, tmp_path, monkeypatch, columns, suffix, sentence, able
):
    monkeypatch.setattr("trueline.commands.predict.score", lambda *_: pytest.fail("It was scored."))
    data, output = tmp_path / "new.parquet", tmp_path / f"out.{suffix}"
    typed_table(data, *(name for name in TYPED if name not in columns))
    arguments = ("-o", str(output)) if suffix else ()
    code, out, err = call(capsys, "predict", "houses", str(data), *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Error: Expected columns that ")
    assert sentence in err
    assert f"Use -o with a file of {able}, or leave" in err
    assert err.count("\n") == 1
    assert not output.exists()


def test_binary_inside_a_list_and_a_struct_without_fields_are_found_too(home, capsys, tmp_path):
    data = tmp_path / "new.arrow"
    for column, suffix in (
        (pl.Series([[b"\xff"], None]), "ndjson"),
        (pl.Series([{"a": {"b": b"\xff"}}, None]), "ndjson"),
        (pl.Series([{}, None], dtype=pl.Struct([])), "parquet"),
    ):
        pl.DataFrame({**FEATURES, "odd": column}).write_ipc(data)
        code, _, err = call(capsys, "predict", "houses", str(data), "-o", str(tmp_path / f"out.{suffix}"))
        assert (code, err.count("\n")) == (2, 1)
        assert "Received: 'odd' of type" in err


def test_a_panic_of_the_writer_is_one_sentence(home, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("trueline.commands.predict.check_columns_fit", lambda *_: None)
    data = tmp_path / "new.parquet"
    typed_table(data, *(name for name in TYPED if name != "blob"))
    code, _, err = call(capsys, "predict", "houses", str(data), "-o", str(tmp_path / "out.ndjson"))
    assert code == 2
    assert "Error: Expected columns that a file of .ndjson can hold." in err
    assert sorted(p.name for p in tmp_path.glob("*out.ndjson*")) == []


def test_a_row_has_its_warnings_in_a_column(home, capsys, tmp_path):
    data, output = tmp_path / "new.csv", tmp_path / "out.parquet"
    data.write_text("area,town\n500,Bath\n100,Cern\n,Bath\n100,Lodi\n")
    code, out, err = call(capsys, "predict", "houses", str(data), "-o", str(output), "--json")
    assert code == 0, err
    result = pl.read_parquet(output)["warnings"]
    assert result.dtype == pl.String
    area = "'area' = 500 is outside the training range [30, 200]."
    town = "'town' = 'Bath' was not seen in training; answered as 'other'."
    assert result.to_list() == [f"{area} {town}", None, town, None]
    assert last_json(out)["rows_with_warnings"] == 2
    assert last_json(out)["warnings"] == {"out_of_range": 1, "unseen": 2}
    _, out, err = call(capsys, "predict", "houses", str(data))
    assert out.splitlines()[2].endswith(",")
    assert "2 rows have a warning: out_of_range in 1, unseen in 2." in err


def test_warnings_are_in_the_rows_of_their_chunk(home, capsys, tmp_path, monkeypatch):
    data = tmp_path / "new.csv"
    data.write_text("area,town\n" + "100,Cern\n" * 20 + "500,Cern\n" + "100,Cern\n" * 5)
    _, whole, _ = call(capsys, "predict", "houses", str(data))
    monkeypatch.setattr("trueline.scoring.CHUNK", 7)
    _, chunked, _ = call(capsys, "predict", "houses", str(data))
    assert chunked == whole
    assert [i for i, line in enumerate(whole.splitlines()) if "outside" in line] == [21]


def test_an_absent_column_is_in_each_rows_warnings(home, capsys, tmp_path):
    data, output = tmp_path / "new.csv", tmp_path / "out.ndjson"
    data.write_text("town\nCern\nLodi\n")
    call(capsys, "predict", "houses", str(data), "-o", str(output), "--allow-missing-columns")
    assert pl.read_ndjson(output)["warnings"].to_list() == ["'area' has no column; answered as missing."] * 2


def test_a_scored_table_is_scored_again(home, capsys, tmp_path):
    data, once, twice = tmp_path / "new.parquet", tmp_path / "once.parquet", tmp_path / "twice.parquet"
    typed_table(data)
    predicted(capsys, data, once)
    out = predicted(capsys, once, twice)
    assert out.columns[-8:] == [*ANSWERS, "price_value", "price_lower", "price_upper", "price_warnings"]
    assert out["price_value"].equals(out["value"], check_names=False)
    code, _, err = call(capsys, "predict", "houses", str(twice))
    assert (code, "of an answer's name in the table. Received: 'price_value'; rename it." in err) == (2, True)


def test_a_column_called_warnings_stays(home, capsys, tmp_path):
    data = tmp_path / "new.csv"
    data.write_text("area,town,warnings\n500,Cern,mine\n")
    out = predicted(capsys, data, tmp_path / "out.csv")
    assert out.columns == ["area", "town", "warnings", "value", "lower", "upper", "price_warnings"]
    assert out["warnings"].to_list() == ["mine"]
    assert "outside" in out["price_warnings"][0]


def test_no_traceback_of_another_language_reaches_a_user(home, tmp_path):
    data = tmp_path / "new.parquet"
    typed_table(data)
    command = [sys.executable, "-m", "trueline", "predict", "houses", str(data), "-o", str(tmp_path / "o.ndjson")]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.count("\n") == 1
