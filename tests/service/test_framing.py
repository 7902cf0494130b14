"""Where requests begin and end, compared with h11, another implementation; test_framing_served has real clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import h11
import pytest
import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from service.wire.framing import Connection

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
INNER = b"GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"


class Transport:
    """A connection whose other end is the test."""

    def __init__(self) -> None:
        self.written, self.closed, self.aborted, self.paused = b"", False, False, False
        self.lost = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data: bytes) -> None:
        self._check()
        if not self.closed:
            self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self._check()
        self.paused = True

    def resume_reading(self) -> None:
        self._check()
        self.paused = False

    def _check(self) -> None:
        if self.lost:
            raise RuntimeError("unable to perform operation on a closed handler")  # as uvloop does


class Seen(NamedTuple):
    """A whole request; its body is None where it was answered unread."""

    method: bytes
    target: bytes
    body: bytes | None


class App:
    """Answers each request after reading its body; below ``/early`` before that."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        body: bytes | None = b""
        if scope["path"].startswith("/early"):
            body = None
        else:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body, more = body + message["body"], message["more_body"]  # type: ignore[operator]
                await asyncio.sleep(0)
        self.seen.append(Seen(scope["method"].encode(), target, body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})


async def _talk(app: Any, segments: Sequence[bytes], turns: int) -> Transport:
    config = uvicorn.Config(app, log_config=None, ws="none")
    connection, transport = Connection(config, ServerState(), {}), Transport()
    connection.connection_made(transport)
    for segment in segments:
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(200):
            if not transport.paused:
                break
            await asyncio.sleep(0)
        if transport.closed:
            break
        connection.data_received(segment)
    for _ in range(20 + 20 * len(connection.pipeline)):
        await asyncio.sleep(0)
    closed, aborted = transport.closed, transport.aborted
    connection.connection_lost(None)
    transport.lost = True
    for _ in range(5):
        await asyncio.sleep(0)
    transport.closed, transport.aborted = closed, aborted
    return transport


def talk(app: Any, *segments: bytes, turns: int = 1) -> Transport:
    """The outcome of segments that a client sends, with ``turns`` of the loop between them."""
    return asyncio.run(_talk(app, segments, turns))


def judged(data: bytes) -> list[Seen]:
    """The requests in ``data`` as h11 reads them, up to the first that it refuses or after which it closes."""
    messages: list[Seen] = []
    open_, rest = True, data
    while open_:
        # Empty lines before a request are ignored (RFC 9112, 2.2); h11 refuses them.
        request, open_, rest = _judged_one(rest.lstrip(b"\r\n"))
        if request is not None:
            messages.append(request)
    return messages


