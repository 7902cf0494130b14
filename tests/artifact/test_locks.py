"""Locks between processes: who waits too long is told which process has the lock."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time

import pytest

from artifact.errors import RefusedError
from artifact.registry import locks
from artifact.registry.local import LocalRegistry
from artifact.registry.locks import locked
from artifact.registry.retention import delete
from artifact.registry.usage import prune
from tests.artifact.versions import add, champion, promoted


def _lock(path, shared, has_it):
    with locked(path, shared=shared):
        has_it.set()
        time.sleep(60)


@pytest.fixture
def stopped():
    """Starts a process that takes a lock and is stopped then; gives its id."""
    processes = []

    def start(path, *, shared=False):
        context = multiprocessing.get_context("spawn")
        has_it = context.Event()
        process = context.Process(target=_lock, args=(path, shared, has_it))
        process.start()
        processes.append(process)
        assert has_it.wait(30)
        os.kill(process.pid, signal.SIGSTOP)
        return process.pid

    yield start
    for process in processes:
        process.kill()
        process.join()


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(locks, "LOCK_SECONDS", 0.2)
    monkeypatch.setitem(locked.__wrapped__.__kwdefaults__, "seconds", 0.2)


def test_a_lock_is_had_again_as_soon_as_it_is_free(tmp_path):
    path = tmp_path / "folder" / ".lock"
    for _ in range(2):
        with locked(path, seconds=0):
            with pytest.raises(RefusedError, match="within 0 s"), locked(path, seconds=0):
                pass
            assert path.read_text() == f"{os.getpid()} on {socket.gethostname()}"
    with locked(path, shared=True, seconds=0), locked(path, shared=True, seconds=0):
        pass


def test_a_stopped_process_that_has_the_lock_is_named_and_nothing_is_changed(registry, stopped, short):
    first, second = promoted(registry, 2)
    third = add(registry)
    path = registry.home / "trueline" / "deployments" / "houses" / ".lock"
    pid = stopped(path)
    for change in (
        lambda: registry.promote(f"houses:{third}"),
        lambda: registry.rollback("houses"),
        lambda: delete(registry, f"houses:{third}"),
    ):
        began = time.monotonic()
        with pytest.raises(RefusedError) as refused:
            change()
        assert time.monotonic() - began < 5
        assert str(refused.value).startswith(
            f"Expected the lock {path} to be free within 0.2 s. Received: process {pid} on {socket.gethostname()} has "
            "it. Nothing was changed."
        )
    assert (champion(registry), registry.versions("houses")) == (second, [first, second, third])
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    registry.promote(f"houses:{third}")


def test_a_process_that_stores_a_version_is_named_to_who_prunes(registry, stopped, short):
    with registry.tables.writing() as path:
        path.write_bytes(b"rows")
        registry.tables.folder.mkdir(parents=True)
        path.rename(registry.tables.folder / f"{'0' * 64}.parquet")
    pid = stopped(registry.tables.folder / ".lock", shared=True)
    with pytest.raises(RefusedError, match=f"process {pid} on"):
        prune(registry)
    assert list(registry.tables.sizes()) == ["0" * 64]


def test_a_lock_without_a_name_says_another_process(tmp_path, monkeypatch):
    path = tmp_path / ".lock"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with locked(path), pytest.raises(RefusedError, match="Received: another process has it"), locked(path, seconds=0):
        pass


def test_the_wait_is_bounded_by_default():
    assert locks.LOCK_SECONDS <= 60
    assert locked.__wrapped__.__kwdefaults__["seconds"] == locks.LOCK_SECONDS


def test_promotions_that_wait_for_each_other_are_all_done(tmp_path):
    registry = LocalRegistry(tmp_path)
    versions = [add(registry) for _ in range(5)]
    with registry.lock("houses"):
        other = multiprocessing.get_context("spawn").Process(target=_promote_all, args=(tmp_path, versions))
        other.start()
        time.sleep(0.5)
        assert champion(registry) is None
    other.join(30)
    assert [entry.champion for entry in registry.history("houses")] == versions


def _promote_all(home, versions):
    registry = LocalRegistry(home)
    for version in versions:
        registry.promote(f"houses:{version}")
