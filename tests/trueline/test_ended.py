"""A train process that is ended leaves no helper process behind, says so in one sentence, and stores nothing."""

from __future__ import annotations

import contextlib
import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from artifact.registry.leases import Lease
from artifact.registry.local import LocalRegistry
from tests.builders import build_version
from tests.processes import ROOT, clean_environment
from tests.training.conftest import wavy_table
from tests.trueline.retrain.conftest import stored
from tests.trueline.test_commands import call
from trueline.commands.ended import EndedError, ended_by_signals

# More seconds than any of these tests waits.
LONG = ("--preset", "fast", "--model", "mlp", "--cv", "2", "--set", "epochs=2000", "--set", "repeats=1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "t.parquet"
    # Boosted trees of so many rows take a while: the helper is at work when the signal comes.
    pl.concat([wavy_table(20_000)] * 3).write_parquet(path)
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGINT])
def test_a_train_process_that_is_ended_leaves_no_helper(data, tmp_path, number):
    command = [sys.executable, "-m", "trueline", "train", str(data), "--target", "y", *LONG]
    environment = clean_environment(tmp_path / "home", POLARS_MAX_THREADS="2", PYTHONPATH=str(ROOT))
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    helpers: list[psutil.Process] = []
    try:
        helpers = _helpers(process)
        process.send_signal(number)
        # TensorFlow compiles in one call, which a signal waits for; on a busy machine that is long.
        _, stderr = process.communicate(timeout=150)
        errors = stderr.decode()
        assert not psutil.wait_procs(helpers, timeout=10)[1]
    finally:
        for helper in (psutil.Process(p.pid) for p in (*helpers, process) if psutil.pid_exists(p.pid)):
            helper.kill()
        process.communicate()
    assert "Traceback" not in errors
    assert not list((tmp_path / "home" / "trueline" / "staging").glob("*"))
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        how = "Interrupted" if number == signal.SIGINT else f"Ended by {number.name}"
        assert errors.splitlines()[-1] == f"{how}. Nothing was stored or changed."


def _helpers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The children of a train process once the one that fits simpler models is at work."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(psutil.Error):  # a child that ends between two looks
            children = psutil.Process(process.pid).children(recursive=True)
            works = [p for p in children if "popen_loky_posix" in " ".join(p.cmdline())]
            if works and works[0].cpu_times().user > 2:
                return children
        time.sleep(0.1)
    raise AssertionError(f"no helper, status {process.poll()}")


def test_a_signal_ends_the_work_where_it_asks_and_only_within_the_block():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(EndedError, match="Ended by SIGTERM") as caught, ended_by_signals(lambda: None) as signals:
        signals.raise_if_any()
        signal.raise_signal(signal.SIGTERM)
        signals.raise_if_any()
        pytest.fail("it went on")
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_after_the_last_question_ends_the_work_too():
    with pytest.raises(EndedError, match="Ended by SIGHUP"), ended_by_signals(lambda: None):
        signal.raise_signal(signal.SIGHUP)


WORK = ("while True: pass", "time.sleep(60)", "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)")
SCRIPT = """
import hashlib, os, sys, time
from trueline.commands.ended import ended_by_signals
with ended_by_signals(lambda: print("cleaned", flush=True), grace=float(sys.argv[1])):
    print("begun", flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    exec(sys.argv[2])
"""


@pytest.mark.parametrize("work", WORK)
def test_work_that_never_asks_is_ended_after_a_while(work):
    """The last is one call of C, during which Python calls no handler; in all, standard error is captured."""
    assert end("0.3", work, [signal.SIGTERM]) == (143, "Ended by SIGTERM. Nothing was stored or changed.\n")


def test_a_second_signal_ends_the_work_at_once():
    signals = [signal.SIGINT, signal.SIGINT]
    assert end("1000", WORK[0], signals) == (130, "Interrupted. Nothing was stored or changed.\n")


def end(grace: str, work: str, signals: list[signal.Signals]) -> tuple[int, str]:
    """The exit code and standard error of work that signals end."""
    command = [sys.executable, "-c", SCRIPT, grace, work]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begun\n"
            for number in signals:
                process.send_signal(number)
                # Signals of one number that come together are one.
                time.sleep(0.2)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert stdout == "cleaned\n"
    return process.returncode, stderr


