"""The limits of the gates: what they compare with, and what their descriptions say."""

from __future__ import annotations

# A version's files may take this many times the room of the champion's. This many MB are always allowed, and more than
# this many never.
SIZE_TIMES, SIZE_SMALL, SIZE_LARGEST = 5.0, 50.0, 1000.0
# One row may take this many times the champion's time. This many milliseconds are always allowed, and this many where
# there is no champion.
SLOWER, FAST, ALONE = 3.0, 2.0, 20.0
# By what share the error may be above the champion's on the same rows: over all rows, and in a cell.
TOLERANCE, CELL_TOLERANCE = 0.02, 0.10
# Cells of fewer rows are not compared.
MIN_ROWS = 50
# Largest ratio of the errors that two trainings measured: on equally many rows of one table, and on different tables.
SAME_TABLE, OTHER_TABLE = 1.05, 1.25
# How much less intervals may cover than they promise, and how many times as wide as the champion's they may be.
COVERAGE_SLACK, WIDER = 0.02, 1.25
