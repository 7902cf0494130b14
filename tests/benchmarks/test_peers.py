"""The benchmark's peers: the request to each, the packages that it runs on, and that its processes are ended."""

import json
import os
import re
import sys
import time

import psutil
import pytest

from benchmarks import environments, launch, serving, wires
from benchmarks.servers import PEERS, SERVERS

ROW = {"f0": 1.5, "f1": -2.0}
# An answer in each server's own protocol, with the extra keys that servers send.
ANSWERS = {
    "rows": {"predictions": [{"value": 2.5}]},
    "matrix": [[2.5]],
    "open-inference": {"model_name": "network", "outputs": [{"name": "value", "shape": [1, 1], "data": [2.5]}]},
    "mlflow": {"predictions": {"value": [[2.5]], "spread": [[0.1]]}},
}


@pytest.mark.parametrize("wire", {server.wire.name: server.wire for server in SERVERS.values()}.values())
def test_a_wire_asks_for_the_row_and_finds_the_value(wire):
    (body,) = wire.bodies([ROW])
    assert re.findall(rb"-?\d\.\d", body) == [b"1.5", b"-2.0"]
    assert wire.read(json.dumps(ANSWERS[wire.name]).encode()) == 2.5
    for wrong in (b"", b"{}", b"[]", b'{"predictions": "no"}', b'{"outputs": [{"data": []}]}'):
        with pytest.raises(ValueError, match=r"Expected a prediction\. Received"):
            wire.read(wrong)


def test_every_peer_has_a_lock_of_its_own_with_hashes_and_no_index():
    # Beside the servers' locks there is that of the accuracy benchmark.
    peers = {server.peer for server in SERVERS.values() if server.peer} | {"boosting"}
    assert {path.stem for path in PEERS.glob("*.txt")} == {path.stem for path in PEERS.glob("*.in")} == peers
    for peer in peers:
        lock = (PEERS / f"{peer}.txt").read_text(encoding="utf-8")
        assert lock.count("--hash=sha256:") > lock.count("==") > 5
        assert "://" not in lock


def test_every_file_that_a_command_names_exists():
    for server in SERVERS.values():
        for name in re.findall(r"\{peers\}/(\S+\.py)", f"{server.command} {server.prepare}"):
            assert (PEERS / name).is_file(), name
        module = re.search(r"(?:uvicorn|serve).* (\w+):\w+", server.command)
        assert module is None or module[1] == "service" or (PEERS / f"{module[1]}.py").is_file()


def test_a_peer_that_cannot_be_installed_is_reported_with_the_reason(tmp_path, monkeypatch):
    (tmp_path / "peers").mkdir()
    lock = tmp_path / "peers" / "ray.txt"
    lock.write_text(f"no-such-package-of-ours==1 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(environments, "PEERS", lock.parent)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    absent = {}
    assert list(serving.install(["trueline", "ray"], tmp_path / "cache", absent)) == ["trueline"]
    assert absent["ray"].startswith("not installed: ERROR: Could not find a version that satisfies")
    options = serving.parse(["--rounds", "1"])
    assert f"| Ray Serve + ONNX Runtime | {absent['ray']} | | |" in serving.report(
        serving.Results({}, absent), options, 0.0
    )


def test_nothing_of_a_family_is_left_not_even_a_daemon_that_ignores_signals(tmp_path):
    daemon = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open(sys.argv[1] + ".new", "w") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""
    pid_file = tmp_path / "pid"
    command = [sys.executable, "-c", daemon, str(pid_file)]
    with launch.family(command, dict(os.environ), tmp_path / "log", tmp_path) as family:
        deadline = time.monotonic() + 30
        while not pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        daemon_process = psutil.Process(int(pid_file.read_text()))
        assert daemon_process.pid not in [member.pid for member in family.members()]
        assert family.memory()[0] > 0
    assert family.process.returncode is not None
    assert not daemon_process.is_running() or daemon_process.status() == psutil.STATUS_ZOMBIE


def test_wires_have_names_of_their_own():
    every_wire = [wire for wire in vars(wires).values() if isinstance(wire, wires.Wire)]
    assert len({wire.name for wire in every_wire}) == len(every_wire) == len(ANSWERS)
