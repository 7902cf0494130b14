"""The limits of the gates: what they compare with, and what their descriptions say."""

from __future__ import annotations

# A version's files may take so many times the champion's room; at least and at most so many MB.
SIZE_TIMES, SIZE_SMALL, SIZE_LARGEST = 5.0, 50.0, 1000.0
# One row may take so many times the champion's time; at least, and without a champion, so many milliseconds.
SLOWER, FAST, ALONE = 3.0, 2.0, 20.0
# By how much the error may be above the champion's on the same rows: over all of them, and in a cell.
TOLERANCE, CELL_TOLERANCE = 0.02, 0.10
# Cells of fewer rows are not compared.
MIN_ROWS = 50
# Errors of two trainings, without rows: of one table, measured on as many rows of it; and of different tables.
SAME_TABLE, OTHER_TABLE = 1.05, 1.25
# How much less than they promise intervals may cover, and how much wider than the champion's they may be.
COVERAGE_SLACK, WIDER = 0.02, 1.25
