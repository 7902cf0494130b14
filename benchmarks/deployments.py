"""Promotions and rollbacks under load and under kill -9: ``python -m benchmarks.deployments``.

Two services of two workers each follow one store, on one core. From the other core they get 70% of the requests that
they can answer, each compared byte for byte with the answers of all versions. Promotions, which load a version, and
rollbacks, which find it in memory, come in turn at even times. Then trainers, promoters and workers are killed at
random moments, and two promoters want the same number of the deployment log again and again. Each figure stands beside
its limit.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from artifact.registry.local import LocalRegistry
from artifact.registry.waiting import wait_until_live
from benchmarks import load, network, servers
from benchmarks.deployments_faults import killed_workers, killed_writers, two_promoters
from benchmarks.machine import describe
from benchmarks.scenarios import Figure
from benchmarks.serving import LOAD_CORE, SERVER_CORE
from benchmarks.steady import Counts, Plan, Trace
from tests.builders import build_schema, build_version, plain_features

SHARE, SERVICES, WORKERS, CONNECTIONS = 0.7, 2, 2, 16
# A worker keeps two versions in memory: of more, each promotion loads one.
VERSIONS = 5
# A network of about 5 MB.
HIDDEN = (1088, 1088)
MOST_SECONDS, MOST_RATIO, MOST_GROWTH = 3.0, 2.0, 0.05
# A swap's latencies are those within so many seconds after its entry.
_SWAP_SECONDS = 2.0
_BODIES = 200


class Swap(NamedTuple):
    """One promotion or rollback: when its entry was written, and how many seconds passed until all workers had it."""

    at: float
    seconds: float
    is_everywhere: bool
    memory: int


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deployments", description=__doc__)
    parser.add_argument("--swaps", type=int, default=100, help="promotions and rollbacks; defaults to 100")
    parser.add_argument("--minutes", type=float, default=10, help="of load; defaults to 10")
    parser.add_argument(
        "--kills", type=int, default=200, help="processes to kill, writers and workers in halves; defaults to 200"
    )
    parser.add_argument("--races", type=int, default=1000, help="of two promoters; defaults to 1,000")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="trueline-deployments-") as temporary:
        folder = Path(temporary)
        figures = swaps(folder / "swaps", options.swaps, 60 * options.minutes) if options.swaps else []
        writers = options.kills // 2
        figures += [killed_writers(folder / "writers", writers)] if writers else []
        workers = options.kills - writers
        figures += [killed_workers(folder / "workers", workers)] if workers else []
        figures += [two_promoters(folder / "races", options.races)] if options.races else []
    print(f"{datetime.now(UTC):%Y-%m-%d}, {describe()}\n\n| what | asked | reached | met |\n| --- | --- | --- | --- |")
    for figure in figures:
        print(f"| {figure.what} | {figure.limit} | {figure.reached} | {'yes' if figure.met else 'no'} |")
    return 0 if all(figure.met for figure in figures) else 1


def swaps(folder: Path, count: int, seconds: float) -> list[Figure]:
    """The figures of promotions and rollbacks under load."""
    net = network.build(folder)
    registry = LocalRegistry(net.home)
    schema = build_schema(plain_features(network.N_FEATURES), targets=("y",))
    versions = [
        build_version(registry, name=network.MODEL_NAME, schema=schema, hidden=HIDDEN, seed=seed).version
        for seed in range(VERSIONS)
    ]
    registry.promote(f"{network.MODEL_NAME}:{versions[0]}")
    net = net._replace(values=_values(registry, net))
    script = load.write_script(folder / "bodies", [body.encode() for body in net.bodies[:_BODIES]])
    with contextlib.ExitStack() as stack:
        running = []
        for number in range(SERVICES):
            own = folder / f"service-{number}"
            own.mkdir()
            settings = {"TRUELINE_WORKERS": str(WORKERS)}
            start = servers.start(servers.SERVERS["trueline"], net, own, Path(sys.executable), SERVER_CORE, settings)
            running.append(stack.enter_context(start))
        expected = _answers(registry, net, versions, [each.port for each in running])
        ports = [each.port for each in running]
        for warm in (2, 8):
            capacity = _capacity(script, ports, warm)
        rate = SHARE * capacity / SERVICES
        plans = [Plan(port, rate, seconds, CONNECTIONS, expected, str(folder / f"trace-{port}.npz")) for port in ports]
        with ThreadPoolExecutor(SERVICES) as pool:
            pressed = [pool.submit(_press, plan) for plan in plans]
            done = _swap(registry, versions, count, seconds, running)
            counts = [each.result() for each in pressed]
    traces = [Trace.read(Path(plan.trace)) for plan in plans]
    return _figures(counts, traces, done, capacity)


def _values(registry: LocalRegistry, net: network.Network) -> list[float]:
    from artifact.predictor import Predictor

    predictor = Predictor.load(registry.resolve(network.MODEL_NAME).path)
    return [float(value) for value in predictor.predict_rows(net.rows).value[:, 0]]


def _answers(
    registry: LocalRegistry, net: network.Network, versions: Sequence[str], ports: Sequence[int]
) -> list[tuple[str, int, str | list[str]]]:
    """Each body with the answers of all versions; every service gives the same ones. The first version is left live."""
    answers: dict[str, list[str]] = {body: [] for body in net.bodies[:_BODIES]}
    for version in (*versions[1:], versions[0]):
        _promote(registry, version)
        for body, texts in answers.items():
            given = {_ask(port, body) for port in ports}
            if len(given) != 1 or version not in next(iter(given)):
                raise RuntimeError(f"Expected one answer of {version} from every service. Received: {given}.")
            texts += given
    return [(body, 200, texts) for body, texts in answers.items()]


def _promote(registry: LocalRegistry, version: str | None) -> tuple[float, float, bool]:
    """Promote a version, or roll back where it is None; when the entry was written, and how long all took."""
    if version is None:
        registry.rollback(network.MODEL_NAME)
    else:
        registry.promote(f"{network.MODEL_NAME}:{version}")
    entry = registry.deployment(network.MODEL_NAME)
    at = time.monotonic()
    state = wait_until_live(registry, network.MODEL_NAME, 0 if entry is None else entry.number, seconds=30)
    return at, state.seconds, state.is_everywhere and len(state.live) == SERVICES * WORKERS


def _ask(port: int, body: str) -> str:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        return connection.getresponse().read().decode()


def _capacity(script: load.Script, ports: Sequence[int], seconds: int) -> float:
    """Requests/s that all services answer together."""
    with ThreadPoolExecutor(len(ports)) as pool:
        loads = pool.map(
            lambda port: load.measure(script, port, seconds=seconds, connections=CONNECTIONS, core=LOAD_CORE), ports
        )
        return sum(each.requests_per_second for each in loads)


def _press(plan: Plan) -> Counts:
    command = ["taskset", "-c", str(LOAD_CORE), sys.executable, "-m", "benchmarks.steady"]
    done = subprocess.run(
        command,
        cwd=servers.ROOT,
        input=json.dumps(plan._asdict()),
        capture_output=True,
        text=True,
        timeout=plan.seconds + 60,
        check=True,
    )
    return Counts(**json.loads(done.stdout))


def _swap(
    registry: LocalRegistry,
    versions: Sequence[str],
    count: int,
    seconds: float,
    running: Sequence[servers.Running],
) -> list[Swap]:
    """Promote and roll back in turn, at even times within the load."""
    began, pause, done = time.monotonic(), seconds / (count + 1), []
    for number in range(count):
        time.sleep(max(0.0, began + (number + 1) * pause - time.monotonic()))
        version = None if number % 2 else versions[1 + number // 2 % (VERSIONS - 1)]
        at, took, is_everywhere = _promote(registry, version)
        done.append(Swap(at, took, is_everywhere, sum(sum(each.family.memory()) for each in running)))
    return done


def _figures(counts: Sequence[Counts], traces: Sequence[Trace], done: Sequence[Swap], capacity: float) -> list[Figure]:
    sent = sum(each.sent for each in counts)
    failed = sum(each.broken + each.lost for each in counts)
    wrong = sum(each.wrong + each.refused for each in counts)
    entries = np.array([swap.at for swap in done])
    ended, seconds = (np.concatenate([getattr(trace, name) for trace in traces]) for name in ("ended", "seconds"))
    following = np.searchsorted(entries, ended)
    since = ended - np.where(following > 0, entries[np.maximum(following - 1, 0)], -np.inf)
    during = since < _SWAP_SECONDS
    steady, swap = (float(np.quantile(seconds[rows], 0.99)) for rows in (~during, during))
    slowest = max(swap.seconds for swap in done)
    third, last = done[min(2, len(done) - 1)].memory, done[-1].memory
    returns = sum(_returns(trace, entries) for trace in traces)
    rate = sent / max(each.seconds for each in counts)
    return [
        Figure(
            f"failed of {sent:,} requests at {rate / capacity:.0%} of {capacity:,.0f}/s, {len(done)} swaps",
            "0",
            str(failed),
            failed == 0,
        ),
        Figure("answers of neither version, or mixed", "0", str(wrong), wrong == 0),
        Figure("connections on which a version came back between two entries", "0", str(returns), returns == 0),
        Figure(
            "p99 within 2 s of an entry, beside the rest",
            f"at most {MOST_RATIO:g} times",
            f"{swap / steady:.2f} times ({swap * 1e3:.1f} and {steady * 1e3:.1f} ms)",
            swap <= MOST_RATIO * steady,
        ),
        Figure(
            "from an entry until all workers have it",
            f"within {MOST_SECONDS:g} s",
            f"{slowest:.2f} s (median {np.median([swap.seconds for swap in done]):.2f} s)",
            slowest <= MOST_SECONDS and all(swap.is_everywhere for swap in done),
        ),
        Figure(
            "memory after the last swap, beside after the third",
            f"within {MOST_GROWTH:.0%}",
            f"{last / third - 1:+.1%} ({third / 1e6:.0f} and {last / 1e6:.0f} MB)",
            abs(last / third - 1) <= MOST_GROWTH,
        ),
    ]


def _returns(trace: Trace, entries: np.ndarray) -> int:
    """How often the version changed more than once on one connection between two entries."""
    returns = 0
    for connection in np.unique(trace.connection):
        rows = trace.connection == connection
        changed = trace.ended[rows][1:][np.diff(trace.answer[rows]) != 0]
        returns += int(np.sum(np.bincount(np.searchsorted(entries, changed), minlength=1) > 1))
    return returns


if __name__ == "__main__":
    sys.exit(main())
