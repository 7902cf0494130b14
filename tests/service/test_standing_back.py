"""A worker without a model accepts no connections while others answer, so that no call fails because of it."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from artifact import manifest as files
from service.process.fleet import Fleet
from service.process.standing_back import stand_back
from tests.builders import build_version
from tests.processes import call
from tests.service.test_faults import body_of, served
from tests.service.test_fleet import other, tell
from tests.service.test_live_server import Load, Server, sum_of, wait_for


async def waits(task: asyncio.Task[None]) -> bool:
    await asyncio.sleep(0.2)
    return not task.done()


@pytest.mark.anyio
async def test_it_lasts_while_another_worker_answers_or_still_loads(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "workers", 2)
    fleet.join()
    fleet.show("empty")
    # Nobody else is there.
    await asyncio.wait_for(stand_back(fleet, lambda: False), 5)
    process = other(tmp_path / "workers")
    try:
        task = asyncio.create_task(stand_back(fleet, lambda: False))
        assert await waits(task)  # the other one still loads
        tell(process, "ready")
        assert await waits(task)
        tell(process, "draining")
        await asyncio.wait_for(task, 5)
        process.kill()
        process.wait()
        await asyncio.wait_for(stand_back(fleet, lambda: False), 5)
    finally:
        process.kill()
        process.communicate()
        fleet.leave()


@pytest.mark.anyio
async def test_it_ends_with_a_model_and_not_for_a_worker_that_loads_for_long(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "workers", 2)
    fleet.join()
    fleet.show("empty")
    process = other(tmp_path / "workers")
    try:
        await asyncio.wait_for(stand_back(fleet, lambda: False, starting_seconds=0.1), 5)
        tell(process, "empty")  # neither has a model: both tell the callers so
        await asyncio.wait_for(stand_back(fleet, lambda: False), 5)
        tell(process, "ready")
        has_model = False
        task = asyncio.create_task(stand_back(fleet, lambda: has_model, starting_seconds=0.1))
        assert await waits(task)
        has_model = True
        await asyncio.wait_for(task, 5)
    finally:
        process.kill()
        process.communicate()
        fleet.leave()


def damage(server: Server, version: str) -> None:
    path = server.registry.models / "houses" / version / files.ONNX_MODEL
    path.write_bytes(path.read_bytes()[:1000])


def refusals(server: Server) -> int:
    return server.log.read_text().count("Not ready. Expected model.onnx with sha256")


def stands_back(server: Server) -> bool:
    return "This worker accepts no connections while it has no model" in server.log.read_text()


def test_a_worker_that_starts_with_a_damaged_champion_fails_no_call(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_WORKERS="2") as server:
        (live,) = server.registry.versions("houses")
        body = body_of(server)
        victim, survivor = server.workers()
        with Load(server, clients=2) as load:
            wait_for(lambda: load.outcomes[200, live] > 20)
            damage(server, live)
            victim.kill()
            victim.wait()
            time.sleep(0.5)
            lost = load.outcomes.total() - load.outcomes[200, live]  # on connections of the killed worker
            wait_for(lambda: refusals(server) == 1, 30)
            wait_for(lambda: stands_back(server))
            seen = load.outcomes[200, live]
            time.sleep(2)
            # Each call is answered, so that a load balancer must not take the service away. The metrics hold the fault.
            assert {call(server.port, "/readyz")[0] for _ in range(10)} == {200}
            assert sum_of(server, 'trueline_model_loads_total{result="failed"}') == 1
        assert load.outcomes[200, live] > seen + 100
        assert load.outcomes.total() - load.outcomes[200, live] == lost, load.outcomes
        # Once nobody has a model, the callers are told what to do.
        survivor.kill()
        survivor.wait()
        wait_for(lambda: refusals(server) == 2, 30)
        assert call(server.port, "/readyz")[0] == 503
        for _ in range(20):
            status, text = call(server.port, "/predict", body)
            message = json.loads(text)["error"]["message"]
            assert (status, "Expected model.onnx with sha256" in message) == (503, True), message
        # Another version goes live in both.
        second = build_version(server.registry, seed=1, promote=True).version
        wait_for(lambda: server.live_versions() == {second: 2}, 30)
        assert {server.post(body)[0] for _ in range(20)} == {200}
        assert "Traceback" not in server.log.read_text()


def test_a_worker_that_stands_back_answers_as_soon_as_it_has_a_model(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_WORKERS="2") as server:
        damage(server, *server.registry.versions("houses"))
        server.workers()[0].kill()
        wait_for(lambda: stands_back(server), 30)
        second = build_version(server.registry, seed=1, promote=True).version
        wait_for(lambda: server.live_versions() == {second: 2}, 30)
        used = {worker.pid: sum(worker.cpu_times()[:2]) for worker in server.workers()}
        with Load(server, clients=4) as load:
            # Both of them work on the answers.
            wait_for(lambda: all(sum(w.cpu_times()[:2]) > used[w.pid] + 0.05 for w in server.workers()), 30)
        assert set(load.outcomes) == {(200, second)}


def test_a_worker_that_stands_back_ends_with_its_service(tmp_path: Path) -> None:
    with served(tmp_path, TRUELINE_WORKERS="2", TRUELINE_DRAIN_SECONDS="1") as server:
        damage(server, *server.registry.versions("houses"))
        server.workers()[0].kill()
        wait_for(lambda: stands_back(server), 30)
        workers = server.workers()
        server.process.terminate()
        assert server.process.wait(10) == 0
        assert not any(worker.is_running() for worker in workers)
        assert "Traceback" not in server.log.read_text()
