"""One store with two versions a session; each test gets its own copy, and its own worker."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from service.app.app import App
from service.metrics.metrics import Metrics
from service.settings.settings import Settings
from service.worker import Worker
from tests.builders import build_version


async def no_inner_app(scope, receive, send):
    """Takes the place of BentoML's app."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inner"})


class Log(logging.Handler):
    """The service's log with tracebacks; BentoML's logging set-up hides it from ``caplog``."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"


@pytest.fixture
def log() -> Iterator[Log]:
    logger = logging.getLogger("bentoml.trueline")
    handler, level = Log(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def built_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    registry = LocalRegistry(home)
    build_version(registry, promote=True, seed=0)
    build_version(registry, seed=1)
    return home


@pytest.fixture
def registry(built_home: Path, tmp_path: Path) -> LocalRegistry:
    """``houses`` with two versions; the older one is the champion."""
    shutil.copytree(built_home, tmp_path / "home")
    return LocalRegistry(tmp_path / "home")


@pytest.fixture(scope="session")
def predictor(built_home: Path) -> Predictor:
    """The champion of ``registry``; its answers are the expected ones."""
    return Predictor.load(LocalRegistry(built_home).resolve("houses:champion").path)


@pytest.fixture
def worker(registry: LocalRegistry) -> Iterator[Worker]:
    settings = Settings(max_body_bytes=100_000, max_rows=500, watch_seconds=0.02, linger_seconds=0.2, body_seconds=0.5)
    yield Worker(settings, registry, Metrics(CollectorRegistry()))


@contextlib.asynccontextmanager
async def calling(worker: Worker, **app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client that calls the app of a started worker, in this process."""
    await worker.start()
    transport = httpx.ASGITransport(app=App(worker, no_inner_app, **app))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    await worker.stop()


def worker_of(folder: Path, settings: Settings, **version: Any) -> Worker:
    """A server that is not started yet; :func:`build_version` builds its champion from the arguments."""
    registry = LocalRegistry(folder)
    build_version(registry, promote=True, **version)
    return Worker(settings, registry, Metrics(CollectorRegistry()))


@pytest.fixture
async def client(worker: Worker) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(worker, inner_paths=["/schema.json"], inner_mounts=["/static_content"]) as client:
        yield client
