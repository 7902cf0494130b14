"""The deployment log: one writer gets a number, a reader never reads half an entry, a gap stops it."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from artifact.errors import ArtifactError
from artifact.registry.entry import Change, Entry, former_champions
from artifact.registry.log import LIST_SECONDS, DeploymentLog, TakenError


def change(champion: str, action: str = "promote", **more: object) -> Change:
    return Change.model_validate(
        {"action": action, "champion": champion, "who": "ann@host", "when": "2026-01-31T12:00:00+00:00", **more}
    )


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def log_of(tmp_path: Path, clock: Clock | None = None) -> DeploymentLog:
    return DeploymentLog(tmp_path / "houses", "houses", clock or Clock())


def champion_of(log: DeploymentLog) -> str | None:
    last = log.last()
    return None if last is None else last.champion


def test_what_was_written_last_holds(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    assert log.last() is None
    first = log.append(change("v1", why="the first"), after=0)
    second = log.append(change("v2"), after=1)
    assert (first.number, second.number) == (1, 2)
    assert champion_of(log) == champion_of(log_of(tmp_path)) == "v2"
    assert [entry.why for entry in log_of(tmp_path).entries()] == ["the first", ""]
    assert sorted(path.name for path in log.folder.iterdir()) == ["00000001.json", "00000002.json"]


def test_a_reader_sees_what_another_writes(tmp_path: Path) -> None:
    writer, reader = log_of(tmp_path), log_of(tmp_path)
    assert reader.last() is None
    for number in range(3):
        writer.append(change(f"v{number}"), after=number)
        assert champion_of(reader) == f"v{number}"
    for number in range(3, 6):
        writer.append(change(f"v{number}"), after=number)
    assert champion_of(reader) == "v5"


def test_a_look_for_the_next_entry_lists_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    log = log_of(tmp_path, clock)
    log.append(change("v1"), after=0)
    log.last()
    lists = []
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: lists.append(path) or iterdir(path))
    for _ in range(100):
        assert champion_of(log) == "v1"
    assert not lists
    clock.now += LIST_SECONDS
    log.last()
    assert len(lists) == 1


def test_a_writer_that_has_not_seen_the_last_entry_is_told_whose_it_is(tmp_path: Path) -> None:
    log_of(tmp_path).append(change("v1"), after=0)
    with pytest.raises(TakenError, match="Received: promote of houses:v1 by ann@host") as taken:
        log_of(tmp_path).append(change("v2"), after=0)
    assert taken.value.entry.champion == "v1"
    assert champion_of(log_of(tmp_path)) == "v1"


def test_a_gap_stops_a_reader_before_it(tmp_path: Path) -> None:
    clock = Clock()
    log = log_of(tmp_path, clock)
    for number in range(4):
        log.append(change(f"v{number + 1}"), after=number)
    aside = log.path(3).rename(tmp_path / "aside")
    fresh = log_of(tmp_path)
    assert champion_of(fresh) == "v2"
    assert "no entry 3" in fresh.problem
    with pytest.raises(ArtifactError, match="without gaps"):
        fresh.append(change("v9"), after=2)
    # A reader who has taken them all stays where it is, and says so at its next list.
    assert champion_of(log) == "v4"
    clock.now += LIST_SECONDS
    assert champion_of(log) == "v4"
    assert "no entry 3" in log.problem
    aside.rename(log.path(3))
    assert [entry.champion for entry in log.entries()] == ["v1", "v2", "v3", "v4"]
    assert not log.problem


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "This entry and all later ones do not count"),
        ('{"format": 1}', "field required"),
        ('{"format": 2, "champions": {}}', "Update Trueline"),
        ("newer", "Update Trueline"),
        ("other number", "Received: entry 7"),
    ],
)
def test_an_entry_that_cannot_be_read_changes_nothing(tmp_path: Path, content: str, sentence: str) -> None:
    log, reader = log_of(tmp_path), log_of(tmp_path)
    log.append(change("v1"), after=0)
    assert champion_of(reader) == "v1"
    entry = json.loads(log.path(1).read_text())
    texts = {
        "newer": json.dumps({**entry, "number": 2, "format": 2}),
        "other number": json.dumps({**entry, "number": 7}),
    }
    log.path(2).write_text(texts.get(content, content))
    for each in (reader, log_of(tmp_path)):
        assert champion_of(each) == "v1"
        assert sentence in each.problem
        assert "00000002.json" in each.problem
    with pytest.raises(ArtifactError):
        log_of(tmp_path).append(change("v3"), after=1)


def test_a_log_that_goes_and_comes_back(tmp_path: Path) -> None:
    clock = Clock()
    log = log_of(tmp_path, clock)
    log.append(change("v1"), after=0)
    log.folder.rename(tmp_path / "away")
    assert champion_of(log) == "v1"
    clock.now += LIST_SECONDS
    assert log.last() is None
    (tmp_path / "away").rename(log.folder)
    assert champion_of(log) == "v1"


@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.EEXIST, errno.EIO])
def test_an_entry_whose_answer_was_lost_is_the_writers_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    link = os.link

    def lost(source: Path, target: Path) -> None:
        link(source, target)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", lost)
    assert log_of(tmp_path).append(change("v1"), after=0).champion == "v1"
    monkeypatch.undo()
    assert champion_of(log_of(tmp_path)) == "v1"


def test_a_link_that_failed_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(number: int) -> None:
        def fail(_source: Path, _target: Path) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "link", fail)

    failing(errno.ETIMEDOUT)
    with pytest.raises(TimeoutError):
        log_of(tmp_path).append(change("v1"), after=0)
    failing(errno.EPERM)
    with pytest.raises(ArtifactError, match="a disk with hard links"):
        log_of(tmp_path).append(change("v1"), after=0)
    assert not list((tmp_path / "houses").iterdir())


def test_what_a_killed_writer_left_goes_after_an_hour(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    log.append(change("v1"), after=0)
    old, young = (log.folder / f".00000002.json.{nonce}" for nonce in ("aa", "bb"))
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (time.time() - 7200,) * 2)
    log.append(change("v2"), after=1)
    assert not old.exists()
    assert young.exists()
    assert [entry.champion for entry in log_of(tmp_path).entries()] == ["v1", "v2"]


def _write(folder: Path, who: int, rounds: int, barrier: multiprocessing.Barrier, results: object) -> None:
    log = DeploymentLog(folder, "houses")
    for number in range(rounds):
        barrier.wait()
        try:
            log.append(change(f"w{who}"), after=number)
            results.put((number, who, True))  # type: ignore[attr-defined]
        except TakenError:
            results.put((number, who, False))  # type: ignore[attr-defined]


def test_of_two_writers_at_once_one_gets_the_number_and_the_other_is_told(tmp_path: Path) -> None:
    rounds, folder = 100, tmp_path / "houses"
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    writers = [context.Process(target=_write, args=(folder, who, rounds, barrier, results)) for who in (0, 1)]
    for writer in writers:
        writer.start()
    outcomes = [results.get(timeout=60) for _ in range(2 * rounds)]
    for writer in writers:
        writer.join()
    entries = DeploymentLog(folder, "houses").entries()
    assert len(entries) == rounds
    for entry in entries:
        winners = [who for number, who, won in outcomes if won and number == entry.number - 1]
        assert [f"w{who}" for who in winners] == [entry.champion]


def _write_for_ever(folder: Path) -> None:
    log = DeploymentLog(folder, "houses")
    number = 0 if (last := log.last()) is None else last.number
    while True:
        log.append(change(f"v{number}"), after=number)
        number += 1


def test_a_writer_that_is_killed_leaves_no_half_entry(tmp_path: Path) -> None:
    context, folder = multiprocessing.get_context("fork"), tmp_path / "houses"
    for moment in range(20):
        writer = context.Process(target=_write_for_ever, args=(folder,))
        writer.start()
        time.sleep(0.005 + 0.003 * moment)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        log = DeploymentLog(folder, "houses")
        last = log.last()
        assert not log.problem
        if last is not None:
            assert [entry.number for entry in log.entries()] == list(range(1, last.number + 1))


def test_former_champions() -> None:
    def entries(*steps: str) -> list[Entry]:
        actions = {"-": "rollback", "+": "promote", "?": "challenge"}
        changes = [change(step[1:], actions[step[0]]) for step in steps]
        return [Entry(format=1, number=i + 1, nonce="", **dict(each)) for i, each in enumerate(changes)]

    assert former_champions(entries()).versions == []
    assert former_champions(entries("+a")).versions == []
    assert former_champions(entries("+a", "+b", "+c")).versions == ["a", "b"]
    assert former_champions(entries("+a", "+b", "+c", "-b")).versions == ["a"]
    assert former_champions(entries("+a", "+b", "+c", "-b", "-a")).versions == []
    assert former_champions(entries("+a", "+b", "-a", "+c")).versions == ["a"]
    # A challenger changes nothing, and an old champion may come back by promotion.
    assert former_champions(entries("+a", "+b", "?b", "+a")).versions == ["a", "b"]
