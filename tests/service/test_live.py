import asyncio
import json
import os
import shutil
import threading

import pytest
from prometheus_client import CollectorRegistry

from artifact.golden import read_golden
from artifact.registry import log as module
from artifact.registry.local import LocalRegistry
from service.live.background import Pace
from service.live.live import Live
from service.live.model import LiveModel
from service.live.source import Source
from service.metrics.metrics import Metrics
from service.wire.errors import NotReadyError
from tests.builders import build_version

pytestmark = pytest.mark.anyio


def live_of(registry, metrics=None, **more):
    metrics = metrics or Metrics(CollectorRegistry())
    return Live(Source(registry), metrics, max_rows=100, watch_seconds=0.005, **more)


async def until(condition):
    async with asyncio.timeout(2):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_promotion_and_a_rollback_are_seen_and_the_former_is_kept(registry, log):
    first, second = registry.versions("houses")
    live = live_of(registry)
    await live.start()
    former = live.deployment.champion
    assert former.version == first
    registry.promote(f"houses:{second}")
    await until(lambda: live.deployment.champion.version == second)
    registry.rollback("houses")
    await until(lambda: live.deployment.champion.version == first)
    assert live.deployment.champion is former  # from memory, not loaded again
    await live.stop()
    assert log.text.count("is live") == 3


async def test_the_old_version_serves_while_the_new_one_loads(registry, monkeypatch):
    first, second = registry.versions("houses")
    live = live_of(registry)
    await live.start()
    versions = []
    prove = LiveModel.prove

    def watched(model, reference, rest=None):
        versions.append(live.deployment.route().version)
        prove(model, reference, rest)

    monkeypatch.setattr(LiveModel, "prove", watched)
    registry.promote(f"houses:{second}")
    await until(lambda: live.deployment.champion.version == second)
    assert versions == [first]
    await live.stop()


async def test_a_damaged_version_is_refused_once_and_the_old_one_serves_on(registry, log):
    (first, second), metrics = registry.versions("houses"), Metrics(CollectorRegistry())
    live = live_of(registry, metrics)
    await live.start()
    model = registry.models / "houses" / second / "model.onnx"
    model.write_bytes(model.read_bytes()[:-10] + b"0123456789")
    registry.promote(f"houses:{second}")
    await until(lambda: "keeps serving" in log.text)
    for _ in range(3):
        await live.refresh()
    assert live.deployment.route().version == first
    assert log.text.count(f"houses:{first} keeps serving") == 1
    assert "sha256" in log.text
    assert metrics.registry.get_sample_value("trueline_model_loads_total", {"result": "failed"}) == 1
    registry.rollback("houses")
    await asyncio.sleep(0.05)
    assert live.deployment.route().version == first
    await live.stop()


async def test_a_library_that_fails_is_no_reason_to_stop(registry, log, monkeypatch):
    (first, second), now = registry.versions("houses"), [0.0]
    live = live_of(registry, clock=lambda: now[0])
    await live.start()

    def fails(reference, **options):
        raise MemoryError("full")

    monkeypatch.setattr(LiveModel, "open", fails)
    registry.promote(f"houses:{second}")
    await until(lambda: "full" in log.text)
    assert live.deployment.route().version == first
    monkeypatch.undo()
    now[0] += 2.0
    await until(lambda: live.deployment.champion.version == second)
    await live.stop()


async def test_a_load_that_goes_on_failing_is_tried_again_after_2_4_8_and_at_most_60_seconds(registry, monkeypatch):
    _, second = registry.versions("houses")
    now, loads, looks = [0.0], [], []

    class Watched(Source):
        def revision(self):
            looks.append(now[0])
            return super().revision()

    def fails(reference, **options):
        loads.append(now[0])
        raise MemoryError("full")

    async def some_looks():
        # A look that does not load comes after the refusal of the load before.
        before = len(looks)
        await until(lambda: len(looks) > before + 1)

    live = Live(
        Watched(registry), Metrics(CollectorRegistry()), max_rows=100, watch_seconds=0.005, clock=lambda: now[0]
    )
    await live.start()
    monkeypatch.setattr(LiveModel, "open", fails)
    registry.promote(f"houses:{second}")
    await until(lambda: loads)
    for seconds in (2, 4, 8, 16, 32, 60, 60):
        await some_looks()
        tries = len(loads)
        now[0] += seconds - 0.5
        await some_looks()
        assert len(loads) == tries
        now[0] += 0.5
        await until(lambda tries=tries: len(loads) == tries + 1)
    await live.stop()


async def test_no_champion_says_what_to_do_and_the_first_one_goes_live(tmp_path, log):
    registry = LocalRegistry(tmp_path)
    live = live_of(registry)
    with pytest.raises(NotReadyError, match="the service is starting"):
        live.deployment.route()
    await live.start()
    with pytest.raises(NotReadyError, match="trueline train DATA") as excinfo:
        live.deployment.route()
    assert excinfo.value.status == 503
    version = build_version(registry, promote=True).version
    await until(lambda: live.deployment.champion is not None)
    assert live.deployment.route().version == version
    await live.stop()
    assert log.text.count("Not ready.") == 1


