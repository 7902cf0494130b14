"""Sends a load of a fixed rate and compares every answer: ``python -m benchmarks.steady < plan.json``.

wrk sends as fast as it gets answers; this sends by a clock. At each tick, idle connections send the requests that are
due, one at a time on each. Requests that a slow moment has delayed are sent later, at most five seconds' worth, and
never more at once than there are connections. So a service that cannot keep the rate shows as a lower rate.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import uvloop

TICK_SECONDS = 0.001
_CATCH_UP_SECONDS = 5.0
_DRAIN_SECONDS = 10.0
# Latencies are counted in tenths of a millisecond, up to a second.
_STEPS, _STEP_SECONDS = 10_000, 0.0001


class Plan(NamedTuple):
    """The requests to send.

    Attributes:
        port: port on the loopback.
        rate: requests/s.
        seconds: duration.
        connections: the most requests at once.
        requests: body, expected status and expected answer, byte for byte; they are sent in turn. Several answers are
            expected where several versions may answer.
        trace: file for a :class:`Trace`; none where it is empty.
    """

    port: int
    rate: float
    seconds: float
    connections: int
    requests: list[tuple[str, int, str | list[str]]]
    trace: str = ""


class Trace(NamedTuple):
    """Every expected answer, in the order of their ends.

    Attributes:
        ended: by the machine's monotonic clock, in seconds, float64 (n_answers,).
        seconds: latencies, float32 (n_answers,).
        answer: which of the expected answers it was, int8 (n_answers,).
        connection: number of its connection, int32 (n_answers,).
    """

    ended: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float32]
    answer: npt.NDArray[np.int8]
    connection: npt.NDArray[np.int32]

    @classmethod
    def read(cls, path: Path) -> Trace:
        """Read what a run wrote."""
        with np.load(path) as arrays:
            return cls(*(arrays[name] for name in cls._fields))


class Counts(NamedTuple):
    """The answers, counted.

    Attributes:
        good, refused: expected answers, with status 200 and 4xx.
        wrong: answers of another status, below 500, or another body.
        broken: answers of 5xx.
        lost: requests whose connection ended before the answer did, or that were never answered.
        seconds: seconds that the sending took.
        p50, p99: seconds from a request to the end of its answer.
    """

    good: int
    refused: int
    wrong: int
    broken: int
    lost: int
    seconds: float
    p50: float
    p99: float

    @property
    def sent(self) -> int:
        return self.good + self.refused + self.wrong + self.broken + self.lost


class Sender:
    """Sends a plan and counts the answers."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.idle: deque[Connection] = deque()
        self.open: set[Connection] = set()
        self.connecting: set[asyncio.Task[None]] = set()
        self.statuses = {"good": 0, "refused": 0, "wrong": 0, "broken": 0, "lost": 0}
        self.latencies = [0] * (_STEPS + 1)
        self.traced: tuple[array[Any], ...] = (array("d"), array("f"), array("b"), array("i"))
        self.connections = 0
        self.ending = False
        self._next = 0
        self._requests = [_request(*request) for request in plan.requests]

    async def run(self) -> Counts:
        loop = asyncio.get_running_loop()
        for _ in range(self.plan.connections):
            await self.connect()
        began, due, last = loop.time(), 0.0, loop.time()
        most = self.plan.rate * _CATCH_UP_SECONDS
        while (now := loop.time()) < began + self.plan.seconds:
            due = min(due + (now - last) * self.plan.rate, most)
            last = now
            while due >= 1 and self.idle:
                due -= 1
                self._send(self.idle.popleft())
            await asyncio.sleep(TICK_SECONDS)
        seconds = loop.time() - began
        self.ending = True
        deadline = loop.time() + _DRAIN_SECONDS
        while len(self.idle) < len(self.open) and loop.time() < deadline:
            await asyncio.sleep(0.01)
        self.statuses["lost"] += len(self.open) - len(self.idle)
        for connection in [*self.open]:
            connection.close()
        while self.open and loop.time() < deadline:
            await asyncio.sleep(0.01)
        if self.plan.trace:
            np.savez(self.plan.trace, **dict(zip(Trace._fields, map(np.asarray, self.traced), strict=True)))
        return Counts(**self.statuses, seconds=seconds, p50=self._quantile(0.5), p99=self._quantile(0.99))

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.plan.port)

    def answered(self, kind: str, seconds: float) -> None:
        self.statuses[kind] += 1
        self.latencies[min(int(seconds / _STEP_SECONDS), _STEPS)] += 1

    def _send(self, connection: Connection) -> None:
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        connection.send(*request)

    def _quantile(self, share: float) -> float:
        rank, seen = share * sum(self.latencies), 0
        for step, count in enumerate(self.latencies):
            seen += count
            if seen >= rank:
                return step * _STEP_SECONDS
        return _STEPS * _STEP_SECONDS


class Connection(asyncio.Protocol):
    """One connection, with at most one request on its way."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._expected: tuple[int, tuple[bytes, ...]] | None = None
        self._received = b""
        self._sent_at = 0.0
        sender.connections += 1
        self._number = sender.connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are not subclasses of it
        self._sender.open.add(self)
        self._sender.idle.append(self)

    def close(self) -> None:
        self._expected = None
        self._transport.close()

    def send(self, request: bytes, status: int, bodies: tuple[bytes, ...]) -> None:
        self._expected = status, bodies
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head, end, body = received.partition(b"\r\n\r\n")
        if not end or self._expected is None:
            self._received = received
            return
        status, expected = self._expected
        if body not in expected:
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(body) < length:
                self._received = received
                return
        self._received, self._expected = b"", None
        code = int(head[9:12])
        if code >= 500:
            kind = "broken"
        elif code != status or body not in expected:
            kind = "wrong"
        else:
            kind = "good" if code == 200 else "refused"
        seconds = time.perf_counter() - self._sent_at
        self._sender.answered(kind, seconds)
        if self._sender.plan.trace and kind == "good":
            values = (time.monotonic(), seconds, expected.index(body), self._number)
            for column, value in zip(self._sender.traced, values, strict=True):
                column.append(value)
        self._sender.idle.append(self)

    def connection_lost(self, _error: Exception | None) -> None:
        sender = self._sender
        sender.open.discard(self)
        if self in sender.idle:
            sender.idle.remove(self)
        sender.statuses["lost"] += self._expected is not None
        if not sender.ending:
            task = asyncio.ensure_future(sender.connect())
            sender.connecting.add(task)
            task.add_done_callback(sender.connecting.discard)


def _request(body: str, status: int, answer: str | list[str]) -> tuple[bytes, int, tuple[bytes, ...]]:
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body.encode())}\r\n\r\n"
    )
    answers = [answer] if isinstance(answer, str) else answer
    return (head + body).encode(), status, tuple(each.encode() for each in answers)


def main() -> int:
    plan = Plan(**json.load(sys.stdin))
    counts = uvloop.run(Sender(plan).run())
    print(json.dumps(counts._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