def _judged_one(data: bytes) -> tuple[Seen | None, bool, bytes]:
    """The first request, whether the connection stays open after it, and the bytes behind it."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1_000_000)
    connection.receive_data(data)
    message: Seen | None = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = event
                if request.target.startswith(b"/early"):
                    message = Seen(request.method, request.target, None)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                message = message or Seen(request.method, request.target, body)
                rest = connection.trailing_data[0]
                connection.send(h11.Response(status_code=405, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                return message, connection.our_state is not h11.MUST_CLOSE, rest
            else:
                return message, False, b""
    except h11.RemoteProtocolError:
        return message, False, b""


def chunked(parts: Sequence[bytes], extension: bytes = b"", trailer: bytes = b"") -> bytes:
    chunks = [b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts if part]
    return b"".join([*chunks, b"0\r\n", trailer, b"\r\n"])


HEADERS = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
    b"Upgrade: h2c\r\n",
    b"Connection: Upgrade\r\n",
    b"connection: upgrade\r\nupgrade: TLS/1.0, HTTP/1.1\r\n",
    b"Connection: keep-alive, Upgrade\r\nUpgrade: h2,h2c\r\nUpgrade: foo\r\n",
    b"UPGRADE: websocket\r\nConnection:upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\nSec-WebSocket-Version: 13\r\n",
    b"Proxy-Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Upgrade: \r\nConnection: Upgrade\r\n",
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"Expect: 100-continue\r\n",
    b"X-Empty:\r\n",
    b"Content-Type: application/json\r\n",
    b"Cookie: " + b"a" * 300 + b"\r\n",
)
TRAILERS = (b"", b"Foo: bar\r\n", b"Upgrade: h2c\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n")
METHODS = st.sampled_from([b"POST", b"POST", b"GET", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"HEAD"])
TARGETS = st.sampled_from([b"/predict", b"/a?b=c", b"/early", b"/v2/models/m/infer", b"/early?x=%20"])
BODIES = st.one_of(
    st.sampled_from(
        [b"", INNER, INNER * 3, b"POST /inner HTTP/1.1\r\nHost: x\r\n" + H2C + b"\r\n", b"0\r\n\r\n", b"\r\n\r\n"]
    ),
    st.binary(max_size=40),
    st.integers(1, 3).map(lambda n: b'{"rows": []}' * 1000 * n),
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, Seen]:
    """A well-formed request, as bytes and as the app should see it."""
    method, target, body = draw(METHODS), draw(TARGETS), draw(BODIES)
    lines = draw(st.lists(st.sampled_from(HEADERS), max_size=3))
    framing = draw(st.sampled_from(["length", "chunks", "none"]))
    if framing == "length":
        lines.append(b"Content-Length: %d\r\n" % len(body))
        content = body
    elif framing == "chunks":
        lines.append(b"Transfer-Encoding: chunked\r\n")
        place = draw(st.integers(0, len(body)))
        extension = draw(st.sampled_from([b"", b";a=b", b';a="b"']))
        content = chunked([body[:place], body[place:]], extension, draw(st.sampled_from(TRAILERS)))
    else:
        content = body = b""
    head = b"%b %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (method, target, b"".join(draw(st.permutations(lines))))
    return head + content, Seen(method, target, None if target.startswith(b"/early") else body)


def in_segments(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({place % (len(data) + 1) for place in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if b > a]


CUTS = st.lists(st.integers(0, 200_000), max_size=6)
POST_H2C = b"POST /predict HTTP/1.1\r\nHost: x\r\n" + H2C + b"Content-Length: %d\r\n\r\n"


@settings(max_examples=300, deadline=None)
@given(st.lists(requests(), min_size=1, max_size=5), CUTS, st.integers(0, 4))
@example([(POST_H2C % len(INNER) + INNER, Seen(b"POST", b"/predict", INNER))] * 3, [], 0)
@example([(POST_H2C % len(INNER) + INNER, Seen(b"POST", b"/predict", INNER))] * 3, [len(POST_H2C % len(INNER))], 4)
def test_every_request_is_read_whole_whatever_it_asks_to_be_upgraded_to(sent, cuts, turns):
    """Cases V04 and V05, generalised."""
    data = b"".join(raw for raw, _ in sent)
    expected = [request for _, request in sent]
    assert judged(data) == expected
    app = App()
    transport = talk(app, *in_segments(data, cuts), turns=turns)
    assert app.seen == expected
    assert not transport.closed
    assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == len(expected)


# Each is inserted into a head, or replaces a part of it.
NASTY = (
    (b"Host: x\r\n", b"Host: x\r\nContent-Length: 5\r\n"),
    (b"Host: x\r\n", b"Host: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n"),
    (b"Host: x\r\n", b"Host: x\r\nTransfer-Encoding: chunked\r\n"),
    (b"Host: x\r\n", b"Host: x\r\nTransfer-Encoding: identity\r\n"),
    (b"Host: x\r\n", b"Host: x\r\nX: a\r\n Content-Length: 40\r\n"),
    (b"Host: x\r\n", b"Host: x\r\nTransfer-Encoding:\r\n chunked\r\n"),
    (b"Content-Length: ", b"Content-Length : "),
    (b"Content-Length: ", b"Content-Length: +"),
    (b"Content-Length: ", b"Content-Length: 0x"),
    (b"Content-Length: ", b"Content-Length:\x0b"),
    (b"Content-Length: ", b"Content-Length: 1, "),
    (b"Content-Length: ", b"Content-Length: 99999999999999999999"),
    (b"Content-Length: ", b"Content_Length: "),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: xchunked"),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked"),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked, identity"),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked"),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: \x00chunked"),
    (b"Transfer-Encoding: chunked", b"TRANSFER-ENCODING: CHUNKED"),
    (b" HTTP/1.1\r\n", b" HTTP/1.0\r\n"),
    (b" HTTP/1.1\r\n", b" HTTP/2.0\r\n"),
    (b" HTTP/1.1\r\n", b" HTTP/1.1\n"),
    (b" HTTP/1.1\r\n", b"\r\n"),
    (b"\r\n\r\n", b"\n\n"),
    (b"\r\n\r\n", b"\r\r\n"),
    (b"\r\n\r\n", b"\r\n\r"),
    (b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n"),
    (b"Host: x\r\n", b" Host: x\r\n"),
    (b"POST ", b"CONNECT "),
    (b"POST /predict", b"CONNECT x:443"),
    (b"GET /", b"PRI *"),
    (b"\r\n0\r\n", b"\r\n-1\r\n"),
    (b"\r\n0\r\n", b"\r\n00000000\r\n"),
    (b"\r\n0\r\n", b"\r\n0;" + b"a" * 50 + b"\n"),
)


# Each run has the same examples, for h11 has leniencies of its own that a random example could hit.
@settings(max_examples=1000, deadline=None, derandomize=True)
@given(
    st.lists(requests(), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(NASTY)), max_size=2),
    st.integers(0, 10),
    CUTS,
    st.integers(0, 3),
)
def test_no_request_is_seen_that_h11_does_not_see(sent, nasty, lost, cuts, turns):
    """A request that is broken or ambiguous is read as h11 reads it or not at all, and nothing behind it is read."""
    raws = [raw for raw, _ in sent]
    for place, (old, new) in nasty:
        place %= len(raws)
        raws[place] = raws[place].replace(old, new, 1)
    data = b"".join(raws)
    data = data[: len(data) - lost]
    expected = judged(data)
    app = App()
    transport = talk(app, *in_segments(data, cuts), turns=turns)
    more = app.seen[len(expected) :]
    assert app.seen[: len(expected)] == expected[: len(app.seen)]
    # Some requests that h11 refuses at their head are refused here at the first byte of their body.
    assert [request.body for request in more] in ([], [None])
    assert transport.closed or app.seen == expected


async def streams(scope, receive, send):
    """An answer whose length is unknown when it begins; its route selects the variant."""
    await receive()
    status = int(scope["query_string"] or b"200")
    headers = [(b"transfer-encoding", b"chunked")] if scope["path"] == "/chunked" else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for piece in (b'{"a": 1}\n', b"", b'{"a": 2}\n'):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if scope["path"] == "/broken":
            raise RuntimeError("in the middle")
    await send({"type": "http.response.body"})


@pytest.mark.parametrize("path", [b"/", b"/chunked"])
def test_case_v10_an_answer_of_unknown_length_to_http_1_0_ends_with_the_connection(path):
    transport = talk(streams, b"GET %b HTTP/1.0\r\n\r\n" % path)
    head, body = transport.written.split(b"\r\n\r\n", 1)
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body == b'{"a": 1}\n{"a": 2}\n'
    assert transport.closed
    assert not transport.aborted
    newer = talk(streams, b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    assert newer.written.endswith(b'\r\n9\r\n{"a": 1}\n\r\n9\r\n{"a": 2}\n\r\n0\r\n\r\n')
    assert not newer.closed


@pytest.mark.parametrize("line", [b"HEAD /", b"HEAD /chunked", b"GET /?204", b"GET /?304"])
def test_an_answer_without_a_body_says_nothing_of_chunks_to_http_1_0(line):
    transport = talk(streams_nothing, line + b" HTTP/1.0\r\n\r\n")
    assert b"transfer-encoding" not in transport.written.lower()
    assert transport.written.endswith(b"connection: close\r\n\r\n")
    assert transport.closed


async def streams_nothing(scope, receive, send):
    status = int(scope["query_string"] or b"200")
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"" if scope["query_string"] else b"{}"})


def test_an_answer_to_http_1_0_that_breaks_off_is_reset_for_a_closed_one_would_look_whole():
    transport = talk(streams, b"GET /broken HTTP/1.0\r\n\r\n")
    assert transport.aborted


def test_an_answer_of_known_length_to_http_1_0_keeps_it():
    transport = talk(App(), b"POST /predict HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx")
    assert transport.written == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


@pytest.mark.parametrize("version", [b"2.0", b"0.9"])
def test_another_version_is_refused(version):
    app = App()
    transport = talk(app, b"GET / HTTP/%b\r\nHost: x\r\n\r\n" % version + INNER)
    assert transport.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert transport.written.endswith(b"Expected HTTP/1.1 or HTTP/1.0. Received: HTTP/%b." % version)
    assert (app.seen, transport.closed) == ([], True)


@pytest.mark.parametrize("target", [b"x:443", b"/predict"])
def test_connect_is_refused_and_nothing_behind_it_is_read(target):
    app = App()
    connect = b"CONNECT %b HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n" % target
    transport = talk(app, connect, INNER, INNER)
    assert transport.written.startswith(b"HTTP/1.1 400 ")
    assert b"Received: CONNECT" in transport.written
    assert (app.seen, transport.closed) == ([], True)


def test_requests_before_a_fault_are_answered_first_and_their_answers_are_not_cut():
    """The fault arrives while answers are sent: a 400 in the middle of an answer would be read as a part of it."""
    for fault in (b"\x16\x03\x01garbage\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX : y\r\n\r\n"):
        transport = talk(streams, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + fault + INNER, INNER, turns=0)
        assert transport.written.count(b"HTTP/1.1 200 OK") == 2
        assert transport.written.endswith(b"0\r\n\r\n")
        assert b"400" not in transport.written
        assert transport.closed


def test_a_broken_body_behind_others_is_not_answered_and_the_others_are():
    damaged = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    app = App()
    transport = talk(app, INNER + INNER + damaged + INNER, turns=0)
    assert app.seen == [Seen(b"GET", b"/inner", b"")] * 2
    assert transport.written.count(b"HTTP/1.1") == 2
    assert transport.closed
    alone = talk(App(), damaged)
    assert alone.written.startswith(b"HTTP/1.1 400 ")
    early = talk(App(), damaged.replace(b"/a", b"/early").removesuffix(b"zz\r\n"), b"zz\r\n", turns=5)
    assert (
        early.written.count(b"HTTP/1.1") == 1
    )  # its own answer; a second one would be taken for the answer to the next request
    assert early.closed


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity, chunked", b"gzip\r\nTransfer-Encoding: chunked"])
def test_a_body_in_another_transfer_coding_is_refused_and_not_taken_for_its_content(coding):
    app = App()
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: %b\r\n\r\n" % coding
    transport = talk(app, head + chunked([b"abc"]) + INNER)
    assert transport.written.startswith(b"HTTP/1.1 400 ")
    assert b"Expected Transfer-Encoding: chunked, and no other." in transport.written
    assert (app.seen, transport.closed) == ([], True)


def test_trailers_are_no_headers():
    app = App()
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked \r\n\r\n"
    talk(app, head + chunked([b"abc"], trailer=b"X-API-Key: k\r\n"))
    assert app.seen == [Seen(b"POST", b"/predict", b"abc")]
    assert [name for name, _ in app.scopes[0]["headers"]] == [b"host", b"transfer-encoding"]


def test_a_thousand_upgrades_in_one_segment_take_no_time():
    app = App()
    count = 1000
    started = time.process_time()
    talk(app, (POST_H2C % len(INNER) + INNER) * count, turns=0)
    assert time.process_time() - started < 5
    assert app.seen == [Seen(b"POST", b"/predict", INNER)] * count


def test_a_client_that_leaves_is_noticed_by_the_request_that_is_answered_whatever_came_after_it(caplog):
    ends = []

    async def waits(scope, receive, send):
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
        ends.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    talk(waits, INNER + INNER)
    assert ends == ["http.disconnect"]
    assert "Exception" not in caplog.text
