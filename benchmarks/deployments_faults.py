"""What is left of a store when its writers are killed, and of two promoters when they want the same number."""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psutil

from artifact.errors import TruelineError
from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from artifact.registry.log import DeploymentLog, TakenError
from artifact.registry.waiting import reached
from benchmarks import network, servers
from benchmarks.scenarios import Figure
from tests.builders import build_schema, build_version, plain_features

_NAME = "houses"
# So long may a worker take to come back.
_SETTLED_SECONDS = 20.0
# Stores versions, promotes them and rolls back, without end.
_WRITER = """
import sys
from pathlib import Path
from artifact.registry.local import LocalRegistry
from tests.builders import build_version
registry, seed = LocalRegistry(Path(sys.argv[1])), int(sys.argv[2])
print("ready", flush=True)
while True:
    seed += 1
    version = build_version(registry, name="houses", seed=seed).version
    registry.promote(f"houses:{version}")
    print(version, flush=True)
    if seed % 3 == 0:
        registry.rollback("houses")
        print("back", flush=True)
"""


def killed_writers(folder: Path, count: int, seed: int = 0) -> Figure:
    """Kill a process that trains, promotes and rolls back, at random moments; after each the store must be whole.

    What the process had said to be done must be there: nothing that was acknowledged is lost.
    """
    registry, chance = LocalRegistry(folder), random.Random(seed)
    build_version(registry, name=_NAME, promote=True)
    faults: list[str] = []
    for number in range(count):
        command = [sys.executable, "-c", _WRITER, str(folder), str(1000 * number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.3))
            writer.send_signal(signal.SIGKILL)
            promoted = [line for line in writer.stdout.read().splitlines() if line != "back"]
        fault = _fault(folder, promoted)
        if fault:
            faults.append(fault)
    reached = f"{len(faults)} of {count}" + (f": {faults[0]}" if faults else "")
    return Figure("stores that were not whole after kill -9 of who trains and promotes", "0", reached, not faults)


def _fault(folder: Path, promoted: list[str]) -> str:
    """What is wrong with a store; empty where nothing is."""
    registry = LocalRegistry(folder)
    try:
        for version in registry.versions(_NAME):
            registry.manifest(_NAME, version)
        Predictor.load(registry.resolve(f"{_NAME}:champion").path)
        if registry.deployment_problem(_NAME):
            return registry.deployment_problem(_NAME)
        lost = set(promoted) - {entry.champion for entry in registry.history(_NAME)}
        return f"promotions were lost: {sorted(lost)}" if lost else ""
    except (TruelineError, OSError, json.JSONDecodeError) as error:
        return str(error)


def killed_workers(folder: Path, count: int, seed: int = 0) -> Figure:
    """Kill one of two workers at a random moment after each promotion.

    The other one must answer all the time, and soon both must have the version live.
    """
    folder.mkdir()
    net, chance = network.build(folder), random.Random(seed)
    registry, name = LocalRegistry(net.home), network.MODEL_NAME
    schema = build_schema(plain_features(network.N_FEATURES), targets=("y",))
    build_version(registry, name=name, schema=schema, seed=1)
    versions = registry.versions(name)
    settings = {"TRUELINE_WORKERS": "2"}
    unanswered = late = 0
    with servers.start(servers.SERVERS["trueline"], net, folder, Path(sys.executable), None, settings) as running:
        for number in range(1, count + 1):
            version = versions[number % 2]
            registry.promote(f"{name}:{version}")
            time.sleep(chance.uniform(0, 0.4))
            chance.choice([each for each in running.family.members() if _is_worker(each)]).kill()
            deadline = time.monotonic() + _SETTLED_SECONDS
            while not _is_settled(running.port, registry, version) and time.monotonic() < deadline:
                unanswered += _version(running.port, net.bodies[0]) not in versions
                time.sleep(0.02)
            late += not _is_settled(running.port, registry, version)
    return Figure(
        "kill -9 of a worker: requests without an answer, and kills after which not all workers had the version",
        "0 and 0",
        f"{unanswered} and {late} of {count}",
        not unanswered and not late,
    )


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "_bentoml_impl.worker.service" in " ".join(process.cmdline())
    except psutil.Error:
        return False  # just gone


def _is_settled(port: int, registry: LocalRegistry, version: str) -> bool:
    """Whether two workers run and have a version live."""
    entry = registry.deployment(network.MODEL_NAME)
    live = reached(registry, network.MODEL_NAME, 0 if entry is None else entry.number).live
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/readyz")
        is_ready = connection.getresponse().status == 200
    return is_ready and sum(lease.version == version for lease in live) >= 2


def _version(port: int, body: str) -> str:
    """The version that answers; empty where none does. A connection that the killed worker had is opened again."""
    for _ in range(2):
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection,
        ):
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            return str(json.loads(connection.getresponse().read()).get("model_version", ""))
    return ""


def two_promoters(folder: Path, rounds: int) -> Figure:
    """Have two processes want each number of a log at the same moment."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    writers = [context.Process(target=_promote, args=(folder, who, rounds, barrier, results)) for who in (0, 1)]
    for writer in writers:
        writer.start()
    outcomes = [results.get(timeout=120) for _ in range(2 * rounds)]
    for writer in writers:
        writer.join()
    entries = DeploymentLog(folder / _NAME, _NAME).entries()
    won = [(number, who) for number, who, has_won in outcomes if has_won]
    right = [(entry.number, int(str(entry.champion))) for entry in entries]
    wins = sum(1 for each in right if each in won)
    met = sorted(won) == right and len(entries) == rounds
    return Figure("numbers of the log that two promoters wanted and exactly one got", f"{rounds:,}", f"{wins:,}", met)


def _promote(folder: Path, who: int, rounds: int, barrier: Barrier, results: Any) -> None:
    from artifact.registry.entry import Change

    log = DeploymentLog(folder / _NAME, _NAME)
    change = Change(action="promote", champion=str(who), who=f"promoter {who}, process {os.getpid()}", when="")
    for number in range(rounds):
        barrier.wait()
        try:
            log.append(change, after=number)
            results.put((number + 1, who, True))
        except TakenError:
            results.put((number + 1, who, False))
