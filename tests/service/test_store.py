"""A store that refuses or hangs: what is live serves on, one sentence and a metric say it, and nothing is missed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from artifact.registry.leases import Lease
from artifact.registry.local import LocalRegistry
from service.live.leasing import Leasing
from service.live.live import Live
from service.live.source import Source
from service.live.store import Access, StoreWatch
from service.metrics.metrics import Metrics
from service.wire.errors import NotReadyError

pytestmark = pytest.mark.anyio


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


class Served:
    """A worker's deployment with its lease and its watch of the store."""

    def __init__(self, registry: LocalRegistry) -> None:
        self.metrics, self.now = Metrics(CollectorRegistry()), 0.0
        self.live = Live(
            Source(registry, "houses"),
            self.metrics,
            max_rows=100,
            watch_seconds=0.005,
            clock=lambda: self.now,
            on_change=lambda: self.leasing.renew(),
        )
        self.leasing = Leasing(registry, lambda: "houses", self.live.deployment, seconds=0.01)
        accesses = {"read": self.live.source.access, "write": self.leasing.access}
        self.watch = StoreWatch(accesses, self.metrics, hangs_seconds=0.1)

    def failing(self, deed: str) -> float | None:
        return self.metrics.registry.get_sample_value("trueline_store_failing", {"deed": deed})

    @property
    def version(self) -> str:
        return self.live.deployment.route().version


@pytest.fixture
async def served(registry: LocalRegistry) -> AsyncIterator[Served]:
    served = Served(registry)
    await served.live.start()
    served.leasing.start()
    served.watch.looks.start()
    yield served
    await served.watch.looks.stop()
    await served.leasing.stop()
    await served.live.stop()


@contextlib.contextmanager
def unreadable(folder: Path) -> Iterator[None]:
    """A folder that cannot be read, not by root either: a link to itself is in its place."""
    away = folder.with_name(f"{folder.name}-away")
    folder.rename(away)
    folder.symlink_to(folder.name)
    yield
    folder.unlink()
    away.rename(folder)


def log_folder(registry: LocalRegistry) -> Path:
    return registry.home / "trueline" / "deployments" / "houses"


async def test_a_store_that_cannot_be_read_is_told_and_then_followed(registry, served, log) -> None:
    first, second = registry.versions("houses")
    assert served.failing("read") == served.failing("write") == 0
    with unreadable(log_folder(registry)):
        await until(lambda: served.failing("read") == 1)
        await asyncio.sleep(0.05)
        assert served.version == first
        assert served.failing("write") == 0
        sentence = (
            f"houses:{first} keeps serving. Expected a model store that can be read. Received: too many levels of "
            f"symbolic links, at {log_folder(registry)}"
        )
        assert log.text.count(sentence) == log.text.count("keeps serving") == 1
        assert registry.leases("houses")[0].problem.startswith("Expected a model store that can be read.")
    # No clock moves here: the worker does not wait for its next try.
    await until(lambda: served.failing("read") == 0)
    registry.promote(f"houses:{second}")
    await until(lambda: served.version == second)
    assert served.live.deployment.problem == ""


async def test_a_part_of_the_store_that_cannot_be_read_is_tried_again_less_and_less_often(
    registry, served, log, monkeypatch
) -> None:
    first, second = registry.versions("houses")
    asked = []
    fetch = LocalRegistry.has

    def has(store: LocalRegistry, name: str, version: str) -> bool:
        if store is registry and version == second:
            asked.append(version)
            raise OSError(5, "Input/output error", "/a/disk")
        return fetch(store, name, version)

    monkeypatch.setattr(LocalRegistry, "has", has)
    LocalRegistry(registry.home).promote(f"houses:{second}")
    await until(lambda: served.failing("read") == 1)
    tries = len(asked)
    await asyncio.sleep(0.1)  # some looks: the log can be read, so that nothing has changed
    assert len(asked) == tries
    assert served.failing("read") == 1
    assert served.version == first
    assert log.text.count("Received: input/output error, at /a/disk. Mend it") == 1
    monkeypatch.undo()
    served.now += 60
    await until(lambda: served.version == second)
    await until(lambda: served.failing("read") == 0)


