"""How a CSV is written: what the sniffer says, and what the rows say against it."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest

from artifact.errors import DataError
from training.table.data import check_columns, read_raw, read_table
from training.table.dialect import Dialect
from training.table.lines import surveyed
from training.table.reading import Raw, Reading

ROWS = "".join(f"Cern{{0}}{60 + i}.5{{0}}{190_000 + 31 * i}\n" for i in range(40))


def raw(tmp_path: Path, text: str | bytes, name: str = "t.csv", **reading: str) -> Raw:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_raw(str(path), Reading(**reading))


def test_case_10_separators_in_a_quoted_header_are_none(tmp_path):
    text = '"town","how good (low; mid; high; top)","area","price"\n"Cern",6,141.6,380863\n"Alma",2,73.8,191133\n'
    table = raw(tmp_path, text)
    assert table.frame.columns == ["town", "how good (low; mid; high; top)", "area", "price"]
    assert table.frame.row(1) == ("Alma", "2", "73.8", "191133")


def test_case_10f_commas_in_a_header_and_decimal_commas_are_no_separators(tmp_path):
    table = raw(tmp_path, "Area, m2;Rooms, no;Price, EUR\n141,6;6;380863\n73,8;2;191133\n")
    assert table.frame.columns == ["Area, m2", "Rooms, no", "Price, EUR"]
    assert table.frame.row(0) == ("141,6", "6", "380863")


@pytest.mark.parametrize(("first", "separator"), [("sep=;\n", ";"), ('"sep=|"\r\n', "|"), ("SEP=\t\n", "\t")])
def test_case_10d_the_line_that_excel_writes_names_the_separator(tmp_path, first, separator):
    table = raw(tmp_path, first + f"town{separator}area, m2\nCern{separator}1\nAlma{separator}2\n")
    assert table.frame.columns == ["town", "area, m2"]
    assert table.frame.height == 2


@pytest.mark.parametrize(
    ("text", "columns", "row"),
    [
        # The sniffer alone takes each of these for a table of more columns without a header.
        ("a;b\n1,5;2,5\n2,5;3,5\n", ["a", "b"], ("1,5", "2,5")),
        ("a;b;c\n1,5;2,5;3,4\n2,5;3,5;3,4\n", ["a", "b", "c"], ("1,5", "2,5", "3,4")),
        (
            "addr|price\nMain St 5, 1010, Wien|5\nB St 3, 1020, Wien|6\n",
            ["addr", "price"],
            ("Main St 5, 1010, Wien", "5"),
        ),
        (
            "Preis, EUR;Menge;Rabatt\n1,5;2,5;3,4\n2,5;3,5;3,4\n",
            ["Preis, EUR", "Menge", "Rabatt"],
            ("1,5", "2,5", "3,4"),
        ),
        # It takes this for one column: the second line is short.
        ("a,b,c\n1,2\n" + "1,2,3\n" * 30, ["a", "b", "c"], ("1", "2", None)),
        ("area\n1,5\n2,7\n", ["area"], ("1,5",)),
        ("area,rooms\n141,6\n", ["area", "rooms"], ("141", "6")),
        ("'town','area'\n'a, b',3\n'c',4\n", ["town", "area"], ("a, b", "3")),
        ('town\tarea\n"x\ty"\t2\nz\t3\n', ["town", "area"], ("x\ty", "2")),
        ("note,price\na; b; c; d,3\n" + "d; e; f; g,4\n" * 20, ["note", "price"], ("a; b; c; d", "3")),
        ("#id,area,price\n1,2,3\n4,5,6\n", ["#id", "area", "price"], ("1", "2", "3")),
        ("2019,2020\n1,2\n3,4\n", ["2019", "2020"], ("1", "2")),
        ("a,b\r1,2\r3,4\r", ["a", "b"], ("1", "2")),
        ("a,b\r\n1,2\n3,4\r\n", ["a", "b"], ("1", "2")),
    ],
)
def test_the_rows_decide_where_the_sniffer_is_wrong(tmp_path, text, columns, row):
    table = raw(tmp_path, text)
    assert table.frame.columns == columns
    assert table.frame.row(0) == row


def test_the_sniffers_answer_is_right_for_each_separator_it_knows(tmp_path):
    for separator in ",;\t|":
        table = raw(tmp_path, f"town{separator}area{separator}price\n" + ROWS.format(separator))
        assert table.frame.columns == ["town", "area", "price"], separator
        assert table.frame.row(39) == ("Cern", "99.5", "191209")
        assert not table.notes


def test_two_separators_that_fit_are_asked_for_and_the_option_decides(tmp_path):
    text = "Preis, EUR;Menge\n1,5;2\n2,5;3\n"
    with pytest.raises(DataError, match=r"one separator\. Received: .*',' and ';' .*--separator ';'"):
        raw(tmp_path, text)
    assert raw(tmp_path, text, separator=";").frame.columns == ["Preis, EUR", "Menge"]
    assert raw(tmp_path, text, separator="semicolon").frame.row(0) == ("1,5", "2")
    assert raw(tmp_path, "area rooms\n1 2\n", separator="space").frame.columns == ["area", "rooms"]
    with pytest.raises(DataError, match=r"--separator as one character.*tab.*Received: 'ab'"):
        Reading(separator="ab")


def test_a_title_before_the_header_is_passed_over_with_a_note(tmp_path):
    table = raw(tmp_path, "Report of sales\nmade 2024\narea,rooms,price\n1,2,3\n4,5,6\n")
    assert table.frame.columns == ["area", "rooms", "price"]
    assert table.frame.height == 2
    assert table.notes[0].endswith("are passed over: 2.")
    assert raw(tmp_path, "# hi, there\n# x\narea,rooms,price\n1,2,3\n4,5,6\n").frame.height == 2


def test_a_header_of_values_is_refused_unless_its_names_are_expected(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("1.5,2,3\n4.5,5,6\n7.5,8,9\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"names of the columns in the first line.*Received: values: '1\.5', '2', '3'"):
        read_raw(str(path))
    assert read_raw(str(path), keep=["1.5"]).frame.columns == ["1.5", "2", "3"]


def test_case_12_short_lines_are_counted_with_the_first_of_them(tmp_path):
    lines = ["nice\nview,{},6,380863" if i % 9 == 0 else "nice view,{},2,191133" for i in range(240)]
    text = "note,area,rooms,price\n" + "\n".join(line.format(60 + i) for i, line in enumerate(lines)) + "\n"
    table = raw(tmp_path, text)
    assert table.frame.height == 267
    (note,) = table.notes
    assert note.startswith("27 of 267 lines have fewer fields than the 4 of the header")
    assert "first line 2: 'nice'" in note
    # In quotes the same text is one field.
    quoted = "note,area\n" + f'"nice\nview",{1}\n' * 20 + "short\n"
    (note,) = raw(tmp_path, quoted).notes
    assert note.startswith("1 of 21 lines has fewer")
    assert "first line 42: 'short'" in note


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1,2,3\n", r"3 fields in line 3, where the header has 2"),
        ('"a","b"\n"1",2,3\n"2",3,4\n', r"3 fields in line 2, where the header has 2.*the header lacks a name"),
        ('a,b\n"x,2\n3,4\n5,6\n', r"a quote that does not end, in the row that begins in line 2"),
        ('a,b\n1,"x\n3,4\n5,6\n', r"a quote that does not end, in the row that begins in line 2"),
    ],
)
def test_lines_that_do_not_fit_are_named(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        raw(tmp_path, text)


def test_empty_fields_beyond_the_header_are_cut_and_blank_lines_are_no_rows(tmp_path):
    table = raw(tmp_path, "a,b\n1,2,\n3,4,\n")
    assert table.frame.rows() == [("1", "2"), ("3", "4")]
    assert "2 in" in table.notes[0]
    table = raw(tmp_path, "a,b\n\n1,2\n\n3,\n\n")
    assert table.frame.rows() == [("1", "2"), ("3", None)]
    assert not table.notes


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('size,a\n5" pipe,3\n6" pipe,4\n', ('5" pipe', "3")),
        ('size,a\n5" pipe,3\n6,4\n', ('5" pipe', "3")),
        ('size,a\nsay "x" y,3\nz,\n', ('say "x" y', "3")),
        ('size,a\n"x" y,3\nz,\n', ("x y", "3")),
        ('town,a\n"a \\"b\\", c",3\n"d",4\n"e",4\n', ('a "b", c', "3")),
        ('town,a\n"a ""b"", c",3\nd,4\n', ('a "b", c', "3")),
    ],
)
def test_quotes_are_read_as_they_are_meant(tmp_path, text, row):
    assert raw(tmp_path, text).frame.row(0) == row


def test_case_18_an_empty_file_and_a_header_alone_are_told(tmp_path):
    with pytest.raises(DataError, match=r"readable as csv\. Received: an empty file"):
        raw(tmp_path, "")
    with pytest.raises(DataError, match="readable as csv"):
        raw(tmp_path, " \n\n")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_case_18b_a_header_alone_is_an_empty_table(tmp_path, separator):
    with pytest.raises(DataError, match="Expected rows in"):
        raw(tmp_path, separator.join(("town", "area", "price")) + "\n")


def test_a_header_longer_than_the_sample_is_read_whole(tmp_path):
    names = [f"column_of_a_long_name_{i}" for i in range(20_000)]
    table = raw(tmp_path, ";".join(names) + "\n" + (";".join(["1,5"] * 20_000) + "\n") * 3)
    assert table.frame.columns == names
    assert table.frame.row(2)[-1] == "1,5"


def test_a_document_in_a_field_is_read_and_the_limit_of_the_process_stays(tmp_path):
    before = csv.field_size_limit()
    table = raw(tmp_path, "town,note,price\nCern," + "a" * 300_000 + ",1\nAlma\n")
    assert len(table.frame["note"][0]) == 300_000
    assert csv.field_size_limit() == before


def test_values_are_typed_after_the_dialect(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("town;area\nCern;1.5\nAlma;2\n", encoding="utf-8")
    assert read_table(str(path))["area"].to_list() == [1.5, 2.0]


@pytest.mark.parametrize("piece", [1, 7, 1 << 23])
def test_lines_are_surveyed_as_pythons_reader_has_them(monkeypatch, piece):
    monkeypatch.setattr("training.table.lines.PIECE", piece)
    rng = random.Random(3)
    for _ in range(60):
        fields = ["", "x", '"a;b"', '"l\nm"', '"say ""x"""', "é", '""']
        rows = [[rng.choice(fields) for _ in range(rng.choice([1, 2, 3, 3, 3]))] for _ in range(rng.randint(1, 12))]
        end = rng.choice(["\n", "\r\n"])
        body = (end.join(";".join(row) for row in rows) + rng.choice(["", end])).encode()
        dialect = Dialect(";")
        expected = list(dialect.rows(io.StringIO(body.decode(), newline="")))
        survey = surveyed(body, dialect, 3, 1)
        assert survey.rows == len(expected), body
        assert survey.blank == [i for i, row in enumerate(expected) if not row], body
        assert survey.short == sum(0 < len(row) < 3 for row in expected), body


