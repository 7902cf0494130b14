"""Leases: what workers say they have live, and the wait for all of them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from artifact.registry.leases import LEASE_SECONDS, Lease, Leases, service_name, worker_name
from artifact.registry.local import LocalRegistry
from artifact.registry.waiting import reached, wait_until_live
from tests.artifact.versions import promoted


def lease(worker: str, number: int = 1, **more: object) -> Lease:
    return Lease.model_validate({"worker": worker, "service": "s", "version": f"v{number}", "number": number, **more})


def test_leases_are_read_as_they_were_written_and_end(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "houses")
    assert leases.read() == []
    leases.write(lease("b"))
    leases.write(lease("a", problem="It is damaged."))
    leases.write(lease("b", 2))
    assert leases.read() == [lease("a", problem="It is damaged."), lease("b", 2)]
    leases.remove("a")
    leases.remove("never")
    assert leases.read() == [lease("b", 2)]
    path = leases.folder / "b.json"
    os.utime(path, (time.time() - LEASE_SECONDS - 1,) * 2)
    assert leases.read() == []
    assert path.exists()
    assert [each.name for each in leases.folder.iterdir()] == ["b.json"]


def test_leases_that_were_left_long_ago_go_when_a_worker_ends(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    for worker in ("old", "young", "mine"):
        leases.write(lease(worker))
    os.utime(tmp_path / "old.json", (time.time() - 7200,) * 2)
    leases.remove("mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["young.json"]


def test_what_is_no_lease_is_passed_over(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    leases.write(lease("a"))
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.json").symlink_to(tmp_path / "nowhere")
    assert leases.read() == [lease("a")]


def test_the_age_of_a_lease_is_told_by_the_disk_and_not_by_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = Leases(tmp_path)
    leases.write(lease("a"))
    now = time.time()
    for jump in (-86_400, 86_400):
        monkeypatch.setattr(time, "time", lambda jump=jump: now + jump)
        assert leases.read() == [lease("a")]


def test_names_tell_workers_apart_and_services_together() -> None:
    assert worker_name() != worker_name()
    assert service_name() == service_name()


def test_how_far_an_entry_has_come(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path)
    for each in (
        lease("behind", 1),
        lease("there", 2),
        lease("beyond", 3),
        lease("refuses", 1, refused=2, problem="It is damaged."),
        lease("refused-before", 1, refused=1),
    ):
        registry.write_lease("houses", each)
    registry.write_lease("cars", lease("other", 1))
    state = reached(registry, "houses", 2)
    assert [each.worker for each in state.live] == ["beyond", "there"]
    assert [each.worker for each in state.refused] == ["refuses"]
    assert [each.worker for each in state.late] == ["behind", "refused-before"]
    assert not state.is_everywhere


def test_a_wait_ends_when_all_have_it_or_the_time_is_up(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path)
    promoted(registry, 1)
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        if now > 1:
            registry.write_lease("houses", lease("a", 2))

    def wait(seconds: float) -> tuple[bool, float]:
        state = wait_until_live(registry, "houses", 2, seconds=seconds, clock=lambda: now, sleep=sleep)
        return state.is_everywhere, state.seconds

    assert wait(30) == (True, 0)  # no worker at all
    registry.write_lease("houses", lease("a", 1))
    is_everywhere, seconds = wait(0.5)
    assert not is_everywhere
    assert seconds >= 0.5
    is_everywhere, seconds = wait(30)
    assert is_everywhere
    assert 0.4 < seconds < 1
