"""Names of columns: none twice, none that a tool made up, in one form wherever they are given."""

from __future__ import annotations

import unicodedata

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact.errors import DataError
from tests.training.table.test_dialect import raw
from tests.training.table.test_text import workbook
from training.prepare.request import Request
from training.table.corrections import Corrections, FeatureCorrection, TargetCorrection
from training.table.data import read_raw
from training.table.names import in_terms_of, split_names
from training.table.parquet import ParquetSource
from training.train import prepared_in_memory


def rows(n_columns: int, n: int = 60) -> str:
    return "".join(",".join(str((7 * i * (j + 2)) % 29 + j) for j in range(n_columns)) + "\n" for i in range(n))


def test_case_08_a_name_that_stands_twice_is_refused_with_its_places(tmp_path):
    with pytest.raises(DataError, match=r"Received: 'price' as columns 3 and 4"):
        raw(tmp_path, "town,area,price,price\n" + rows(4))
    with pytest.raises(DataError, match=r"Received: 'a' as columns 1, 2 and 4"):
        raw(tmp_path, "a,a,b, a\n" + rows(4))


def test_a_name_that_stands_twice_is_refused_in_every_format(tmp_path):
    table = pa.table([[1, 2], [3, 4]], names=["a", "a"])
    pq.write_table(table, tmp_path / "t.parquet")
    for name, writer in (("t.arrow", pa.ipc.new_file), ("t.feather", pa.ipc.new_stream)):
        with pa.OSFile(str(tmp_path / name), "wb") as sink, writer(sink, table.schema) as to:
            to.write_table(table)
    (tmp_path / "t.ndjson").write_text('{"a": 1, "a": 2}\n', encoding="utf-8")
    workbook(tmp_path / "t.xlsx", Sheet=[["a", "a"], [1, 2]])
    for name in ("t.parquet", "t.arrow", "t.feather", "t.ndjson", "t.xlsx"):
        with pytest.raises(DataError, match=r"Received: 'a' as columns 1 and 2"):
            read_raw(str(tmp_path / name))
    with pytest.raises(DataError, match=r"Received: 'a' as columns 1 and 2"):
        ParquetSource([tmp_path / "t.parquet"])


def test_names_that_a_reader_could_have_invented_are_the_files_own(tmp_path):
    table = raw(tmp_path, "price,price_duplicated_0,column_1\n" + rows(3))
    assert table.frame.columns == ["price", "price_duplicated_0", "column_1"]


@pytest.mark.parametrize("name", ["", "Unnamed: 0", '""', " "])
def test_case_07_07b_an_unnamed_index_is_left_out_with_a_note_and_passes_through(tmp_path, name):
    table = raw(tmp_path, f"{name},town,area,price\n274,Cern,141.6,380863\n74,Cern,73.8,191133\n")
    assert table.frame.columns == ["town", "area", "price"]
    assert table.unnamed.rows() == [("274",), ("74",)]
    (note,) = table.notes
    assert note.startswith("Column 1")
    assert "left out" in note


def test_the_index_of_pandas_in_parquet_is_left_out_held_and_streamed(tmp_path):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"area": [1.5, 2.0], "__index_level_0__": [7, 9]}).write_parquet(path)
    table = read_raw(str(path))
    assert table.frame.columns == ["area"]
    assert table.unnamed["__index_level_0__"].to_list() == [7, 9]
    source = ParquetSource([path])
    assert source.columns == ["area"]
    assert source.notes == list(table.notes)
    assert next(source.batches(10))[1].rows() == [(1.5,), (2.0,)]
    assert ParquetSource([path], ["__index_level_0__"]).columns == ["area", "__index_level_0__"]


