"""Bad days of the store under a real service with two workers: it serves on, and promoter and operator are told.

Where the tests run as root, the store is a small disk of its own, which can really be full or read-only.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifact.registry.entry import Change
from artifact.registry.local import LocalRegistry
from artifact.registry.log import LIST_SECONDS, DeploymentLog
from tests.builders import build_version
from tests.processes import ROOT, clean_environment, free_port, running, wait_until_ready
from tests.service.test_live_server import COMMAND, Load, Server, sum_of, trueline, wait_for


def mount(folder: Path, *options: str) -> bool:
    """Mount a disk of 16 MB, or change it; whether this user may."""
    words = ["mount", "-t", "tmpfs", "-o", ",".join(("size=16m", *options)), "tmpfs", str(folder)]
    return shutil.which("mount") is not None and subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("bad-days")
    home, log, port = folder / "home", folder / "log", free_port()
    home.mkdir()
    is_disk = mount(home)
    registry = LocalRegistry(home)
    build_version(registry, promote=True, seed=0)
    build_version(registry, seed=1)
    try:
        with running(
            [*COMMAND, "--port", str(port)], log, clean_environment(home, TRUELINE_WORKERS="2", TMPDIR=str(folder))
        ) as process:
            wait_until_ready(process, port, log)
            server = Server(process, port, registry, log)
            wait_for(lambda: sum(server.live_versions().values()) == 2)
            yield server
            assert process.poll() is None
        assert "Traceback" not in log.read_text()
    finally:
        if is_disk:
            subprocess.run(["umount", "--lazy", str(home)], check=True)


def live_and_other(server: Server) -> tuple[str, str]:
    entry = server.registry.deployment("houses")
    assert entry is not None
    assert entry.champion is not None
    wait_for(lambda: server.live_versions() == {entry.champion: 2})
    return entry.champion, next(v for v in server.registry.versions("houses") if v != entry.champion)


def failing(server: Server, deed: str) -> float:
    return sum_of(server, f'trueline_store_failing{{deed="{deed}"}}')


def log_folder(server: Server) -> Path:
    return server.registry.home / "trueline" / "deployments" / "houses"


@contextlib.contextmanager
def full(server: Server) -> Iterator[int | None]:
    """A full disk; without one of its own, a limit of the bytes that a promoter may write to a file."""
    if not server.registry.home.is_mount():
        yield 0
        return
    filler = server.registry.home / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield None
    filler.unlink()


@contextlib.contextmanager
def read_only(server: Server) -> Iterator[int | None]:
    home = server.registry.home
    if home.is_mount():
        wait_for(lambda: mount(home, "remount", "ro"))  # while a lease is being written it is busy
        yield None
        assert mount(home, "remount", "rw")
        return
    if os.getuid() == 0:
        pytest.skip("root may write everywhere, and may not mount a disk here")
    folders = [log_folder(server), home / "trueline" / "leases" / "houses"]
    for folder in folders:
        folder.chmod(0o555)
    yield None
    for folder in folders:
        folder.chmod(0o755)


def promote(server: Server, version: str, limit: int | None) -> subprocess.CompletedProcess[str]:
    """``trueline promote`` in a process that may write so many bytes to a file."""

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "trueline", "promote", f"houses:{version}", "--wait"],
        env=clean_environment(server.registry.home),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
        preexec_fn=limited,
    )


@pytest.mark.parametrize(
    ("bad_day", "sentence"),
    [
        (
            full,
            r"Error: Expected room to write.*\. Received: (No space left on device|File too large)\. Nothing was sto",
        ),
        (read_only, r"Error: Expected to .*write at .*\. Received: (Read-only file system|Permission denied)\."),
    ],
)
def test_a_promotion_into_a_store_that_cannot_be_written_is_told_and_changes_nothing(
    server: Server, bad_day, sentence: str
) -> None:
    live, other = live_and_other(server)
    before = sorted(path.name for path in log_folder(server).iterdir())
    told = server.log.read_text().count("can say what it has live")
    with Load(server, clients=2) as load, bad_day(server) as limit:
        done = promote(server, other, limit)
        assert done.returncode == 1
        assert re.match(sentence, done.stderr.splitlines()[-1]), done.stderr
        assert "Traceback" not in done.stderr
        if limit is None:
            wait_for(lambda: failing(server, "write") == 1)
            assert failing(server, "read") == 0
            wait_for(lambda: server.log.read_text().count("can say what it has live") == told + 2)
        assert server.live_versions() == {live: 2}
    assert set(load.outcomes) == {(200, live)}
    assert sorted(path.name for path in log_folder(server).iterdir()) == before
    done = promote(server, other, None)
    assert done.returncode == 0, done.stderr
    assert "Live in 2 workers of 1 service" in done.stdout
    assert server.live_versions() == {other: 2}
    wait_for(lambda: failing(server, "write") == 0)


def test_of_two_promotions_at_once_one_is_live_and_the_other_is_told(server: Server) -> None:
    live, other = live_and_other(server)
    third = build_version(server.registry, seed=3).version
    before = len(server.registry.history("houses"))
    promoters = []
    # Both have asked their gates, and know the same last entry, when the lock lets them write.
    with server.registry.lock("houses"):
        for version in (other, third):
            words = [sys.executable, "-m", "trueline", "promote", f"houses:{version}"]
            environ = clean_environment(server.registry.home)
            pipe = subprocess.PIPE
            promoters.append(subprocess.Popen(words, env=environ, stdout=pipe, stderr=pipe, text=True, cwd=ROOT))
        for promoter in promoters:
            wait_for(lambda promoter=promoter: waits_for(promoter, log_folder(server) / ".lock"), 30)
        assert server.live_versions() == {live: 2}
    errors = [promoter.communicate(timeout=60)[1] for promoter in promoters]
    winner = 0 if promoters[0].returncode == 0 else 1
    assert sorted(promoter.returncode for promoter in promoters) == [0, 1]
    champion = (other, third)[winner]
    assert re.search(
        rf"Expected entry {before + 1} of the deployment log of 'houses' to be free\. Received: promote of "
        rf"houses:{champion} by .+ Look at `trueline history houses`",
        errors[1 - winner],
    )
    assert [entry.champion for entry in server.registry.history("houses")][before:] == [champion]
    wait_for(lambda: server.live_versions() == {champion: 2})
    assert trueline(server, "rollback", "houses", "--wait").returncode == 0
    shutil.rmtree(server.registry.models / "houses" / third)


def waits_for(process: subprocess.Popen[str], path: Path) -> bool:
    folder = Path(f"/proc/{process.pid}/fd")
    with contextlib.suppress(OSError):
        return any(os.path.realpath(each) == str(path.resolve()) for each in folder.iterdir())
    return False


def test_a_promotion_while_a_worker_restarts_reaches_the_new_one_too(server: Server) -> None:
    live, other = live_and_other(server)
    victim, survivor = server.workers()
    with Load(server, clients=2) as load:
        victim.kill()
        server.registry.promote(f"houses:{other}")
        wait_for(lambda: server.live_versions() == {other: 2}, 30)
        seen = load.outcomes[200, other]
        wait_for(lambda: load.outcomes[200, other] > seen + 20)
    assert survivor.pid in {worker.pid for worker in server.workers()}
    assert victim.pid not in {worker.pid for worker in server.workers()}
    # Connections of the killed worker end; every answer is whole, and of one of the two versions.
    assert {status for status, _ in load.outcomes if isinstance(status, int)} == {200}
    assert {version for status, version in load.outcomes if status == 200} == {live, other}
    assert sum_of(server, "trueline_version_missing") == failing(server, "read") == 0


def test_a_store_that_is_away_while_a_worker_restarts(server: Server) -> None:
    """The folder of the log cannot be read, not by root either: a link to itself is in its place."""
    live, other = live_and_other(server)
    folder, away = log_folder(server), log_folder(server).with_name("away")
    told = server.log.read_text().count(f"houses:{live} keeps serving. Expected a model store that can be read.")
    sentence = f"houses:{live} keeps serving. Expected a model store that can be read. Received: too many levels of"
    with Load(server, clients=2) as load:
        wait_for(lambda: load.outcomes[200, live] > 20)
        folder.rename(away)
        folder.symlink_to(folder.name)
        try:
            wait_for(lambda: failing(server, "read") == 1)
            assert server.live_versions() == {live: 2}
            wait_for(lambda: server.log.read_text().count(sentence) == told + 2)
            server.workers()[0].kill()
            # The new worker says what it waits for, and does not end; the other one answers.
            wait_for(lambda: "Not ready. Expected a model store that can be read." in server.log.read_text(), 30)
            seen = load.outcomes[200, live]
            wait_for(lambda: load.outcomes[200, live] > seen + 20)
            done = trueline(server, "promote", f"houses:{other}")
            assert done.returncode == 1
            assert "Received: Too many levels of symbolic links" in done.stderr
        finally:
            folder.unlink()
            away.rename(folder)
        wait_for(lambda: server.live_versions() == {live: 2}, 30)
    assert {version for status, version in load.outcomes if status == 200} == {live}
    # The worker that waits for the store accepts no connections meanwhile.
    assert {status for status, _ in load.outcomes if isinstance(status, int)} == {200}
    wait_for(lambda: failing(server, "read") == 0)
    done = trueline(server, "promote", f"houses:{other}", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["alias"] == "champion", done.stderr
    wait_for(lambda: server.live_versions() == {other: 2})


def test_a_gap_in_the_log_under_load_stops_promotions_and_no_answer(server: Server, tmp_path: Path) -> None:
    """An entry lies in the log without the one before it, as after a restore that left a file out."""
    live, other = live_and_other(server)
    last = server.registry.history("houses")[-1].number
    shutil.copytree(log_folder(server), tmp_path / "log")
    restored = DeploymentLog(tmp_path / "log", "houses")
    for number, version in ((last, live), (last + 1, other)):
        restored.append(Change(action="promote", champion=version, who="a test", when="2026-01-01"), after=number)
    gap, beyond = (restored.path(number) for number in (last + 1, last + 2))
    with Load(server, clients=2) as load:
        wait_for(lambda: load.outcomes[200, live] > 20)
        shutil.move(beyond, log_folder(server))
        # A worker that starts now lists the folder at once; others do so once a minute.
        server.workers()[0].kill()
        wait_for(lambda: sum_of(server, "trueline_deployment_log_stopped") >= 1, 30)
        wait_for(lambda: server.live_versions() == {live: 2}, 30)
        sentence = f"Received: entry {last + 2} and no entry {last + 1}, in"
        assert sentence in server.log.read_text()
        done = trueline(server, "promote", f"houses:{other}")
        assert (done.returncode, sentence in done.stderr) == (1, True), done.stderr
        assert server.live_versions() == {live: 2}
        assert {version for status, version in load.outcomes if status == 200} == {live}
        shutil.move(gap, log_folder(server))
        wait_for(lambda: server.live_versions() == {other: 2}, LIST_SECONDS + 15)
        wait_for(lambda: sum_of(server, "trueline_deployment_log_stopped") == 0)
        seen = load.outcomes[200, other]
        wait_for(lambda: load.outcomes[200, other] > seen + 20)
    # Connections of the killed worker end; every answer is whole, and of one of the two versions.
    assert {status for status, _ in load.outcomes if isinstance(status, int)} == {200}
    assert {version for status, version in load.outcomes if status == 200} == {live, other}
