"""The metrics' files on a full disk: the process goes on, no count of it is lost, and one line is logged."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from service.metrics.reserved import ReservedDict


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReservedDict, "has_warned", False)


def full(*_arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def written(numbers: ReservedDict, n: int, start: int = 0) -> None:
    for i in range(start, start + n):
        numbers.write_value(f"key {i} " + "x" * 80, float(i), 0.0)


def read(numbers: MmapedDict) -> dict[str, float]:
    return {key.split()[1]: value for key, value, _ in numbers.read_all_values()}


def read_file(file: str) -> dict[str, float]:
    """The numbers, read as /metrics reads them."""
    return {key.split()[1]: value for key, value, _, _ in MmapedDict.read_all_values_from_file(file)}


def test_it_is_prometheus_clients_where_there_is_room(tmp_path: Path, log) -> None:
    file = str(tmp_path / "counter_1.db")
    numbers = ReservedDict(file)
    written(numbers, 3000)  # beyond the first 64 KiB, twice
    status = Path(file).stat()
    assert status.st_blocks * 512 >= status.st_size > 128 * 1024
    numbers.close()
    assert read_file(file) == {str(i): float(i) for i in range(3000)}
    again = ReservedDict(file)
    assert again.read_value("key 7 " + "x" * 80)[0] == 7.0
    again.close()
    assert log.text == ""


def test_a_disk_that_is_full_from_the_start(tmp_path: Path, log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", full)
    many = [ReservedDict(str(tmp_path / f"{kind}_1.db")) for kind in ("counter", "histogram")]
    for numbers in many:
        written(numbers, 3000)
        assert read(numbers) == {str(i): float(i) for i in range(3000)}
        assert numbers.read_value("new")[0] == 0.0
        numbers.close()
    assert list(tmp_path.iterdir()) == []  # an empty file would be taken for a damaged one
    assert log.text.count("No space left on device") == log.text.count("\n") == 1


def test_a_disk_that_fills_up_while_it_counts(tmp_path: Path, log, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(tmp_path / "counter_1.db")
    numbers = ReservedDict(file)
    written(numbers, 300)
    monkeypatch.setattr(os, "posix_fallocate", full)
    written(numbers, 5000, start=300)
    assert read(numbers) == {str(i): float(i) for i in range(5300)}
    before = read_file(file)  # the part that was written can still be read
    assert 300 <= len(before) < 1000
    numbers.close()
    assert log.text.count("\n") == 1