def test_a_signal_that_is_ignored_stays_ignored():
    """As ``nohup`` asks."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals(lambda: None) as signals:
            signal.raise_signal(signal.SIGHUP)
            signals.raise_if_any()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture
def rollback(tmp_path):
    """The command of a rollback for which a worker lets wait, its environment, and the version that comes back."""
    registry = LocalRegistry(tmp_path)
    first, second = (build_version(registry, seed=seed).version for seed in (0, 1))
    registry.promote(f"houses:{first}")
    registry.promote(f"houses:{second}")
    registry.write_lease("houses", Lease(worker="slow", service="s", version=second, number=2))
    environ = clean_environment(tmp_path)
    return [sys.executable, "-m", "trueline", "rollback", "houses", "--wait"], environ, f"houses:{first}"


def test_ctrl_c_after_a_change_does_not_deny_it(rollback):
    command, environ, version = rollback
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Rolled back to {version}: it is the champion of 'houses'.\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == f"Interrupted. The change is made: {version} is the champion of 'houses'.\n"


def test_a_full_output_after_a_change_does_not_deny_it(rollback):
    command, environ, version = rollback
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=ROOT, env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 1
    assert "Received: no space left on device. The change is made" in done.stderr
    assert version in done.stderr
    assert "Nothing was stored" not in done.stderr


def test_a_signal_that_comes_while_a_version_is_stored_does_not_deny_the_version():
    sentence = r"^Ended by SIGTERM\. The version is stored: houses:1\.$"
    with pytest.raises(EndedError, match=sentence), ended_by_signals(lambda: None) as signals:
        signal.raise_signal(signal.SIGTERM)
        signals.state = "The version is stored: houses:1."


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    """``trueline train --promote`` without its training, and the version that it stores."""
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    registry = LocalRegistry(tmp_path / "home")
    version = build_version(registry)
    monkeypatch.setattr("trueline.commands.train.trained", lambda *_, **__: registry.manifest(*version[:2]))
    return lambda: call(capsys, "train", "houses.csv", "--target", "price", "--promote"), version.version, registry


ENDS = [
    (KeyboardInterrupt(), 130, "Interrupted. "),
    (OSError(errno.ENOSPC, "No space left on device"), 1, "Expected to print what was done. Received: "),
]


@pytest.mark.parametrize(("end", "exit_code", "begin"), ENDS)
@pytest.mark.parametrize("place", ["tell_gates", "kept_sentence"])
def test_what_ends_a_training_after_its_promotion_does_not_deny_the_promotion(
    train, monkeypatch, end, exit_code, begin, place
):
    run, version, registry = train
    monkeypatch.setattr(f"trueline.commands.train.{place}", raising(end))
    code, _, err = run()
    assert (code, registry.alias("houses").version) == (exit_code, version)
    last = err.splitlines()[-1].removeprefix("Error: ")
    assert last.startswith(begin)
    assert last.endswith(f"The change is made: houses:{version} is the champion of 'houses'.")


@pytest.mark.parametrize(("end", "exit_code", "begin"), ENDS)
def test_what_ends_a_training_before_its_promotion_does_not_deny_the_version(train, monkeypatch, end, exit_code, begin):
    run, version, registry = train
    monkeypatch.setattr("trueline.commands.train.result_tables", raising(end))
    code, _, err = run()
    assert (code, registry.alias("houses")) == (exit_code, None)
    last = err.splitlines()[-1].removeprefix("Error: ")
    assert (last.startswith(begin), last.endswith(f"The version is stored: houses:{version}.")) == (True, True), err


def test_a_log_that_cannot_be_written_does_not_deny_the_version_that_was_stored(train, monkeypatch):
    run, version, registry = train
    monkeypatch.setattr("trueline.gates.promote.promote", raising(OSError(errno.ENOSPC, "No space left on device")))
    code, _, err = run()
    assert (code, registry.alias("houses")) == (1, None)
    assert err.startswith("Error: Expected to promote it. Received: ")
    assert err.rstrip().endswith(f"The version is stored: houses:{version}.")


@pytest.mark.parametrize(("end", "exit_code", "begin"), ENDS)
def test_what_ends_a_refit_after_it_stored_its_version_does_not_deny_the_version(
    tmp_path, capsys, monkeypatch, end, exit_code, begin
):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    home = LocalRegistry(tmp_path / "home")
    version = stored(home)
    monkeypatch.setattr("trueline.retrain.call.Call.run", lambda *_: home.manifest(*version[:2]))
    monkeypatch.setattr("trueline.commands.retrain.kept_sentence", raising(end))
    for words in (("refit", "houses", "--data", "new.csv"), ("finetune", "houses", "--data", "new.csv")):
        code, _, err = call(capsys, *words)
        last = err.splitlines()[-1].removeprefix("Error: ")
        assert (code, last.startswith(begin)) == (exit_code, True)
        assert last.endswith(f"The version is stored: houses:{version.version}.")


def raising(error):
    """A function that ends with an error, whatever it gets."""

    def end(*_, **__):
        raise error

    return end
