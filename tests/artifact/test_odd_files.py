"""Files in the store that nobody expects there: each is refused or passed over, in one sentence where there is one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from artifact.errors import ArtifactError, DataError, NotFoundError
from artifact.gates.side import Side
from artifact.golden import read_golden
from artifact.manifest import GOLDEN, MANIFEST, Manifest
from artifact.recipe import RECIPE, KeptTable, Recipe
from artifact.registry import local
from artifact.registry.leases import LEASE_SECONDS, Leases
from artifact.registry.local import LocalRegistry
from artifact.registry.log import DeploymentLog
from artifact.registry.naming import name_at, next_moment
from artifact.registry.retention import surplus
from artifact.registry.tables import RowsAside, Tables
from artifact.registry.waiting import wait_until_live
from tests.artifact.test_leases import lease
from tests.artifact.test_log import champion_of, change, log_of
from tests.artifact.versions import add, champion, promoted
from tests.builders import build_manifest, build_schema, build_version

NESTED = b"[" * 100_000


def put(path: Path, what: str) -> None:
    """Something else than a file in the place of a file."""
    if what == "folder":
        path.mkdir()
    elif what == "loop":
        path.symlink_to(path.name)
    elif what == "socket":
        # A socket's path must be short.
        here = os.open(path.parent, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)
    elif what == "private":
        path.write_text("{}")
        path.chmod(0)


KINDS = [
    "folder",
    "loop",
    "socket",
    pytest.param("private", marks=pytest.mark.skipif(os.getuid() == 0, reason="root may read every file")),
]


@pytest.mark.parametrize("what", KINDS)
def test_what_is_no_file_stops_the_log_before_it_and_is_told(tmp_path: Path, what: str) -> None:
    log = log_of(tmp_path)
    log.append(change("v1"), after=0)
    put(log.path(2), what)
    for reader in (log, log_of(tmp_path)):
        assert champion_of(reader) == "v1"
        assert reader.problem.startswith(
            f"Expected entry 2 of the deployment log of 'houses' in {log.path(2)}. Received"
        )
        assert reader.problem.endswith("do not count. Make it a file that this user can read, or remove them.")
        assert [entry.number for entry in reader.entries()] == [1]
    with pytest.raises(ArtifactError, match="Expected entry 2"):
        log_of(tmp_path).append(change("v2"), after=1)
    log.path(2).rmdir() if what == "folder" else log.path(2).unlink()
    assert log_of(tmp_path).append(change("v2"), after=1).number == 2


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"champion": "../../../secret"}, "'champion' string should match pattern"),
        ({"champion": "a/b"}, "'champion'"),
        ({"champion": "nul\0"}, "'champion'"),
        ({"champion": ""}, "'champion'"),
        ({"champion": "."}, "'champion'"),
        ({"champion": "v" * 4000}, "'champion'"),
        ({"champion": "v2\n"}, "'champion'"),
        ({"challenger": "../x"}, "'challenger'"),
        ({"former": ["../x"]}, "'former'"),
        ({"share": 2}, "'share'"),
        ({"action": "destroy"}, "'action'"),
        ({"why": "x" * 2**20}, "more than 1,048,576 bytes"),
    ],
)
def test_an_entry_that_no_trueline_writes_is_damaged(tmp_path: Path, more: dict[str, object], sentence: str) -> None:
    log = log_of(tmp_path)
    first = log.append(change("v1"), after=0)
    entry = {**first.model_dump(mode="json"), "number": 2, "champion": "v2", **more}
    log.path(2).write_text(json.dumps(entry))
    for reader in (log, log_of(tmp_path)):
        assert champion_of(reader) == "v1"
        assert sentence in reader.problem
        assert len(reader.problem) < 600


def test_other_names_than_a_writers_are_no_entries(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    log.append(change("v1"), after=0)
    text = log.path(1).read_text()
    # The last one has a number beyond the next: if it counted, there would be a gap before it.
    others = ("2.json", "000000001.json", "000000002.json", "0000000\u0662.json", "00000002.JSON", "00000000.json")
    for name in (*others, "000000007.json"):
        (log.folder / name).write_text(text.replace('"number": 1', '"number": 2'))
    for reader in (log, log_of(tmp_path)):
        assert (champion_of(reader), reader.problem) == ("v1", "")
    assert log_of(tmp_path).append(change("v2"), after=1).number == 2


def test_a_number_far_away_is_a_gap_and_costs_no_time(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    first = log.append(change("v1"), after=0)
    far = log.path(10**9)
    far.write_text(first.model_copy(update={"number": 10**9}).model_dump_json())
    reader = log_of(tmp_path)
    began = time.perf_counter()
    assert champion_of(reader) == "v1"
    assert time.perf_counter() - began < 1
    assert "Received: entry 1000000000 and no entry 2" in reader.problem


def test_a_file_in_the_place_of_the_logs_folder_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "houses").write_text("")
    log = log_of(tmp_path)
    assert log.last() is None
    assert log.last() is None  # the second look asks for one entry alone
    with pytest.raises(OSError, match="exists"):
        log.append(change("v1"), after=0)


def test_a_reason_that_no_reader_would_take_is_refused_by_the_writer(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    with pytest.raises(DataError, match=r"at most 1,048,576 bytes\. Received: .* Give a shorter reason\."):
        log.append(change("v1", why="x" * 2**20), after=0)
    assert log_of(tmp_path).last() is None
    log.append(change("v1", why="x" * 10**6), after=0)
    assert champion_of(log_of(tmp_path)) == "v1"


def test_bytes_that_are_no_text_are_stored_as_question_marks(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    log.append(change("v1", why="caf\udce9"), after=0)
    assert [entry.why for entry in log_of(tmp_path).entries()] == ["caf?"]
    leases = Leases(tmp_path / "leases")
    leases.write(lease("a", problem="no such file: '\udcff'"))
    assert [each.problem for each in leases.read()] == ["no such file: '?'"]


# Leases


@pytest.mark.parametrize("what", ["folder", "loop", "socket"])
def test_what_is_no_lease_keeps_no_worker_from_ending_and_nobody_waiting(tmp_path: Path, what: str) -> None:
    leases = Leases(tmp_path)
    for worker in ("a", "z"):
        leases.write(lease(worker))
    put(tmp_path / "odd.json", what)
    (tmp_path / "huge.json").write_text(lease("huge", problem="x" * 2**20).model_dump_json())
    (tmp_path / "numbers.json").write_text('{"worker": 1, "service": [], "version": {}, "number": "x"}')
    (tmp_path / "nested.json").write_bytes(NESTED)
    assert [each.worker for each in leases.read()] == ["a", "z"]
    for name in ("odd", "z"):
        if what != "loop" or name != "odd":
            os.utime(tmp_path / f"{name}.json", (time.time() - 7200,) * 2)
    leases.remove("a")
    assert leases.read() == []
    assert not (tmp_path / "z.json").exists()


def test_a_file_in_the_place_of_the_leases_folder_is_no_worker(tmp_path: Path) -> None:
    (tmp_path / "houses").write_text("")
    leases = Leases(tmp_path / "houses")
    assert leases.read() == leases.silent() == []
    with pytest.raises(OSError, match="exists"):
        leases.write(lease("a"))


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_lease_of_a_dead_worker_counts_for_nothing_whatever_its_time(tmp_path: Path, hours: int) -> None:
    registry = LocalRegistry(tmp_path)
    registry.write_lease("houses", lease("dead", 1))
    folder = tmp_path / "trueline" / "leases" / "houses"
    os.utime(folder / "dead.json", (time.time() + 3600 * hours,) * 2)
    assert registry.leases("houses") == []
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    state = wait_until_live(registry, "houses", 2, seconds=30, clock=lambda: now[0], sleep=sleep)
    assert (state.is_everywhere, state.live) == (True, [])
    assert now[0] < LEASE_SECONDS
    # The first lease of a new worker, and the end of one, remove what was left behind.
    registry.write_lease("houses", lease("new", 2))
    assert [path.name for path in folder.iterdir()] == ["new.json"]


@pytest.mark.parametrize("seconds", [-3600.0, -60.0, 3600.0])
def test_a_clock_that_jumped_hides_no_living_worker_from_who_waits(tmp_path: Path, seconds: float) -> None:
    """As after a minute without the store: all leases are old, and their workers renew them in a moment."""
    registry = LocalRegistry(tmp_path)
    for worker in ("a", "b"):
        registry.write_lease("houses", lease(worker, 1))
    folder = tmp_path / "trueline" / "leases" / "houses"
    for path in folder.iterdir():
        os.utime(path, (time.time() + seconds,) * 2)
    now = [0.0]

    def sleep(pause: float) -> None:
        now[0] += pause
        if 1.0 <= now[0] < 1.0 + pause:
            registry.write_lease("houses", lease("a", 1))
        if 1.5 <= now[0] < 1.5 + pause:
            registry.write_lease("houses", lease("b", 2))
        if 3.0 <= now[0] < 3.0 + pause:
            registry.write_lease("houses", lease("a", 2))

    state = wait_until_live(registry, "houses", 2, seconds=30, clock=lambda: now[0], sleep=sleep)
    assert [each.worker for each in state.live] == ["a", "b"]
    assert 2.9 < state.seconds < 3.2


def test_what_killed_workers_and_readers_left_beside_the_leases_goes_too(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    leases.write(lease("a"))
    for name in ("dead.new", ".now-0a1b2c3d"):
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (time.time() - 7200,) * 2)
    leases.write(lease("a", 2))
    assert (tmp_path / "dead.new").exists()  # a renewal costs no look at the other files
    leases.write(lease("b"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]


# Versions


class Clock(datetime):
    """The clock of a machine that somebody sets."""

    time = datetime(2026, 1, 31, 12, tzinfo=UTC)

    @classmethod
    def now(cls, tz=None):
        return cls.time.astimezone(tz)


def test_a_version_is_newer_than_those_before_it_whatever_the_clock_says(
    registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "datetime", Clock)
    versions = []
    for hour in (12, 20, 9, 9, 21):
        monkeypatch.setattr(Clock, "time", datetime(2026, 1, 31, hour, tzinfo=UTC))
        versions.append(add(registry))
    assert registry.versions("houses") == versions == sorted(versions)
    assert versions[2] == "20260131-200000-000001"
    assert surplus(registry, "houses", 1) == versions[:-1]
    assert registry.resolve("houses").version == versions[-1]


def test_versions_that_are_begun_at_the_same_time_have_names_of_their_own(
    registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "datetime", Clock)
    names: list[str] = []
    barrier = threading.Barrier(4)

    def write() -> None:
        barrier.wait()
        for _ in range(5):
            names.append(add(LocalRegistry(registry.home)))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.versions("houses") == sorted(set(names))
    assert len(names) == 20
    assert not list(registry.staging.iterdir())


def test_names_that_are_no_times_do_not_matter() -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    odd = ["v1", "zzz", "20270131-12", "99991231-235959-999999", "20270231-120000-000000", "20270131-120000-1", ""]
    assert next_moment(now, odd) == now
    assert name_at(next_moment(now, [*odd, name_at(now)])) == "20260131-120000-000001"


def test_folders_that_have_no_name_of_a_version_are_no_versions(registry: LocalRegistry) -> None:
    version = add(registry)
    folder = registry.models / "houses"
    for name in (".hidden", "v 1", "-x", "v\n1"):
        (folder / name).mkdir()
        (folder / name / MANIFEST).write_bytes((folder / version / MANIFEST).read_bytes())
        with pytest.raises(NotFoundError):
            registry.fetch("houses", name)
    assert registry.versions("houses") == [version]
    assert not registry.has("houses", f"../houses/{version}")


@pytest.mark.parametrize("what", ["folder", "loop", "socket", "nowhere"])
def test_a_version_whose_manifest_is_no_file_is_none(registry: LocalRegistry, what: str) -> None:
    first, second = promoted(registry, 2)
    path = registry.models / "houses" / second / MANIFEST
    path.unlink()
    path.symlink_to("nowhere") if what == "nowhere" else put(path, what)
    assert registry.versions("houses") == [first]
    with pytest.raises(ArtifactError):
        Manifest.read(path.parent)
    assert registry.rollback("houses").version == champion(registry) == first


def test_json_that_is_nested_without_end_is_refused_in_a_sentence(tmp_path: Path) -> None:
    Recipe(name="houses", data="d", targets=("y",), settings={}, corrections={}, columns={}).write(tmp_path)
    (tmp_path / RECIPE).write_bytes(NESTED)
    manifest = build_manifest(build_schema(), "houses", "v1").write(tmp_path)
    with pytest.raises(ArtifactError, match="Expected the recipe of houses:v1"):
        Recipe.read(tmp_path, manifest)
    for name in (MANIFEST, GOLDEN):
        (tmp_path / name).write_bytes(NESTED)
    with pytest.raises(ArtifactError, match="Expected JSON"):
        Manifest.read(tmp_path)
    with pytest.raises(ArtifactError, match="Expected golden rows"):
        read_golden(tmp_path)


# Kept rows


@pytest.mark.parametrize("what", KINDS)
def test_kept_rows_that_are_no_file_are_told_and_prune_goes_on(tmp_path: Path, what: str) -> None:
    tables = Tables(tmp_path / "data", tmp_path / "staging")
    with tables.writing() as aside:
        aside.write_bytes(b"rows")
        unwanted = tables.add(RowsAside(aside, 3))
    odd = KeptTable(sha256="0" * 64, rows=3, size=4)
    put(tables.folder / f"{odd.sha256}.parquet", what)
    with pytest.raises(ArtifactError, match=r"Expected the rows of houses:1 in .*\. Received: .*this user can read"):
        tables.path(odd, "rows of houses:1")
    assert unwanted.sha256 in tables.prune(lambda: set())
    with pytest.raises(ArtifactError, match="no such file"):
        tables.path(unwanted, "rows of houses:1")


def test_a_table_that_another_process_prunes_meanwhile_ends_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = Tables(tmp_path / "data", tmp_path / "staging")
    sha256 = [letter * 64 for letter in "abc"]
    tables.folder.mkdir()
    for each in sha256:
        (tables.folder / f"{each}.parquet").write_bytes(b"rows")
    real = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        if path.name.startswith("b"):
            path.unlink(missing_ok=True)
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    assert list(tables.sizes()) == [sha256[0], sha256[2]]


def test_the_log_has_no_folder_of_its_own_before_it_is_written(tmp_path: Path) -> None:
    assert DeploymentLog(tmp_path / "houses", "houses").last() is None
    assert not (tmp_path / "houses").exists()


def test_a_copy_of_another_version_may_not_go_live(registry: LocalRegistry) -> None:
    version = build_version(registry)
    copy = version.path.with_name("20990101-000000-000000")
    shutil.copytree(version.path, copy)
    side = Side.candidate(f"houses:{copy.name}", copy)
    assert side.predictor is None
    assert side.problem.startswith(
        f"Expected the manifest of houses:{copy.name}. Received: that of houses:{version.version}"
    )
