"""The requests that ``benchmarks.malformed`` sends: malformed HTTP, and correct HTTP with malformed bodies."""

from __future__ import annotations

import random
from typing import NamedTuple
from urllib.parse import quote

from benchmarks.fuzz_corpus import CORPORA, MODEL, Case, corpus
from benchmarks.fuzz_mutations import mutated

_HOST = b"Host: x\r\n"
_JSON = b"Content-Type: application/json\r\n"
_PATHS = ("/predict", "/", "/schema", "/model", "/metrics", "/docs.json", "/readyz", "/v2", f"/v2/models/{MODEL}/infer")
_PATHS += (f"/v1/models/{MODEL}:predict", f"/v2/models/{MODEL}", "/nothing", "/v2/models/other/ready", "/schema.json")
_METHODS = (b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PATCH", b"BREW", b"get", b"G" * 300)


class Sent(NamedTuple):
    """One request to send.

    Attributes:
        kind: its name in the table.
        data: bytes of a request, whole or not.
        ends: whether the client must close the connection: the request is not whole, or the server's reaction is not
            known.
        reset: whether the client resets the connection at once and waits for no answer.
    """

    kind: str
    data: bytes
    ends: bool
    reset: bool = False


class Wire:
    """Draws the requests to send, the same ones for a seed.

    Args:
        seed: seed of all draws.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._corpora = [corpus(name) for name in CORPORA if name != "oip-grpc"]
        self._heads = (self._line, self._headers, self._length, self._chunks, self._early, self._other_protocol)

    def next(self) -> Sent:
        rng = self._rng
        if rng.random() < 0.6:
            cases = rng.choice(self._corpora)
            return Sent("body", framed(mutated(rng, rng.choice(cases), cases)), ends=False)
        return rng.choice(self._heads)()

    def _request(self) -> bytes:
        method, path = self._rng.choice(_METHODS), self._rng.choice(_PATHS).encode()
        return method + b" " + path + b" HTTP/1.1\r\n" + _HOST

    def _line(self) -> Sent:
        rng = self._rng
        path = rng.choice(
            (b"/" * 3000, b"/%", b"/%zz", b"/\xff", b"predict", b"/..%2f..%2fetc", b"http://x/predict", b"*")
        )
        line = rng.choice(
            (
                b"\r\n\r\n",
                b"GET\r\n\r\n",
                b"GET /predict\r\n\r\n",
                b"GET " + path + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
                b"POST /predict HTTP/9.9\r\n" + _HOST + b"\r\n",
                b"POST /predict HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
                b"GET /predict?" + b"a=b&" * 2000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
                b"GET  /predict  HTTP/1.1\r\n" + _HOST + b"\r\n",
                bytes(rng.randrange(256) for _ in range(rng.randrange(1, 200))) + b"\r\n\r\n",
                self._request() + b"\r\n",
            )
        )
        return Sent("request line", line, ends=True)

    def _headers(self) -> Sent:
        rng = self._rng
        header = rng.choice(
            (
                b"".join(b"X-%d: y\r\n" % i for i in range(rng.choice((100, 2000)))),
                b"X-Long: " + b"y" * rng.choice((9000, 200_000)) + b"\r\n",
                b"Bad Name: y\r\n",
                b"NoColon\r\n",
                b": empty\r\n",
                b"X: a\r\n folded\r\n",
                b"X: \x00\x01\r\n",
                b"X-Request-ID: " + b"\xff" * 50 + b"\r\n",
                b"Accept: " + b"a/b;q=1," * 500 + b"\r\n",
                b"Expect: 100-continue\r\nContent-Length: 5\r\n",
                b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n",
                b"Content-Encoding: gzip, br\r\nContent-Length: 0\r\n",
                b"Authorization: Bearer \xff\xfe\r\nTraceparent: 00-zz\r\n",
            )
        )
        return Sent("headers", self._request() + header + b"\r\n", ends=True)

    def _length(self) -> Sent:
        rng = self._rng
        lengths = (b"-1", b"x", b"1e3", b"0x10", b"9" * 30, b"5, 5", b"+5", b"", b"99999999999", b"3", b"1048576")
        header = b"Content-Length: " + rng.choice(lengths) + b"\r\n"
        if rng.random() < 0.3:
            header += rng.choice(
                (b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n")
            )
        data = b"POST /predict HTTP/1.1\r\n" + _HOST + _JSON + header + b"\r\n" + b'{"rows": [{}]}'
        return Sent("content length", data, ends=True)

    def _chunks(self) -> Sent:
        rng = self._rng
        chunks = rng.choice(
            (
                b"zz\r\n{}\r\n0\r\n\r\n",
                b"ffffffffffffffff\r\n{}",
                b"fffffffffffffffffffff\r\n{}",
                b"-2\r\n{}\r\n0\r\n\r\n",
                b"2\r\n{}0\r\n\r\n",
                b"2;" + b"a=b;" * 5000 + b"\r\n{}\r\n0\r\n\r\n",
                b"1\r\n{\r\n" * 500 + b"0\r\n\r\n",
                b"2\r\n{}\r\n0\r\nX: y\r\n" + b"Y: z\r\n" * 500 + b"\r\n",
                b"0\r\n\r\n",
                b"2\n{}\n0\n\n",
            )
        )
        head = b"POST /predict HTTP/1.1\r\n" + _HOST + _JSON + b"Transfer-Encoding: chunked\r\n\r\n"
        return Sent("chunks", head + chunks, ends=True)

    def _early(self) -> Sent:
        """A part of a good request, after which the client closes the connection."""
        case = self._rng.choice(self._rng.choice(self._corpora))
        data = framed(case)
        return Sent("early close", data[: self._rng.randrange(1, len(data))], ends=True, reset=self._rng.random() < 0.5)

    def _other_protocol(self) -> Sent:
        rng = self._rng
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(rng.randrange(256) for _ in range(300))
        http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" * 50
        others = (
            hello,
            http2,
            b"\x00" * 4000,
            b"SSH-2.0-x\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"GET / HTTP/1.1\r\n\r\n" * 20,
        )
        return Sent("other protocol", rng.choice(others), ends=True)


def framed(case: Case) -> bytes:
    """The bytes of a whole request, from a case."""
    query = f"?{quote(case.query, safe='=&%')}" if case.query else ""
    head = f"POST {case.path}{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(case.body)}\r\n"
    headers = "".join(f"{name}: {value}\r\n" for name, value in case.headers)
    return (head + headers + "\r\n").encode() + case.body