@pytest.mark.parametrize(
    ("before", "separator"),
    [
        ("Report of sales,,\n", ","),
        ("Report of sales 2024\nPrinted 2024-01-01\n\n", ","),
        ("Report;;\n;;\n", ";"),
        ("\nReport\t\t\nAll in EUR\t\t\n\t\t\n", "\t"),
        ("Report, by town\n\n", ";"),
    ],
)
def test_neighbours_of_a_title_as_spreadsheets_write_it_and_blank_lines_are_no_header(tmp_path, before, separator):
    rows = "".join(f"Ulm|{i}.5|{i * 7}\n" for i in range(40))
    text = ("town|area|price\n" + rows).replace("|", separator)
    table = raw(tmp_path, before + text)
    assert table.frame.columns == ["town", "area", "price"]
    assert table.frame.height == 40
    assert table.notes == (
        f"Lines before the header of {tmp_path / 't.csv'} are passed over: {before.count(chr(10))}.",
    )


def test_a_header_of_one_name_is_no_title(tmp_path):
    index = raw(tmp_path, ",price\n" + "".join(f"{i},{i}.5\n" for i in range(40)))
    assert (index.frame.columns, index.frame.height) == (["price"], 40)
    one_name = raw(tmp_path, "note,,\n" + "".join(f"{i},{i},{i}\n" for i in range(40)))
    assert (one_name.frame.columns, one_name.frame.height) == (["note"], 40)
    alone = raw(tmp_path, "price\n" + "".join(f"{i}.5\n" for i in range(40)))
    assert (alone.frame.columns, alone.frame.height) == (["price"], 40)
    assert "passed over" not in " ".join([*index.notes, *one_name.notes, *alone.notes])
    # What stands below a name may hold commas: that is no title above a header.
    words = raw(tmp_path, "note\n" + "good, bad\nfine, so far, I think\n" * 20)
    assert (words.frame.columns, words.frame.height) == (["note"], 40)
    commas = raw(tmp_path, "price\n" + "".join(f"{i},5\n" for i in range(40)))
    assert (commas.frame.columns, commas.frame.height) == (["price"], 40)


def test_spaces_that_align_columns_are_one_separator_each(tmp_path):
    text = "  area  rooms    price\r\n" + "".join(f" {i:5.1f} {i % 7:6d} {i * 1000:8d}  \r\n" for i in range(40))
    table = raw(tmp_path, text, separator="space")
    assert table.frame.columns == ["area", "rooms", "price"]
    assert table.frame.row(39) == ("39.0", "4", "39000")
    assert table.notes[0].startswith("Spaces side by side are one separator")
    # Without the option the way out is told.
    with pytest.raises(DataError, match=r"Unknown column 'price'.*--separator space"):
        check_columns(raw(tmp_path, text).frame, ["price"], "column")
    # In quotes they are text.
    assert raw(tmp_path, 'town price\n"New  York" 5\n', separator="space").frame.row(0) == ("New  York", "5")
