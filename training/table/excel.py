"""A sheet of an Excel file, each cell as the text that it shows."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import polars as pl

from artifact.errors import DataError, install_extra, unknown_name
from training.table.names import checked_names


def read_excel(data: bytes, path: Path, sheet: str | None, notes: list[str]) -> tuple[list[str], pl.DataFrame]:
    """Names of the columns, and the columns in that order, String.

    Args:
        data: the file's bytes.
        path: the file's name in messages.
        sheet: name of the sheet, or None for the only one that is not empty.
        notes: list that gets a sentence on each decision.

    Raises:
        DataError: the file is no Excel file or has no such sheet, several sheets hold rows and none is chosen, or
            ``fastexcel`` is not installed.
    """
    if importlib.util.find_spec("fastexcel") is None:
        raise DataError(f"Expected the excel extra for {path}. Install it: {install_extra('excel')}.")
    import fastexcel

    try:
        book = fastexcel.read_excel(data)
        names = book.sheet_names
        if sheet is not None and sheet not in names:
            raise DataError(unknown_name("sheet", sheet, names, of=str(path)))
        frames = {n: _cells(book, n) for n in ([sheet] if sheet is not None else names)}
    except fastexcel.FastExcelError as error:
        raise DataError(f"Expected {path} to be readable as xlsx. Received: {str(error).splitlines()[0]}.") from error
    filled = {name: frame for name, frame in frames.items() if frame.height and frame.width}
    if not filled:
        raise DataError(f"Expected rows in {path}. Received: an empty table.")
    if len(filled) > 1:
        listed = ", ".join(f"'{name}'" for name in filled)
        raise DataError(
            f"Expected one sheet of {path}. Received: {listed}. Choose one: --sheet '{next(iter(filled))}'."
        )
    name, frame = next(iter(filled.items()))
    if len(names) > 1 and sheet is None:
        notes.append(f"{path} is read from its sheet '{name}'; the others are empty.")
    title = _title_rows(frame)
    if title:
        notes.append(f"Rows of one cell before the header of {path} are passed over: {title}.")
    header = [value or "" for value in frame.row(title)]
    rows = frame[title + 1 :].filter(pl.any_horizontal(pl.all().is_not_null()))
    return checked_names(header, path), rows


def _title_rows(frame: pl.DataFrame) -> int:
    """Number of rows with at most one filled cell before the first row with several; 0 in a table of one column."""
    filled = frame.select(pl.sum_horizontal(pl.all().is_not_null())).to_series()
    several = (filled > 1).arg_true()
    return several[0] if len(several) else 0


def _cells(book: Any, sheet: str) -> pl.DataFrame:
    """All cells of a sheet as texts, also the cells of the header."""
    frame: pl.DataFrame = book.load_sheet(sheet, header_row=None, dtypes="string").to_polars()
    return frame
