"""Checks which CSVs are read as a person would read them, by DuckDB's sniffer, Python's, polars and Trueline.

Each text comes with the columns and the first row that a person would read. Run: python -m benchmarks.dialects
"""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl

from artifact.errors import DataError
from training.table.data import read_raw
from training.table.dialect import Sniffer

_ROWS = "Cern{0}141.6{0}380863\nCern{0}73.8{0}191133\nAlma{0}133.2{0}349109\n"
_HOUSES = (["town", "area", "price"], ["Cern", "141.6", "380863"])
# Name, text, columns and first row.
TEXTS: tuple[tuple[str, str, tuple[list[str], list[str]]], ...] = (
    ("commas", "town,area,price\n" + _ROWS.format(","), _HOUSES),
    ("semicolons", "town;area;price\n" + _ROWS.format(";"), _HOUSES),
    ("tabs", "town\tarea\tprice\n" + _ROWS.format("\t"), _HOUSES),
    ("bars", "town|area|price\n" + _ROWS.format("|"), _HOUSES),
    (
        "separators in a quoted header",
        '"town","area (low; mid; high; top)"\n"Cern",6\n"Alma",2\n',
        (["town", "area (low; mid; high; top)"], ["Cern", "6"]),
    ),
    (
        "commas in the header, decimal commas",
        "Area, m2;Rooms, no;Price, EUR\n141,6;6;380863\n73,8;2;191133\n",
        (["Area, m2", "Rooms, no", "Price, EUR"], ["141,6", "6", "380863"]),
    ),
    ("decimal commas, two columns", "a;b\n1,5;2,5\n2,5;3,5\n", (["a", "b"], ["1,5", "2,5"])),
    ("decimal commas, three columns", "a;b;c\n1,5;2,5;3,4\n2,5;3,5;3,4\n", (["a", "b", "c"], ["1,5", "2,5", "3,4"])),
    (
        "addresses between bars",
        "addr|price\nMain St 5, 1010, Wien|5\nB St 3, 1020, Wien|6\n",
        (["addr", "price"], ["Main St 5, 1010, Wien", "5"]),
    ),
    ("Excel's sep= line", "sep=;\ntown;area;price\n" + _ROWS.format(";"), _HOUSES),
    ("carriage returns", ("town,area,price\n" + _ROWS.format(",")).replace("\n", "\r"), _HOUSES),
    ("single quotes", "'town','area'\n'a, b',3\n'c',4\n", (["town", "area"], ["a, b", "3"])),
    ("escaped quotes", 'town,area\n"a \\"b\\", c",3\n"d",4\n"e",4\n', (["town", "area"], ['a "b", c', "3"])),
    ("inches", 'size,area\n5" pipe,3\n6" pipe,4\n', (["size", "area"], ['5" pipe', "3"])),
    ("doubled quotes in the header", '"say ""x""",b\n1,2\n3,4\n', (['say "x"', "b"], ["1", "2"])),
    ("a title before the header", "Sales\n2024\ntown,area,price\n" + _ROWS.format(","), _HOUSES),
    (
        "a line break without quotes",
        "note,area,rooms\nnice\nview,141.6,6\n" + "nice view,1,2\n" * 30,
        (["note", "area", "rooms"], ["nice", "", ""]),
    ),
    ("one row", "area,rooms\n141,6\n", (["area", "rooms"], ["141", "6"])),
    ("a blank line at the end", "a,b\n1,2\n\n", (["a", "b"], ["1", "2"])),
    ("a name twice", "town,price,price\nCern,1,2\n", ([], [])),
)


def by_trueline(path: Path) -> tuple[list[str], list[str]]:
    """Columns and first row; empty where the table is refused."""
    try:
        frame = read_raw(str(path)).frame
    except DataError:
        return [], []
    return frame.columns, [value or "" for value in frame.row(0)]


def by_duckdb(path: Path) -> tuple[list[str], list[str]]:
    """Python's reader with the sniffer's separator, quote, lines to skip and header."""
    text = path.read_bytes().decode()
    with Sniffer() as sniffer:
        dialect = sniffer.ask(text, None)
    lines = io.StringIO(text, newline="")
    for _ in range(dialect.skip):
        lines.readline()
    rows = list(csv.reader(lines, delimiter=dialect.separator, quotechar=dialect.quote, escapechar=dialect.escape))
    return (rows[0] if dialect.has_header else [], [*rows[int(dialect.has_header)], "", ""][: len(rows[0])])


def by_python(path: Path) -> tuple[list[str], list[str]]:
    """Python's csv.Sniffer and reader."""
    text = path.read_bytes().decode()
    rows = list(csv.reader(io.StringIO(text, newline=""), csv.Sniffer().sniff(text, ",;\t|")))
    return rows[0], [*rows[1], "", ""][: len(rows[0])]


def by_polars(path: Path) -> tuple[list[str], list[str]]:
    """polars.read_csv, which takes commas by default."""
    frame = pl.read_csv(path, infer_schema=False)
    return frame.columns, [value or "" for value in frame.row(0)]


READERS: dict[str, Callable[[Path], tuple[list[str], list[str]]]] = {
    "DuckDB's sniffer": by_duckdb,
    "csv.Sniffer": by_python,
    "polars": by_polars,
    "Trueline": by_trueline,
}


def is_right(
    reader: Callable[[Path], tuple[list[str], list[str]]], text: str, expected: tuple[list[str], list[str]]
) -> bool:
    """Whether a reader reads a text as a person would; a table that must be refused has no expected columns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text(text, encoding="utf-8", newline="")
        try:
            columns, row = reader(path)
        except (csv.Error, pl.exceptions.PolarsError, IndexError):
            return not expected[0]
    return (list(columns), list(row)) == (list(expected[0]), list(expected[1]))


def main() -> None:
    """Print one line for each text."""
    print("| text | " + " | ".join(READERS) + " |")
    print("| --- |" + " --- |" * len(READERS))
    right = dict.fromkeys(READERS, 0)
    for name, text, expected in TEXTS:
        results = {reader: is_right(read, text, expected) for reader, read in READERS.items()}
        for reader, good in results.items():
            right[reader] += good
        print(f"| {name} | " + " | ".join("right" if good else "wrong" for good in results.values()) + " |")
    print(f"| of {len(TEXTS)} | " + " | ".join(str(count) for count in right.values()) + " |")


if __name__ == "__main__":
    sys.exit(main())
