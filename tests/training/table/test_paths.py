"""Which files a table is made of, and several files as one table."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from artifact.errors import DataError
from training.prepare.bounds import Bounds
from training.prepare.choose import parquet_source
from training.prepare.request import Request
from training.prepare.streamed import prepared_stream
from training.settings.config import TrainConfig
from training.table.corrections import Corrections
from training.table.data import TableFacts, read_raw, read_table
from training.table.parquet import ParquetSource
from training.table.paths import files_of, format_of
from training.train import prepared_in_memory


def write(path: Path, **columns: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(columns)
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return path


@pytest.mark.parametrize(
    ("name", "other"), [("t[1].csv", "t1.csv"), ("t*.csv", "tt.csv"), ("t?.parquet", "ta.parquet")]
)
def test_case_15c_a_file_of_that_very_name_goes_before_a_pattern(tmp_path, name, other):
    write(tmp_path / name, area=[1, 2], price=[3, 4])
    write(tmp_path / other, area=[1, 2], price=[-3, -4])
    assert read_table(str(tmp_path / name))["price"].to_list() == [3, 4]
    assert files_of(str(tmp_path / name)) == [tmp_path / name]
    (tmp_path / name).unlink()
    assert read_table(str(tmp_path / name))["price"].to_list() == [-3, -4]


def test_a_parquet_file_with_brackets_is_streamed_as_itself(tmp_path):
    write(tmp_path / "p[1].parquet", price=[3.0])
    write(tmp_path / "p1.parquet", price=[-3.0])
    source = parquet_source(str(tmp_path / "p[1].parquet"), True)
    assert next(source.batches(10))[1].rows() == [(3.0,)]


@pytest.fixture
def hive(tmp_path: Path) -> Path:
    for region, base in (("north", 90_000), ("south%20east", 0)):
        for part in range(2):
            areas = [float(part * 60 + i) for i in range(60)]
            prices = [base + 1000 * a for a in areas]
            write(tmp_path / "sales" / f"region={region}" / f"part-{part}.parquet", area=areas, price=prices)
    return tmp_path / "sales"


def test_case_15_keys_of_hive_folders_are_columns_in_globs_and_folders(hive):
    for data in (f"{hive}/*/*.parquet", str(hive), f"{hive}/**/*.parquet"):
        table = read_raw(data)
        assert table.frame.columns == ["area", "price", "region"]
        assert table.frame["region"].unique(maintain_order=True).to_list() == ["north", "south east"]
        assert table.frame.filter(region="north")["price"].min() == 90_000
        assert "'region' is read from the names of the files' folders." in table.notes
    # A key with one value says nothing of the rows, unless a version knows it as a feature.
    alone = f"{hive}/region=north/*.parquet"
    assert read_raw(alone).frame.columns == ["area", "price"]
    assert read_raw(alone, keep=["region"]).frame["region"].unique().to_list() == ["north"]
    assert ParquetSource(files_of(alone)).columns == ["area", "price"]
    assert ParquetSource(files_of(alone), ["region"]).columns == ["area", "price", "region"]


def test_case_15_keys_are_columns_of_a_stream_and_the_table_is_the_same(hive):
    data = f"{hive}/*/*.parquet"
    request = Request(data, ("price",), "m", TrainConfig(model="mlp", folds=1))
    _, prepared, ready = prepared_in_memory(request, None)
    assert "region" in prepared.schema.names
    assert prepared.schema.feature("region").categories == ("north", "south east")
    source = ParquetSource(files_of(data))
    with prepared_stream(request, source, Bounds(batch_rows=50, chunk_rows=60)) as (streamed, streamed_facts):
        assert streamed.schema.feature("region").categories == ("north", "south east")
        assert any("names of the files' folders" in note for note in streamed.notes)
    assert streamed_facts == ready.facts == TableFacts.of(read_table(data))


def test_keys_of_numbers_are_numbers_unless_schema_toml_says_otherwise(tmp_path):
    for year in (2023, 2024):
        write(tmp_path / f"year={year}" / "a.csv", area=[1, 2])
    assert read_table(f"{tmp_path}/*/*.csv")["year"].to_list() == [2023, 2023, 2024, 2024]
    assert read_table(f"{tmp_path}/*/*.csv", as_text=["year"])["year"][0] == "2023"
    assert Corrections().text_columns() == []


def test_a_key_without_a_value_is_missing_and_a_files_own_column_wins(tmp_path):
    write(tmp_path / "region=__HIVE_DEFAULT_PARTITION__" / "a.csv", area=[1])
    write(tmp_path / "region=x" / "a.csv", area=[2])
    assert read_raw(f"{tmp_path}/*/*.csv").frame["region"].to_list() == [None, "x"]
    write(tmp_path / "b" / "area=7" / "a.csv", area=[1, 2])
    write(tmp_path / "b" / "area=8" / "a.csv", area=[3, 4])
    assert read_raw(f"{tmp_path}/b/*/*.csv").frame["area"].to_list() == ["1", "2", "3", "4"]


def test_files_whose_folders_have_other_keys_are_refused(tmp_path):
    write(tmp_path / "region=x" / "a.csv", area=[1])
    write(tmp_path / "town=y" / "a.csv", area=[2])
    with pytest.raises(DataError, match=r"same keys in the folders.*Received: 'region' for .*, 'town' for"):
        read_raw(f"{tmp_path}/*/*.csv")


def test_a_folder_is_read_or_says_which_glob_to_give(tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    with pytest.raises(DataError, match=r"a folder with files of \.csv.*which holds none"):
        read_raw(str(folder))
    write(folder / "a.csv", area=[1])
    write(folder / "b.csv", area=[2])
    (folder / "_SUCCESS").write_text("")
    (folder / ".a.csv.crc").write_text("x")
    assert read_table(str(folder))["area"].to_list() == [1, 2]
    write(folder / "c.parquet", area=[2])
    with pytest.raises(DataError, match=r"one format\. Received: .*table/\*\*/\*\.csv' or '.*\*\.parquet'"):
        read_raw(str(folder))
    (folder / "c.parquet").unlink()
    write(tmp_path / "second" / "d.csv", area=[3])
    assert read_table(f"{tmp_path}/*")["area"].to_list() == [3, 1, 2]
    with pytest.raises(DataError, match=r"a device or pipe\. Give - to read standard input"):
        read_raw("/dev/null")


def test_case_15b_parts_of_numbers_and_texts_are_one_column_of_texts(tmp_path):
    write(tmp_path / "a.parquet", code=[0, 1], price=[1, 2])
    write(tmp_path / "b.parquet", code=["x0", "2"], price=[1.5, 2])
    table = read_table(f"{tmp_path}/*.parquet")
    assert table["code"].to_list() == ["0", "1", "x0", "2"]
    assert table["price"].to_list() == [1.0, 2.0, 1.5, 2.0]


@pytest.mark.parametrize(
    ("one", "other"), [([1], [[1]]), ([1], [{"a": 1}]), ([True], [1]), ([b"x"], ["x"]), ([[1]], [["x"]])]
)
def test_parts_of_types_that_do_not_fit_are_one_sentence(tmp_path, one, other):
    write(tmp_path / "a.parquet", code=one)
    write(tmp_path / "b.parquet", code=other)
    with pytest.raises(DataError, match=r"column 'code' to be of one type in all files\. Received: .* in .*a\.parquet"):
        read_raw(f"{tmp_path}/*.parquet")


def test_parts_in_another_order_of_columns_are_one_table_and_other_columns_are_named(tmp_path):
    write(tmp_path / "a.csv", a=[1], b=["x"])
    write(tmp_path / "b.csv", b=["y"], a=[2])
    assert read_table(f"{tmp_path}/*.csv").rows() == [(1, "x"), (2, "y")]
    write(tmp_path / "b.csv", c=["y"], a=[2])
    with pytest.raises(DataError, match=r"other columns in .*b\.csv: no 'b', also 'c'"):
        read_table(f"{tmp_path}/*.csv")


def test_the_format_is_the_ending_before_that_of_the_compression():
    endings = {"a.csv": ".csv", "a.CSV.gz": ".csv", "a.b.ndjson.zst": ".ndjson", "a": "", "a.gz": ""}
    assert {name: format_of(Path(name)) for name in endings} == endings
