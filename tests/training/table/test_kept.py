"""A table that is kept trains the same bits when it is read again: in memory and streamed, every type of column."""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from artifact.errors import DataError
from tests.processes import ROOT
from tests.training.conftest import mixed_table
from tests.trueline.test_parity import COLUMNS
from training.prepare.bounds import Bounds
from training.prepare.in_memory import Prepared
from training.prepare.request import Request
from training.settings.config import TrainConfig
from training.table.data import read_raw
from training.table.kept import write_batches, write_table
from training.table.parquet import ParquetSource
from training.train import prepared_table

SMALL = Bounds(batch_rows=64, chunk_rows=100)


def prepared(request: Request, aside: Path | None = None) -> tuple[Prepared, Any, list[bytes]]:
    """The table ready to fit, what the version says of it, and the bytes of all rows that train."""
    with prepared_table(request, SMALL, None, aside) as (_, made, table):
        arrays = [made.y, made.X.numeric, made.X.categorical]
        if made.stream is not None:
            spool = made.stream.spool
            chunks = [spool.read(number) for number in range(len(spool.sizes))]
            arrays += [made.stream.moments.mean, made.stream.moments.std]
            arrays += [values for chunk in chunks for values in (chunk.X.numeric, chunk.X.categorical, chunk.y)]
        return made, table, [values.tobytes() for values in arrays]


def test_every_type_comes_back_as_it_was(tmp_path):
    frame = pl.DataFrame(COLUMNS)
    assert write_table(tmp_path / "kept.parquet", frame) == frame.height
    again = read_raw(str(tmp_path / "kept.parquet")).frame
    assert again.schema == frame.schema
    assert again.equals(frame, null_equal=True)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    frame = pl.DataFrame(COLUMNS)
    write_table(tmp_path / "one.parquet", frame)
    write_table(tmp_path / "two.parquet", pl.concat([frame[:20], frame[20:]], rechunk=False))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_in_memory_is_prepared_to_the_same_bits(tmp_path, suffix):
    path = tmp_path / f"houses.{suffix}"
    frame = mixed_table()
    frame.write_csv(path, separator=";") if suffix == "csv" else frame.write_parquet(path)
    request = Request(str(path), ("price",), "m", TrainConfig.build(settings={"folds": 3}))
    kept = tmp_path / "kept.parquet"
    made, table, bits = prepared(request, kept)
    again, table_again, bits_again = prepared(replace(request, data=str(kept)))
    assert (again.schema, bits_again) == (made.schema, bits)
    assert table_again.facts == table.facts
    assert (table.aside.rows, table.types) == (frame.height, table_again.types)
    # An index that pandas wrote is in the file and not in the table.
    assert list(table.types) == frame.columns


def test_a_streamed_table_of_several_files_is_prepared_to_the_same_bits(tmp_path):
    # Batches end with row groups and with files: sums of floats depend on that.
    parts = mixed_table(600)
    for i, (start, rows, group) in enumerate([(0, 250, 100), (250, 90, 7), (340, 260, 33)]):
        parts[start : start + rows].write_parquet(tmp_path / f"part-{i}.parquet", row_group_size=group)
    config = TrainConfig.build(settings={"folds": 1})
    request = Request(str(tmp_path / "part-*.parquet"), ("price",), "m", config, stream=True)
    kept = tmp_path / "kept" / "rows.parquet"
    kept.parent.mkdir()
    made, table, bits = prepared(request, kept)
    again, table_again, bits_again = prepared(replace(request, data=str(kept)))
    assert table.streamed
    assert (again.schema, bits_again) == (made.schema, bits)
    assert table_again.facts == table.facts
    sizes = [frame.height for _, frame in ParquetSource([kept]).batches(64)]
    assert sizes == [frame.height for _, frame in ParquetSource(sorted(tmp_path.glob("part-*"))).batches(64)]
    # Without the mark the same file would be cut in another way, and the test would not see it.
    plain = tmp_path / "plain.parquet"
    pq.write_table(pq.read_table(kept).replace_schema_metadata(None), plain, row_group_size=100)
    assert [frame.height for _, frame in ParquetSource([plain]).batches(64)] != sizes


def test_a_column_that_parquet_cannot_hold_is_named_as_a_reason(tmp_path):
    frame = pl.DataFrame({"x": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(DataError, match=r"Parquet can hold, .* Received: 'x' of type Object"):
        write_batches(tmp_path / "kept.parquet", [frame])


_FULL = """
import resource, sys
from pathlib import Path
import numpy as np
import polars as pl
from artifact.registry.local import LocalRegistry
from training.table.kept import write_table
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
home = LocalRegistry(Path(sys.argv[1]))
try:
    with home.tables.writing() as path:
        write_table(path, pl.DataFrame({"x": np.random.default_rng(0).random(100_000)}))
except OSError as error:
    print(error.errno, list(home.staging.iterdir()), home.tables.sizes())
"""


def test_a_disk_that_is_full_is_an_error_of_the_system_and_nothing_is_left(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    # The command line says what EFBIG and ENOSPC mean.
    assert done.stdout.split() == [str(errno.EFBIG), "[]", "{}"]