async def test_a_worker_that_starts_without_a_store_waits_for_it(registry, log) -> None:
    served = Served(registry)
    with unreadable(log_folder(registry)):
        await served.live.start()
        with pytest.raises(NotReadyError, match=r"Expected a model store that can be read\. Received: too many levels"):
            served.live.deployment.route()
        assert log.text.count("Not ready. Expected a model store that can be read.") == 1
    await until(lambda: served.live.deployment.champion is not None)
    await served.live.stop()


async def test_a_store_that_hangs_is_told_and_then_followed(registry, served, log) -> None:
    """A FIFO in the place of the next entry: whoever reads it waits until somebody writes."""
    first, second = registry.versions("houses")
    entry = registry.deployment("houses")
    text = entry.model_copy(update={"number": 2, "champion": second}).model_dump_json()
    path, aside = log_folder(registry) / "00000002.json", registry.home / "aside"
    os.mkfifo(path)
    await until(lambda: served.failing("read") == 1)
    await asyncio.sleep(0.05)
    assert (served.version, served.failing("write")) == (first, 0)
    sentence = "Expected the model store to answer within 0.1 s. Received: no answer. What is live keeps serving"
    assert log.text.count(sentence) == 1
    # The store comes back, with the entry for which the worker waited.
    writer = os.open(path, os.O_RDWR)
    aside.write_text(text)
    aside.rename(path)
    os.write(writer, text.encode())
    os.close(writer)
    await until(lambda: served.version == second)
    await until(lambda: served.failing("read") == 0)
    assert served.live.deployment.number == 2
    assert log.text.count("The model store answers again.") == 1
    assert "Traceback" not in log.text


async def test_a_lease_that_hangs_or_cannot_be_written_is_told_and_does_not_stop_promotions(
    registry, served, log
) -> None:
    first, second = registry.versions("houses")
    await until(lambda: registry.leases("houses"))
    [lease] = registry.leases("houses")
    folder = registry.home / "trueline" / "leases" / "houses"
    aside, fifo = folder / f"{lease.worker}.new", registry.home / "fifo"
    os.mkfifo(fifo)
    os.link(fifo, aside.with_suffix(".link"))
    aside.with_suffix(".link").rename(aside)  # whoever writes the file aside waits for a reader
    await until(lambda: served.failing("write") == 1)
    assert log.text.count("Expected the model store to answer within 0.1 s") == 1
    registry.promote(f"houses:{second}")
    await until(lambda: served.version == second)
    assert served.failing("read") == 0
    aside.unlink()
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    await until(lambda: registry.leases("houses") and registry.leases("houses")[0].number == 2)
    os.close(reader)
    await until(lambda: served.failing("write") == 0)
    await until(lambda: made(aside))  # a folder in the same place: writing fails
    await until(lambda: served.failing("write") == 1)
    registry.rollback("houses")
    await until(lambda: served.version == first)
    aside.rmdir()
    await until(lambda: served.failing("write") == 0)
    assert log.text.count("`trueline promote --wait` does not wait for it.") == 2
    assert served.failing("read") == 0


def made(folder: Path) -> bool:
    """Make a folder; whether no file was in its place."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    return folder.is_dir()


async def test_a_lease_takes_any_problem(registry) -> None:
    """A path may have bytes that are no text, and an error may be long."""
    problem = "no such file: '/\udcff'" + "x" * 100_000
    registry.write_lease("houses", Lease(worker="a", service="s", version=None, number=0, problem=problem))
    assert registry.leases("houses")[0].problem.startswith("no such file: '/?'")


def test_the_seconds_of_a_wait_are_those_of_the_call_that_waits() -> None:
    now = [5.0]
    access = Access(lambda: now[0])
    assert access.waiting_seconds == 0
    with access.call():
        now[0] += 3
        assert access.waiting_seconds == 3
    assert access.waiting_seconds == 0
    with contextlib.suppress(OSError), access.call():
        raise OSError
    assert access.waiting_seconds == 0
