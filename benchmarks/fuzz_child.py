"""The process that the fuzzer watches: it sends damaged requests to the real app and prints their outcomes.

Prints one JSON object for each finding and one at the end. The input that is being read is in the file ``current``, so
that an input which ends this process, or never ends, is known.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from artifact.registry.local import LocalRegistry
from benchmarks.fuzz_corpus import MODEL, Case, Current, corpus
from benchmarks.fuzz_mutations import mutated
from service.app.app import App
from service.metrics.metrics import Metrics
from service.protocols.oip_grpc import METHODS, read_message
from service.settings.settings import Settings
from service.wire.errors import ApiError
from service.worker import Worker
from tests.builders import build_version

# An input may take this much time and memory: far more than any input of its size needs.
MOST_SECONDS = 5.0
MOST_BYTES = 96 * 2**20
LIMITS = Settings(
    max_body_bytes=2**20, max_bulk_bytes=2**20, max_unpacked_bytes=4 * 2**20, max_bulk_rows=5000, max_rows=5000
)

Outcome = tuple[str, str]


class Target:
    """The app of one worker, with a real model, in this process."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._app = App(worker, _no_inner_app)
        self.logged = ""

    async def outcome(self, case: Case) -> Outcome:
        """``("ok", status)``, or a fault: its kind, the same while an input is made smaller, and details."""
        self.logged = ""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.monotonic()
        try:
            status = await (self._message(case) if case.path == "grpc" else self._request(case))
        except Exception as error:  # noqa: BLE001 - the fuzzer looks for any exception
            return type(error).__name__, repr(error)[:500]
        seconds = time.monotonic() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        if status >= 500:
            return f"status {status}", self.logged[-3000:]
        if seconds > MOST_SECONDS:
            return "slow", f"{seconds:.1f} s"
        if grown > MOST_BYTES:
            return "memory", f"{grown / 2**20:.0f} MiB"
        return "ok", str(status)

    async def _request(self, case: Case) -> int:
        ends = [*case.cuts, len(case.body)]
        pieces = [case.body[a:b] for a, b in zip([0, *case.cuts], ends, strict=True)]
        messages = [{"type": "http.request", "body": p, "more_body": i + 1 < len(pieces)} for i, p in enumerate(pieces)]
        headers = [(name.encode(), value.encode("utf-8")) for name, value in case.headers]
        scope = {"type": "http", "method": "POST", "path": case.path, "query_string": case.query.encode()}
        sent: list[Any] = []

        async def receive() -> Any:
            if messages:
                return messages.pop(0)
            await asyncio.Event().wait()
            return None

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app({**scope, "headers": [*headers, (b"content-length", b"%d" % len(case.body))]}, receive, send)
        answer = b"".join(message.get("body", b"") for message in sent[1:])
        kind = dict(sent[0]["headers"])
        if b"content-encoding" not in kind and b"json" in kind[b"content-type"]:
            lines = answer.splitlines() if kind[b"content-type"].endswith(b"x-ndjson") else [answer]
            for line in lines:
                if b"inference-header-content-length" not in kind:
                    orjson.loads(line)
        return int(sent[0]["status"])

    async def _message(self, case: Case) -> int:
        infer = METHODS["ModelInfer"]
        try:
            (await infer.handler(self._worker, read_message(infer.request, case.body))).SerializeToString()
        except ApiError as refused:
            return refused.plain().status
        return 200


async def _no_inner_app(_scope: Any, _receive: Any, _send: Any) -> None:
    raise RuntimeError("Expected only the fuzzed paths. Received: another one.")


class _Log(logging.Handler):
    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        self._target.logged += self.format(record)


@contextmanager
def quiet(target: Target) -> Iterator[None]:
    """Send the service's log to the target while the context is open."""
    logger = logging.getLogger("bentoml.trueline")
    handler, propagate = _Log(target), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    yield
    logger.removeHandler(handler)
    logger.propagate = propagate


async def with_target(use: Callable[[Target], Awaitable[None]]) -> None:
    """Start a worker on a small model with every kind of feature, use it, and stop it."""
    with tempfile.TemporaryDirectory(prefix="trueline-fuzz-") as home:
        registry = LocalRegistry(Path(home))
        build_version(registry, name=MODEL, promote=True)
        worker = Worker(LIMITS, registry, Metrics(CollectorRegistry()))
        await worker.start()
        target = Target(worker)
        with quiet(target):
            await use(target)
        await worker.stop()


async def smaller(target: Target, case: Case, kind: str, tries: int = 400) -> Case:
    """A body made as small as possible that fails in the same way."""
    size = max(len(case.body) // 2, 1)
    while size and tries:
        at = 0
        while at < len(case.body) and tries:
            tries -= 1
            shorter = Case(case.path, case.headers, case.body[:at] + case.body[at + size :], case.query)
            if (await target.outcome(shorter))[0] == kind:
                case = shorter
            else:
                at += size
        size //= 2
    return case


async def fuzz(target: Target, parser: str, *, seconds: float, inputs: int, seed: int, folder: Path) -> None:
    """Send damaged requests until the time is over or their number is reached."""
    rng = random.Random(f"{parser} {seed}")
    cases = corpus(parser)
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    current = Current(folder / "current")
    for case in cases[:3]:  # first use takes memory of its own
        await target.outcome(case)
    began = time.monotonic()
    count = 0
    while count < inputs and time.monotonic() - began < seconds:
        case = mutated(rng, rng.choice(cases), cases)
        current.keep(case)
        kind, more = await target.outcome(case)
        count += 1
        counts[more if kind == "ok" else "wrong"] += 1
        where = f"{kind} {more[-120:]}"
        if kind != "ok" and where not in seen and len(seen) < 20:
            seen.add(where)
            case = case if kind in ("slow", "memory") else await smaller(target, case, kind)
            file = folder / f"{parser}-{seed}-{count}"
            file.write_bytes(case.pack())
            print(json.dumps({"kind": kind, "more": more, "file": file.name}), flush=True)
    print(json.dumps({"inputs": count, "seconds": time.monotonic() - began, "counts": counts}), flush=True)


def main() -> None:
    parser, seconds, inputs, seed, folder = sys.argv[1:]

    async def use(target: Target) -> None:
        numbers = {"seconds": float(seconds), "inputs": int(inputs), "seed": int(seed)}
        await fuzz(target, parser, folder=Path(folder), **numbers)

    async def again(target: Target) -> None:
        print(json.dumps(await target.outcome(Case.read_from(Path(folder).read_bytes()))))

    asyncio.run(with_target(again if parser == "again" else use))


if __name__ == "__main__":
    main()
