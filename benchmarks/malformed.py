"""Sends malformed HTTP and malformed bodies to a real service: ``python -m benchmarks.malformed --requests 100000``.

They go to all routes, in all formats, also over raw sockets. After every twenty comes a good request, whose answer is
compared with the Predictor's to the last bit. There must be no 5xx, no growth of memory, no new process, and hardly a
line of log.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil

from artifact.predictor import Predictor
from artifact.registry.local import LocalRegistry
from benchmarks.fuzz_corpus import MODEL
from benchmarks.machine import describe
from benchmarks.malformed_client import Clients, Outcomes
from benchmarks.malformed_wire import Wire
from tests.builders import build_version, sample_rows
from tests.processes import clean_environment, free_port, running, wait_until_ready

# The first use of a format loads its library and fills its pools: memory is compared after that.
WARM_UP = 3000
MOST_GROWTH = 16 * 2**20
MOST_LINES_A_SECOND = 1.0
_COMMAND = (sys.executable, "-m", "bentoml", "serve", "service:RegressionService", "--host", "127.0.0.1", "--port")


@dataclass(frozen=True)
class Run:
    """The result of one run.

    Attributes:
        before, after: resident bytes of each worker by its process id.
        between: resident bytes of the largest worker, each second.
        lines: lines that the service logged meanwhile.
    """

    outcomes: Outcomes
    before: dict[int, int]
    after: dict[int, int]
    between: list[int]
    lines: list[str]
    seconds: float

    @property
    def fifths(self) -> list[int]:
        """The median size in each fifth of the time."""
        return [int(np.median(part)) for part in np.array_split(self.between, 5) if len(part)]

    @property
    def grown(self) -> int:
        """Bytes that the worker's median size grew by from the second fifth of the time to the last.

        In the first fifth, libraries are loaded and pools are filled. The largest sizes depend on how many bombs of 32
        MiB happened to be unpacked side by side; the median shows the memory that stays.
        """
        fifths = self.fifths
        return fifths[-1] - fifths[min(1, len(fifths) - 1)]

    def faults(self) -> list[str]:
        """The limits that are not met."""
        outcomes = self.outcomes
        faults = {
            "answers of 5xx": outcomes.by_status(5) > 0,
            "worker processes changed": set(self.before) != set(self.after),
            "memory grew": self.grown > MOST_GROWTH,
            "log lines": len(self.lines) > max(MOST_LINES_A_SECOND * self.seconds, 1),
            "good requests answered wrong": bool(outcomes.wrong) or not outcomes.good,
            "whole requests without an answer": bool(outcomes.late),
        }
        return [text for text, is_so in faults.items() if is_so]


def run(requests: int, folder: Path, *, seed: int = 0, warm_up: int = WARM_UP, **settings: str) -> Run:
    """Serve a small model with every kind of feature and send the requests to it."""
    registry, port, log = LocalRegistry(folder / "home"), free_port(), folder / "log"
    reference = build_version(registry, name=MODEL, promote=True)
    predictor = Predictor.load(reference.path)
    good = []
    for row in sample_rows(predictor.schema, 50, seed=3):
        answer = predictor.predict_rows([row])
        expected = {name: float(getattr(answer, name)[0, 0]) for name in ("value", "lower", "upper")}
        good.append((json.dumps({"rows": [row]}).encode(), expected))
    environ = clean_environment(registry.home, TRUELINE_MODEL=MODEL, **settings)
    with running([*_COMMAND, str(port)], log, environ) as process:
        wait_until_ready(process, port, log)
        asyncio.run(Clients(port, Wire(seed + 1), good).send(warm_up))
        before, logged = _memory(process.pid), len(log.read_text(errors="replace").splitlines())
        began = time.monotonic()
        outcomes, between = asyncio.run(_sampled(Clients(port, Wire(seed), good), requests, process.pid))
        seconds = time.monotonic() - began
        time.sleep(1)  # for memory that is freed late, and late lines of log
        lines = log.read_text(errors="replace").splitlines()[logged:]
        return Run(outcomes, before, _memory(process.pid), between, lines, seconds)


async def _sampled(clients: Clients, requests: int, pid: int) -> tuple[Outcomes, list[int]]:
    """Send the requests, and read the workers' memory each second."""
    sending = asyncio.create_task(clients.send(requests))
    sizes: list[int] = []
    while not sending.done():
        await asyncio.wait([sending], timeout=1)
        sizes.append(max(_memory(pid).values(), default=0))
    return sending.result(), sizes


def _memory(pid: int) -> dict[int, int]:
    children = psutil.Process(pid).children(recursive=True)
    return {c.pid: c.memory_info().rss for c in children if "_bentoml_impl.worker.service" in " ".join(c.cmdline())}


def report(run: Run, requests: int) -> str:
    outcomes, size = run.outcomes, 2**20
    kinds = sorted({kind for kind, _ in outcomes.statuses})
    per_second = len(run.lines) / run.seconds
    all_sizes = [max(run.before.values()), *run.fifths, max(run.after.values())]
    sizes = ", ".join(f"{each / size:.0f}" for each in all_sizes)
    same = "the same process" if set(run.before) == set(run.after) else "ANOTHER PROCESS"
    right = f"{outcomes.good:,} of {outcomes.good + len(outcomes.wrong):,}"
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {describe()}. {requests:,} requests in {run.seconds:.0f} s "
        f"({requests / run.seconds:,.0f} a second).",
        "",
        "| what | asked | reached |",
        "| --- | --- | --- |",
        f"| answers of 5xx | 0 | {outcomes.by_status(5)} |",
        f"| refused with 4xx; answered; closed without an answer | | {outcomes.by_status(4):,}; "
        f"{outcomes.by_status(2):,}; {sum(n for (_, status), n in outcomes.statuses.items() if not status):,} |",
        f"| whole requests without an answer in time | 0 | {len(outcomes.late)} |",
        f"| growth of the worker's median memory, second fifth to last | at most {MOST_GROWTH // size} MiB, "
        "same process | "
        f"{run.grown / size:+.1f} MiB, {same} |",
        f"| its size before, median in each fifth of the time, after | | {sizes} MiB |",
        f"| its largest size | | {max(run.between) / size:.0f} MiB |",
        f"| lines of log | at most {MOST_LINES_A_SECOND:g} a second | {len(run.lines)}, {per_second:.2f} a second |",
        f"| good requests between them, answered right | all | {right} |",
        "",
        "| kind | sent | by status (0: none) |",
        "| --- | --- | --- |",
    ]
    for kind in kinds:
        counts = {status: n for (of, status), n in sorted(outcomes.statuses.items()) if of == kind}
        by_status = ", ".join(f"{status}: {n:,}" for status, n in counts.items())
        lines.append(f"| {kind} | {sum(counts.values()):,} | {by_status} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.malformed", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="defaults to 100000")
    parser.add_argument("--seed", type=int, default=0, help="defaults to 0")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="trueline-malformed-") as folder:
        result = run(options.requests, Path(folder), seed=options.seed)
    print(report(result, options.requests))
    for line in [*dict.fromkeys(result.lines)][:10]:
        print(f"\nlogged: {line[:300]}")
    for text in (*result.outcomes.wrong[:5], *map(repr, result.outcomes.late[:5])):
        print(f"\nwrong: {text[:1000]}")
    faults = result.faults()
    print(f"\nNot as asked: {', '.join(faults)}." if faults else "\nAll as asked.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