def test_a_name_that_the_user_says_keeps_the_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("Unnamed: 0,area,price\n" + rows(3), encoding="utf-8")
    request = Request(str(path), ("price",), "m")
    _, prepared, _ = prepared_in_memory(request, None)
    assert "Unnamed: 0" not in prepared.schema.names
    assert any("Unnamed: 0" in note for note in prepared.notes)
    corrections = Corrections(features={"Unnamed: 0": FeatureCorrection(kind="number")})
    _, prepared, _ = prepared_in_memory(Request(str(path), ("price",), "m", corrections=corrections), None)
    assert "Unnamed: 0" in prepared.schema.names
    # Dropping a column without a name was the way out once; it is no fault now.
    path.write_text(",area,price\n" + rows(3), encoding="utf-8")
    corrections = Corrections(features={"": FeatureCorrection(drop=True)})
    _, prepared, _ = prepared_in_memory(Request(str(path), ("price",), "m", corrections=corrections), None)
    assert prepared.schema.names == ("area",)


def test_case_09c_quotes_in_a_header_are_unescaped_and_odd_names_stay(tmp_path):
    header = '"a.b","say ""x""","line\nbreak","$ref","Größe","площадь","price"\n'
    expected = ["a.b", 'say "x"', "line\nbreak", "$ref", "Größe", "площадь", "price"]
    table = raw(tmp_path, header + rows(7))
    assert table.frame.columns == expected
    assert table.frame.height == 60
    assert raw(tmp_path, '"5"" pipe",b\n' + rows(2)).frame.columns == ['5" pipe', "b"]


def test_case_09d_a_target_with_a_comma_is_chosen_by_its_whole_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('town,"area, m2","price, EUR"\n' + rows(3), encoding="utf-8")
    request, prepared, _ = prepared_in_memory(Request(str(path), ("price, EUR",), "m"), None)
    assert request.targets == ("price, EUR",)
    assert prepared.schema.target_names == ("price, EUR",)
    both, _, _ = prepared_in_memory(Request(str(path), ("price, EUR, area, m2",), "m"), None)
    assert both.targets == ("price, EUR", "area, m2")


def test_a_text_of_names_is_split_at_the_commas_that_no_name_holds():
    assert split_names("a,b", ["a", "b"]) == ("a", "b")
    assert split_names("a,b", ["a", "b", "a,b"]) == ("a,b",)
    assert split_names(" a , c,d ", ["a", "c,d"]) == ("a", "c,d")
    assert split_names("x,y", ["a"]) == ("x", "y")


def test_names_in_nfd_are_found_wherever_the_user_gives_them(tmp_path):
    name, town = "Größe", "Städt"
    decomposed = unicodedata.normalize("NFD", name)
    path = tmp_path / "t.csv"
    path.write_text(f"{unicodedata.normalize('NFD', town)},{decomposed},Fläche\n" + rows(3), encoding="utf-8")
    corrections = Corrections(
        features={"Fläche": FeatureCorrection(unit="m2")}, targets={decomposed: TargetCorrection(unit="m")}
    )
    request, prepared, _ = prepared_in_memory(
        Request(str(path), (decomposed,), "m", corrections=corrections, group=town), None
    )
    assert prepared.schema.target_names == (name,)
    assert prepared.schema.names == ("Fläche",)
    assert (request.group, prepared.schema.targets[0].unit) == (town, "m")
    with pytest.raises(DataError, match=r"once in schema\.toml\. Received: 'Größe' twice"):
        Corrections(features={name: FeatureCorrection(), decomposed: FeatureCorrection()}).with_canonical_names()


def test_a_frame_takes_the_names_of_a_version_that_kept_another_form():
    decomposed = unicodedata.normalize("NFD", "Größe")
    frame = in_terms_of(pl.DataFrame({"Größe": [1], "b": [2]}), [decomposed, " b"])
    assert frame.columns == [decomposed, " b"]


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u00a0", "\u2060", "\u00ad", " \u200b "])
def test_what_is_not_seen_around_a_name_does_not_count(tmp_path, unseen):
    table = raw(tmp_path, f"{unseen}area,price{unseen}\n" + f"{unseen}1.5,2{unseen}\n" * 3)
    assert table.frame.columns == ["area", "price"]
    # Within a name it stays.
    assert raw(tmp_path, f"a{unseen}b,price\n1,2\n").frame.columns[0].startswith(f"a{unseen}b")
