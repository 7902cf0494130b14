"""A worker says in the store what it has live."""

from __future__ import annotations

import asyncio

import pytest

from artifact.errors import ArtifactError
from artifact.registry.leases import Lease
from service.live.deployment import Deployment
from service.live.leasing import Leasing

pytestmark = pytest.mark.anyio


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_lease_is_written_renewed_and_taken_back(registry) -> None:
    deployment = Deployment()
    followed = [None]
    leasing = Leasing(registry, lambda: followed[0], deployment, seconds=0.02)
    leasing.start()
    await asyncio.sleep(0.1)
    assert not (registry.home / "trueline" / "leases").exists()
    followed[0] = "houses"
    await until(lambda: registry.leases("houses"))
    (lease,) = registry.leases("houses")
    assert (lease.version, lease.number, lease.problem) == (None, 0, deployment.problem)
    (path,) = (registry.home / "trueline" / "leases" / "houses").glob("*.json")
    before = path.stat().st_mtime_ns
    await until(lambda: path.stat().st_mtime_ns != before)
    await leasing.stop()
    assert registry.leases("houses") == []


async def test_a_change_is_said_at_once(registry) -> None:
    deployment = Deployment()
    leasing = Leasing(registry, lambda: "houses", deployment, seconds=60)
    leasing.start()
    await until(lambda: registry.leases("houses"))
    deployment.number, deployment.refused, deployment.problem = 7, 8, "It is damaged."
    leasing.renew()
    await until(lambda: registry.leases("houses")[0].number == 7)
    (lease,) = registry.leases("houses")
    assert (lease.refused, lease.problem) == (8, "It is damaged.")
    await leasing.stop()


async def test_a_store_that_cannot_be_written_is_told_once(registry, log, monkeypatch) -> None:
    tries = []

    def refuse(_name: str, lease: Lease) -> None:
        tries.append(lease)
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(registry, "write_lease", refuse)
    leasing = Leasing(registry, lambda: "houses", Deployment(), seconds=0.005)
    leasing.start()
    await until(lambda: len(tries) > 3)
    await leasing.stop()
    assert log.text.count("Received: Read-only file system. `trueline promote --wait` does not wait for it.") == 1
    assert ArtifactError.__name__ not in log.text