async def test_a_store_that_cannot_be_read_does_not_end_the_watch(registry, log, monkeypatch):
    _, second = registry.versions("houses")
    live = live_of(registry)
    await live.start()

    def fails():
        raise OSError("stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(live.source, "revision", fails)
        await until(lambda: "stale file handle" in log.text)
    registry.promote(f"houses:{second}")
    await until(lambda: live.deployment.champion.version == second)
    await live.stop()


async def test_a_version_that_vanished_leaves_the_live_one(registry, log):
    first, second = registry.versions("houses")
    live = live_of(registry)
    await live.start()
    registry.promote(f"houses:{second}")
    await until(lambda: live.deployment.champion.version == second)
    await live.stop()  # otherwise it would see the rollback before the version is deleted
    registry.rollback("houses")
    shutil.rmtree(registry.models / "houses" / first)
    await live.refresh()
    assert live.deployment.route().version == second
    assert f"houses:{second} keeps serving. Expected the champion of 'houses', houses:{first}, in the store" in log.text


async def test_case_v25_a_live_version_that_is_deleted_goes_on_and_is_told(registry, log):
    (first, _), metrics = registry.versions("houses"), Metrics(CollectorRegistry())
    live = live_of(registry, metrics)
    await live.start()
    folder = registry.models / "houses" / first
    folder.rename(registry.home / "away")
    await until(lambda: metrics.registry.get_sample_value("trueline_version_missing") == 1)
    assert live.deployment.route().version == first
    await asyncio.sleep(0.05)
    assert log.text.count(f"houses:{first} keeps serving. Expected the champion of 'houses', houses:{first}") == 1
    (registry.home / "away").rename(folder)
    await until(lambda: metrics.registry.get_sample_value("trueline_version_missing") == 0)
    await live.stop()
    # A worker that starts without it is not ready, and says the same.
    folder.rename(registry.home / "away")
    started = live_of(registry, metrics)
    await started.start()
    with pytest.raises(NotReadyError, match=f"Expected the champion of 'houses', houses:{first}, in the store"):
        started.deployment.route()
    assert metrics.registry.get_sample_value("trueline_version_missing") == 1
    await started.stop()


async def test_a_store_that_goes_away_whole_is_told_as_a_missing_version(registry, log):
    """When a volume is unmounted, the log is gone too; its last entry counts until the folder is listed again."""
    metrics = Metrics(CollectorRegistry())
    live = live_of(registry, metrics)
    await live.start()
    version, away = live.deployment.champion.version, registry.home / "away"
    away.mkdir()
    folders = [registry.models, registry.home / "trueline"]
    for folder in folders:
        folder.rename(away / folder.name)
    await until(lambda: metrics.registry.get_sample_value("trueline_version_missing") == 1)
    assert live.deployment.route().version == version
    problem = f"keeps serving. Expected the champion of 'houses', houses:{version}, in the store."
    await until(lambda: problem in log.text)
    for folder in folders:
        (away / folder.name).rename(folder)
    await until(lambda: metrics.registry.get_sample_value("trueline_version_missing") == 0)
    await live.stop()


@pytest.mark.parametrize("damage", ["gap", "half", "newer"])
async def test_entries_of_the_log_that_do_not_count_are_told_and_change_nothing(registry, log, damage, monkeypatch):
    (first, second), metrics = registry.versions("houses"), Metrics(CollectorRegistry())
    monkeypatch.setattr(module, "LIST_SECONDS", 0.02)
    live = live_of(registry, metrics)
    await live.start()
    folder = registry.home / "trueline" / "deployments" / "houses"
    entry = json.loads((folder / "00000001.json").read_text()) | {"champion": second, "number": 2, "nonce": "b"}
    texts = {"half": json.dumps(entry)[:50], "newer": json.dumps(entry | {"format": 99})}
    path = folder / ("00000003.json" if damage == "gap" else "00000002.json")
    path.write_text(texts.get(damage, json.dumps(entry | {"number": 3})))
    await until(lambda: metrics.registry.get_sample_value("trueline_deployment_log_stopped") == 1)
    await asyncio.sleep(0.1)
    assert live.deployment.route().version == first
    assert log.text.count("the deployment log") == 1
    assert "keeps serving" not in log.text
    path.unlink()
    registry.promote(f"houses:{second}")
    await until(lambda: live.deployment.champion.version == second)
    assert metrics.registry.get_sample_value("trueline_deployment_log_stopped") == 0
    await live.stop()


async def test_a_store_that_hangs_holds_nothing_up(registry, log, monkeypatch):
    """A FIFO in the place of the next entry: whoever reads it waits until somebody writes."""
    first, second = registry.versions("houses")
    monkeypatch.setattr(module, "LIST_SECONDS", 0.02)
    live = live_of(registry)
    await live.start()
    path = registry.home / "trueline" / "deployments" / "houses" / "00000002.json"
    os.mkfifo(path)
    for _ in range(20):
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(0.005)
        assert live.deployment.route().version == first
        assert asyncio.get_running_loop().time() - began < 1
    # The store comes back: who waits reads an empty entry, and then it is gone.
    writer = os.open(path, os.O_RDWR)
    path.unlink()
    os.close(writer)
    registry.promote(f"houses:{second}")
    await until(lambda: live.deployment.champion.version == second)
    await live.stop()


async def test_the_entry_in_force_and_the_refused_one_are_known(registry):
    first, second = registry.versions("houses")
    changes = []
    live = live_of(registry, on_change=lambda: changes.append(live.deployment.number))
    await live.start()
    assert (live.deployment.number, live.deployment.refused) == (1, 0)
    path = registry.models / "houses" / second / "model.onnx"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    registry.promote(f"houses:{second}")
    await until(lambda: live.deployment.refused == 2)
    assert (live.deployment.number, live.deployment.champion.version) == (1, first)
    # Another entry is refused for the same reason: who waits for it must be told as well.
    registry.promote(f"houses:{first}", alias="challenger")
    await until(lambda: live.deployment.refused == 3)
    registry.rollback("houses")
    await until(lambda: live.deployment.number == 4)
    assert (live.deployment.champion.version, live.deployment.problem) == (first, "")
    assert changes == [1, 1, 1, 4]
    await live.stop()


async def test_a_copy_of_another_version_does_not_serve_under_its_name(registry):
    first, second = registry.versions("houses")
    live = live_of(registry)
    await live.start()
    shutil.rmtree(registry.models / "houses" / second)
    shutil.copytree(registry.models / "houses" / first, registry.models / "houses" / second)
    registry.promote(f"houses:{second}")
    await until(lambda: live.deployment.refused == 2)
    assert live.deployment.champion.version == first
    assert f"Expected the manifest of houses:{second}. Received: that of houses:{first}." in live.deployment.problem
    await live.stop()


async def test_another_version_is_loaded_after_a_pause_and_only_if_it_should_still_be_live(registry, monkeypatch):
    first, second = registry.versions("houses")
    longest, loads = [], []
    opened = LiveModel.open

    def pause(_least, most):
        longest.append(most)
        return 0.05

    def load(reference, **how):
        loads.append(reference.version)
        return opened(reference, **how)

    monkeypatch.setattr(LiveModel, "open", load)
    monkeypatch.setattr("random.uniform", pause)
    live = live_of(registry, spread_seconds=1.5)
    await live.refresh()
    # Nothing answers before the first version is live: there is no pause.
    assert (longest, loads) == ([], [first])
    registry.promote(f"houses:{second}")
    refreshing = asyncio.create_task(live.refresh())
    await until(lambda: longest)
    registry.rollback("houses")
    await refreshing
    assert longest == [1.5]
    assert (live.deployment.champion.version, live.deployment.number) == (first, 3)
    # The version that should be live for a moment only was never loaded.
    assert loads == [first]


async def test_only_a_version_that_is_loaded_beside_requests_is_loaded_in_pieces(registry, monkeypatch):
    second, threads, rests, opened = registry.versions("houses")[1], {}, [], LiveModel.open
    check, prove, rest = LiveModel.check, LiveModel.prove, Pace.rest

    def noted(name, call):
        def noting(*arguments, **how):
            threads[name] = threading.current_thread().name
            before = len(rests)
            answer = call(*arguments, **how)
            threads[name] = threads[name].rpartition("_")[0], len(rests) - before
            return answer

        return noting

    monkeypatch.setattr(LiveModel, "check", staticmethod(noted("check", check)))
    monkeypatch.setattr(LiveModel, "open", staticmethod(noted("open", opened)))
    monkeypatch.setattr(LiveModel, "prove", noted("prove", prove))
    monkeypatch.setattr(Pace, "rest", lambda pace: (rests.append(pace), rest(pace)))
    live = live_of(registry, threads=1, policy="warn", runtime="auto", device="auto", tap=None)  # as a worker does
    await live.refresh()
    assert rests == []
    n_files = len(registry.manifest("houses", second).files)
    registry.promote(f"houses:{second}")
    await live.refresh()
    assert live.deployment.route().version == second
    golden = read_golden(registry.resolve("houses").path)
    assert {name: count for name, (_, count) in threads.items()} == {
        # A small file is one piece.
        "check": 1 + n_files,
        "open": 0,
        # Encoding, runs of 64 rows, and three times one row and 32 rows.
        "prove": 1 + len(golden.rows) // 64 + 6,
    }
    # Only the one call that has no pieces has a lower priority.
    assert [name for name, (thread, _) in threads.items() if thread.startswith("background")] == ["open"]
    # All of them share one allowance of rests.
    assert len(set(map(id, rests))) == 1


async def test_warm_up_measures_the_speed(registry):
    model = LiveModel.load(registry.resolve("houses"), max_rows=100)
    assert 0 < model.seconds(1) < 0.1
    assert model.seconds(100_000) > 10 * model.seconds(1)
