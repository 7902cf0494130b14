"""Clients that send malformed requests to a real server over loopback, and sometimes a good one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.malformed_wire import Sent, Wire

_ANSWER_SECONDS = 20.0
# How long a connection stays open while the server rightly waits for more.
_WAIT_SECONDS = 0.02
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Outcomes:
    """The answers.

    Attributes:
        statuses: answers by kind and status; 0 where there was none.
        good: good requests that were answered right.
        wrong: answers to good requests that were not right.
        late: whole requests without an answer in time.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    good: int = 0
    wrong: list[str] = field(default_factory=list)
    late: list[bytes] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.statuses.total()

    def by_status(self, first: int) -> int:
        """Answers whose status has this first digit."""
        return sum(n for (_, status), n in self.statuses.items() if status // 100 == first)


class Clients:
    """Several connections at once.

    Args:
        port: port on the loopback.
        wire: gives the malformed requests.
        good: bodies of good requests for ``/predict``, each with the right prediction.
    """

    def __init__(self, port: int, wire: Wire, good: list[tuple[bytes, dict[str, float]]]) -> None:
        self._port, self._wire, self._good = port, wire, good
        self._remaining = 0
        self.outcomes = Outcomes()

    async def send(self, requests: int, connections: int = 16, good_every: int = 20) -> Outcomes:
        """Send ``requests`` malformed requests, and a good one after every ``good_every``."""
        self._remaining = requests
        self.outcomes = Outcomes()
        await asyncio.gather(*(self._client(good_every) for _ in range(connections)))
        return self.outcomes

    async def _client(self, good_every: int) -> None:
        """Use one connection for all whole requests, and a new one for each request that is not whole."""
        connection = _Kept(self._port)
        while self._remaining > 0:
            self._remaining -= 1
            if self._remaining % good_every == 0:
                await self._ask_well(connection)
            sent = self._wire.next()
            if sent.ends:
                status = await self._send_alone(sent)
            else:
                answer = await connection.ask(sent.data)
                if answer is None:
                    self.outcomes.late.append(sent.data[:2000])
                status = 0 if answer is None else answer[0]
            self.outcomes.statuses[sent.kind, status] += 1
        connection.close()

    async def _ask_well(self, connection: _Kept) -> None:
        body, expected = self._good[self._remaining % len(self._good)]
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        reply = await connection.ask(head % len(body) + body)
        if reply is not None and reply[0] == 200:
            (answer,) = json.loads(reply[1])["predictions"]
            if {name: answer[name] for name in expected} == expected:
                self.outcomes.good += 1
                return
        self.outcomes.wrong.append(repr(reply)[:300])

    async def _send_alone(self, sent: Sent) -> int:
        """Send on a connection of its own, and close that: at once, or after some time for an answer."""
        status = 0
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            with contextlib.suppress(OSError):
                if sent.reset:
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.write(sent.data)
                await writer.drain()
                if not sent.reset:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_WAIT_SECONDS):
                            status = _status(await reader.readline())
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return status


class _Kept:
    """A connection that is opened again if the server closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, data: bytes) -> tuple[int, bytes] | None:
        """Status and body of the answer, or None where none came."""
        for _ in range(2):  # an open connection may end just now: then the request is sent once more on a new one
            fresh = self._streams is None
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    return await self._ask(data)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.close()
                if fresh or isinstance(error, TimeoutError):
                    return None
        return None

    async def _ask(self, data: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        reader, writer = self._streams
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
        if fields.get(b"transfer-encoding") == b"chunked":
            body = b""
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        else:
            body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
        if fields.get(b"connection") == b"close":
            self.close()
        return _status(lines[0]), body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _status(line: bytes) -> int:
    parts = line.split()
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
