from pathlib import Path

import polars as pl
import pytest

from artifact.errors import DataError
from training.table.data import fingerprint, read_table


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def column(tmp_path: Path, *values: str) -> pl.Series:
    text = "x,y\n" + "".join(f"{value},1\n" for value in values)
    return read_table(write(tmp_path / "t.csv", text))["x"]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (("1", "2"), pl.Int64, [1, 2]),
        (("1", "NA", ""), pl.Int64, [1, None, None]),
        (("1.5", "2", "nan"), pl.Float64, [1.5, 2.0, None]),
        (("0.5", "-0.25"), pl.Float64, [0.5, -0.25]),
        (("0", "10"), pl.Int64, [0, 10]),
        (("001", "2"), pl.String, ["001", "2"]),
        (("-07", "12"), pl.String, ["-07", "12"]),
        (("TRUE", "false", ""), pl.Boolean, [True, False, None]),
        (("a", "NA"), pl.String, ["a", "NA"]),
        (("?", "na"), pl.String, [None, None]),
        (("2024-13-01", "2024-01-01"), pl.String, ["2024-13-01", "2024-01-01"]),
    ],
)
def test_text_is_read_as_what_all_its_values_are(tmp_path, values, dtype, expected):
    typed = column(tmp_path, *values)
    assert (typed.dtype, typed.to_list()) == (dtype, expected)


def test_dates_in_any_iso_form_and_zone_become_one_instant(tmp_path):
    values = column(tmp_path, "2024-05-01T12:00:00+02:00", "2024-05-01 10:00:00", "2024-05-01")
    assert [str(v) for v in values] == ["2024-05-01 10:00:00", "2024-05-01 10:00:00", "2024-05-01 00:00:00"]


def test_a_column_named_as_text_stays_text(tmp_path):
    path = write(tmp_path / "t.csv", "zip,y\n10,1\n1.50,2\n")
    assert read_table(path, as_text=["zip", "absent"])["zip"].to_list() == ["10", "1.50"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path, separator):
    path = write(tmp_path / "t.csv", f"a{separator}b\n1{separator}2\n")
    assert read_table(path).columns == ["a", "b"]


def test_every_format_gives_the_same_table_and_fingerprint(tmp_path):
    frame = pl.DataFrame({"a": [1, 2, None], "b": ["x", None, "z"], "c": [0.5, 1.5, 2.5], "d": [True, False, None]})
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.arrow")
    frame.write_ndjson(tmp_path / "t.ndjson")
    tables = [read_table(str(tmp_path / f"t.{suffix}")) for suffix in ("csv", "parquet", "arrow", "ndjson")]
    for table in tables:
        assert table.equals(frame)
    assert len({fingerprint(table) for table in tables}) == 1
    assert fingerprint(frame.with_columns(a=pl.Series([1, 2, 3]))) != fingerprint(frame)
    assert fingerprint(frame.with_columns(b=pl.Series(["x", "None", "z"]))) != fingerprint(frame)


def test_a_glob_is_typed_as_one_table(tmp_path):
    write(tmp_path / "a.csv", "x,y\n1,2\n")
    write(tmp_path / "b.csv", "x,y\n007,2\n")
    assert read_table(str(tmp_path / "*.csv"))["x"].to_list() == ["1", "007"]
    write(tmp_path / "c.csv", "z\n1\n")
    with pytest.raises(DataError, match=r"other columns in .*c\.csv"):
        read_table(str(tmp_path / "*.csv"))


def test_zones_categories_and_decimals_of_typed_files(tmp_path):
    frame = pl.DataFrame({"c": pl.Series(["u", "v"], dtype=pl.Categorical), "n": pl.Series([1, 2], dtype=pl.UInt8)})
    frame = frame.with_columns(t=pl.Series(["2024-05-01T12:00:00+02:00"] * 2).str.to_datetime(time_zone="Europe/Paris"))
    frame.write_parquet(tmp_path / "t.parquet")
    table = read_table(str(tmp_path / "t.parquet"))
    assert table.dtypes == [pl.String, pl.Int64, pl.Datetime("us")]
    assert table["t"][0].hour == 10


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"\xff\xfe\x00\x01,\x80\n\x81,1\n", "readable as utf-16"),
        ("t.csv", b"", "readable as csv"),
        ("t.csv", b"a,b\n", "Expected rows"),
        ("t.csv", b"a,b\n1\n2,3,4\n", "readable as csv"),
        ("t.parquet", b"PAR1 but not really", "readable as parquet"),
        ("t.ndjson", b"{broken", "readable as ndjson"),
        ("t.arrow", b"nothing", "readable as arrow"),
        ("t.xlsx", b"", "readable as xlsx"),
    ],
)
def test_an_unreadable_file_is_one_sentence(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_a_name_that_is_wrong_lists_those_there_are(tmp_path):
    write(tmp_path / "houses.csv", "a\n1\n")
    with pytest.raises(DataError, match=r"'houses\.csv'"):
        read_table(str(tmp_path / "house.csv"))
    with pytest.raises(DataError, match="'diabetes'"):
        read_table("dataset:diabetis")
    with pytest.raises(DataError, match="Expected files that match"):
        read_table(str(tmp_path / "*.parquet"))


def test_diabetes_comes_in_its_own_units():
    table = read_table("dataset:diabetes")
    assert table.shape == (442, 11)
    assert table["age"].max() > 50
