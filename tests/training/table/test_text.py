"""Encoding, compression and formats, by what the bytes are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
import zstandard

from artifact.errors import DataError
from tests.training.table.test_dialect import raw
from training.table.data import read_raw, read_table
from training.table.reading import Reading

TABLE = "town;area\nCern;141.6\nAlma;73.8\n"


@pytest.mark.parametrize(
    "compress", [gzip.compress, bz2.compress, lzma.compress, lambda data: zstandard.ZstdCompressor().compress(data)]
)
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv.gz", "t.csv.zst"])
def test_case_10b_10c_compression_and_separator_are_found_whatever_the_name(tmp_path, compress, name):
    table = raw(tmp_path, compress(TABLE.encode()), name)
    assert table.frame.rows() == [("Cern", "141.6"), ("Alma", "73.8")]


def test_a_compressed_file_that_is_cut_short_is_told(tmp_path):
    for data in (gzip.compress(TABLE.encode() * 100)[:-12], lzma.compress(TABLE.encode() * 100)[:-12]):
        with pytest.raises(DataError, match="compressed and whole"):
            raw(tmp_path, data)


@pytest.mark.parametrize("words", ["Nîmes,Málaga,Besançon", "München,Köln,Straße", "café", "5 €", "temp °C", "m²"])
def test_case_11_latin_1_and_windows_1252_are_read_with_a_note(tmp_path, words):
    text = "town,area\n" + "".join(f"{word},{i}\n" for i, word in enumerate(words.split(",") * 3))
    table = raw(tmp_path, text.encode("cp1252"))
    assert table.frame["town"].unique(maintain_order=True).to_list() == words.split(",")
    assert "Windows-1252 (cp1252)" in table.notes[0]
    assert "--encoding" in table.notes[0]


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("Łódź,Kraków,Wrocław", "cp1250"),
        ("Plzeň,České Budějovice", "cp1250"),
        ("Москва,Казань", "cp1251"),
        ("Αθήνα,Πάτρα", "cp1253"),
        ("東京,大阪", "cp932"),
        ("北京,上海", "gb18030"),
        ("İstanbul,Şişli", "cp1254"),
        ("Québec,Montréal", "cp850"),
        ("Málaga,Cádiz", "mac_roman"),
        ("Köln,Möhne", "mac_roman"),
    ],
)
def test_bytes_of_another_encoding_are_never_guessed_but_shown_with_the_option(tmp_path, words, encoding):
    for times in (1, 40):
        data = ("town,area\n" + "".join(f"{word},1\n" for word in words.split(",") * times)).encode(encoding)
        with pytest.raises(DataError, match=r"to be UTF-8\. Received: other bytes, first in line 2.*--encoding"):
            raw(tmp_path, data)
        assert raw(tmp_path, data, encoding=encoding).frame["town"][0] == words.split(",")[0]


def test_a_wrong_encoding_names_the_byte_and_an_unknown_one_the_right_ones(tmp_path):
    with pytest.raises(DataError, match=r"readable as utf-8, as --encoding says\. Received: byte 0xf4 in line 2"):
        raw(tmp_path, "town,a\nC\xf4te,1\n".encode("latin-1"), encoding="utf-8")
    for name in ("latin-0815", "base64", "hex"):
        with pytest.raises(DataError, match="--encoding as a name that Python knows"):
            Reading(encoding=name)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_case_11b_utf_16_is_read_with_a_note_and_without_a_mark_too(tmp_path, encoding):
    table = raw(tmp_path, ("town;area\n" + "Łódź;1\nCern;2\n" * 30).encode(encoding))
    assert table.frame.columns == ["town", "area"]
    assert table.frame["town"][0] == "Łódź"
    assert "UTF-" in table.notes[0]


def test_case_11c_a_mark_before_utf_8_is_no_part_of_a_name(tmp_path):
    table = raw(tmp_path, "\ufefftown,area\r\nŁódź,1\r\nCern,2\r\n")
    assert table.frame.columns == ["town", "area"]
    assert table.frame["area"].to_list() == ["1", "2"]
    assert not table.notes


def test_utf_8_is_checked_beyond_one_piece(tmp_path, monkeypatch):
    monkeypatch.setattr("training.table.text.PIECE", 7)
    assert raw(tmp_path, "town,area\n" + "Łódź,1\n" * 9).frame["town"][8] == "Łódź"
    with pytest.raises(DataError, match="first in line 10"):
        raw(tmp_path, ("town,area\n" + "Łódź,1\n" * 8).encode() + "Wroc\u0142aw,2\n".encode("cp1250"))


def test_bytes_that_are_no_text_are_told(tmp_path):
    with pytest.raises(DataError, match="to be a text file"):
        raw(tmp_path, b"a,b\n" + bytes(range(32)) * 4)


def test_case_16_an_arrow_stream_is_read_in_a_file_of_that_name(tmp_path):
    table = pa.table({"town": ["Cern", "Alma"], "area": [1.5, 2.0]})
    for name in ("t.arrow", "t.feather"):
        with pa.OSFile(str(tmp_path / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        assert read_table(str(tmp_path / name)).rows() == [("Cern", 1.5), ("Alma", 2.0)]


def test_a_format_is_known_by_its_bytes_in_a_file_of_another_name(tmp_path):
    frame = pl.DataFrame({"a": [1, 2]})
    frame.write_parquet(tmp_path / "p.csv")
    frame.write_ipc(tmp_path / "i.parquet")
    assert read_table(str(tmp_path / "p.csv")).equals(frame)
    assert read_table(str(tmp_path / "i.parquet")).equals(frame)


def test_case_16b_ndjson_of_mixed_types_is_read(tmp_path):
    lines = '{"area": "141.6", "rooms": "unknown"}\n{"area": 73.8, "rooms": 2}\n'
    assert raw(tmp_path, lines, "t.ndjson").frame.columns == ["area", "rooms"]
    assert raw(tmp_path, gzip.compress(lines.encode()), "t.ndjson.gz").frame.height == 2


def test_standard_input_is_read_by_what_it_is(monkeypatch):
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    parquet, arrow = io.BytesIO(), io.BytesIO()
    frame.write_parquet(parquet)
    frame.write_ipc_stream(arrow)
    csv = frame.write_csv(separator=";").encode()
    for data in (csv, gzip.compress(csv), parquet.getvalue(), arrow.getvalue(), frame.write_ndjson().encode()):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert read_table("-").equals(frame)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(DataError, match="Expected standard input to be readable as csv"):
        read_table("-")


def workbook(path: Path, dates: Sequence[str] = (), **sheets: list[list[object]]) -> Path:
    """A minimal Excel file: cells are texts or numbers, those in ``dates`` shown as dates."""
    with zipfile.ZipFile(path, "w") as file:
        kinds = "".join(
            f'<Override PartName="/xl/worksheets/s{i}.xml" ContentType="application/vnd.openxmlformats-officedocument.'
            'spreadsheetml.worksheet+xml"/>'
            for i in range(len(sheets))
        )
        file.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
            'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.'
            f'openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>{kinds}</Types>',
        )
        office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        relations = "http://schemas.openxmlformats.org/package/2006/relationships"
        file.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{relations}"><Relationship Id="r1" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        listed = "".join(f'<sheet name="{n}" sheetId="{i + 1}" r:id="r{i}"/>' for i, n in enumerate(sheets))
        file.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>'
        )
        parts = "".join(f'<{name}s count="1"><{name}/></{name}s>' for name in ("font", "fill", "border"))
        formats = '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs>'
        file.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{main}">{parts}<cellStyleXfs count="1"><xf/></cellStyleXfs>{formats}</styleSheet>',
        )
        targets = f'<Relationship Id="styles" Type="{office}/styles" Target="styles.xml"/>' + "".join(
            f'<Relationship Id="r{i}" Type="{office}/worksheet" Target="worksheets/s{i}.xml"/>'
            for i in range(len(sheets))
        )
        file.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{relations}">{targets}</Relationships>')
        for i, rows in enumerate(sheets.values()):
            cells = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
            for number in dates:
                cells = cells.replace(f"<c><v>{number}</v>", f'<c s="1"><v>{number}</v>')
            file.writestr(
                f"xl/worksheets/s{i}.xml", f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
            )
    return path


def _cell(value: object) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return "<c/>" if value is None else f"<c><v>{value}</v></c>"


HOUSES = [["town", "zip", "area"], ["Cern", "007", 141.6], ["Alma", "010", 73], ["Alma", "010", None]]


def test_an_excel_sheet_is_read_as_text_is(tmp_path):
    path = workbook(tmp_path / "t.xlsx", Houses=HOUSES, Empty=[])
    raw_table = read_raw(str(path))
    assert raw_table.notes == (f"{path} is read from its sheet 'Houses'; the others are empty.",)
    table = read_table(str(path))
    assert table["zip"].to_list() == ["007", "010", "010"]
    assert table["area"].to_list() == [141.6, 73.0, None]


def test_excels_dates_are_dates_and_a_title_is_no_header(tmp_path):
    rows = [["Sales of 2024"], [None], ["sold", "share"], [45413, 0.25], [None, None], [45414.75, 0.5]]
    path = workbook(tmp_path / "t.xlsx", dates=("45413", "45414.75"), Houses=rows)
    table = read_raw(str(path))
    assert table.notes == (f"Rows of one cell before the header of {path} are passed over: 2.",)
    assert [str(v) for v in read_table(str(path))["sold"]] == ["2024-05-01 00:00:00", "2024-05-02 18:00:00"]
    assert read_table(str(path))["share"].to_list() == [0.25, 0.5]


def test_several_sheets_are_asked_for(tmp_path):
    path = workbook(tmp_path / "t.xlsx", Notes=[["read me"], ["x"]], Houses=HOUSES)
    with pytest.raises(DataError, match=r"one sheet of .*Received: 'Notes', 'Houses'\. Choose one: --sheet 'Notes'"):
        read_raw(str(path))
    assert read_raw(str(path), Reading(sheet="Houses")).frame.columns == ["town", "zip", "area"]
    with pytest.raises(DataError, match=r"Unknown sheet 'houses'.* There are: 'Houses', 'Notes'"):
        read_raw(str(path), Reading(sheet="houses"))


def test_excel_without_its_extra_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"excel extra.*pip install '\.\[excel\]'"):
        read_raw(str(workbook(tmp_path / "t.xlsx", Houses=HOUSES)))


def test_case_11d_names_are_one_whether_composed_or_not(tmp_path):
    name = "Größe"
    decomposed = unicodedata.normalize("NFD", name)
    assert raw(tmp_path, f"town,{decomposed},price\nŁódź,1,2\nCern,2,3\n").frame.columns == ["town", name, "price"]
    with pytest.raises(DataError, match=r"Received: 'Größe' as columns 1 and 2"):
        raw(tmp_path, f"{name},{decomposed},price\n1,1,2\n2,2,3\n")
