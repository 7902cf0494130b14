"""Rows that are kept beside the versions: one file for equal tables, whole or absent, gone when nobody needs it."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import subprocess
import sys
import time

import pytest

from artifact.errors import ArtifactError
from artifact.recipe import KeptTable
from artifact.registry.tables import RowsAside, Tables
from tests.processes import ROOT


@pytest.fixture
def tables(tmp_path):
    return Tables(tmp_path / "data", tmp_path / "staging")


def keep(tables: Tables, content: bytes = b"rows", rows: int = 3) -> KeptTable:
    with tables.writing() as path:
        path.write_bytes(content)
        return tables.add(RowsAside(path, rows))


def test_equal_tables_are_one_file_by_its_checksum(tables):
    one, two = keep(tables), keep(tables)
    other = keep(tables, b"other rows")
    assert one == two
    assert tables.sizes() == {one.sha256: 4, other.sha256: 10}
    assert tables.path(one, "training rows of houses:1").read_bytes() == b"rows"
    assert not list((tables.folder.parent / "staging").iterdir())


def test_a_table_that_is_gone_or_damaged_is_told(tables):
    table = keep(tables)
    path = tables.path(table, "rows")
    path.write_bytes(b"rowz")
    with pytest.raises(ArtifactError, match=r"training rows of houses:1 .* as they were kept\. Received: other bytes"):
        tables.path(table, "training rows of houses:1")
    # Keeping the same rows again mends the file.
    keep(tables)
    assert tables.path(table, "rows").read_bytes() == b"rows"
    path.unlink()
    with pytest.raises(ArtifactError, match=r"Received: no such file; `trueline data --prune`"):
        tables.path(table, "training rows of houses:1")


def test_nothing_is_left_of_a_table_that_is_not_finished(tables):
    with pytest.raises(OSError, match="full"), tables.writing() as path:
        path.write_bytes(b"half")
        raise OSError("full")
    with tables.writing() as path:
        path.write_bytes(b"half")
        tables.abandon()
        assert not path.exists()
    assert tables.sizes() == {}


def test_prune_takes_what_nobody_wants_and_what_killed_writers_left(tables):
    wanted, unwanted = keep(tables), keep(tables, b"other rows")
    left = tables.folder.parent / "staging" / "table-0123456789abcdef.parquet"
    left.write_bytes(b"half")
    with tables.writing() as path:
        assert tables.prune(lambda: {wanted.sha256}) == {unwanted.sha256: 10}
        assert path.exists()
    assert not left.exists()
    assert list(tables.sizes()) == [wanted.sha256]


def _prune(home, began, done):
    tables = Tables(home / "data", home / "staging")
    began.set()
    tables.prune(lambda: set())
    done.set()


def test_prune_waits_for_a_version_that_is_about_to_name_a_table(tables, tmp_path):
    table = keep(tables)
    context = multiprocessing.get_context("spawn")
    began, done = context.Event(), context.Event()
    other = context.Process(target=_prune, args=(tmp_path, began, done))
    with tables.naming():
        other.start()
        assert began.wait(30)
        assert not done.wait(0.5)
        assert list(tables.sizes()) == [table.sha256]
    assert done.wait(30)
    other.join(30)
    assert tables.sizes() == {}


_WRITER = """
import secrets, sys
from pathlib import Path
from artifact.registry.tables import RowsAside, Tables
tables = Tables(Path(sys.argv[1]) / "data", Path(sys.argv[1]) / "staging")
print("began", flush=True)
while True:
    with tables.writing() as path:
        path.write_bytes(secrets.token_bytes(200_000))
        tables.add(RowsAside(path, 1))
"""


def test_a_writer_that_is_killed_leaves_whole_tables_alone(tables, tmp_path):
    rng = random.Random(0)
    for _ in range(10):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        with writer:
            assert writer.stdout.readline() == "began\n"
            time.sleep(rng.uniform(0, 0.05))
            writer.kill()
    sizes = tables.sizes()
    assert sizes
    for sha256, size in sizes.items():
        assert size == 200_000
        tables.path(KeptTable(sha256=sha256, rows=1, size=size), "rows")
    # What was half written is in the other folder, and goes.
    assert tables.prune(lambda: set(sizes)) == {}
    assert not list((tmp_path / "staging").iterdir())


def test_no_folder_is_no_table(tables):
    assert tables.sizes() == {}
    assert tables.prune(lambda: set()) == {}
    keep(tables)
    shutil.rmtree(tables.folder)
    assert tables.sizes() == {}
