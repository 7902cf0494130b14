"""Where one request ends and the next begins: uvicorn's HTTP/1 protocol, with what it leaves open closed.

A request may ask to go on in another protocol (``Upgrade: h2c`` of Java's client and of ``curl --http2``, TLS,
websocket). This service offers none, and ignores the wish, as a server may (RFC 9110, 7.8). llhttp, the parser below
uvicorn, stops at such a request, in the belief that the bytes after its head are of that protocol; uvicorn then goes on
as if they were the next request, although they are this one's body. See docs/decisions/0033-upgrades.md.
"""

from __future__ import annotations

from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.wire.http import ASGIApp, Message, Receive, Reply, Scope, Send, send_reply

_BROKEN = "Invalid HTTP request received."  # uvicorn's own, in the log and in the answer
_TUNNEL = "Expected a method that asks for an answer. Received: CONNECT, which asks for a tunnel."


class Connection(HttpToolsProtocol):
    """One HTTP/1 connection. Nothing but the start of a connection and the end of a request starts a request.

    - A request that asks for an upgrade is read like one that does not; CONNECT is refused.
    - When the client is gone, the request that is being answered is told, whatever came after it.
    - After bytes that are no HTTP nothing more is read; requests before them are answered first.
    - Trailers are no headers.
    - An answer of unknown length to HTTP/1.0 ends with the connection.
    """

    # Which request is being answered; uvicorn's ``cycle`` is the last one that came. In a slot, for one attribute more
    # in the dictionary costs a small request half a microsecond.
    __slots__ = ("_answered",)
    _answered: RequestResponseCycle | None

    def connection_made(self, transport: Any) -> None:
        self._answered = None
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # uvicorn tells the request that came last; with others behind it the one that is being answered would go on,
        # and write to a connection that is gone.
        answered = self._answered
        if answered is not None and not answered.response_complete:
            answered.disconnected = True
            answered.message_event.set()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            self._go_on(memoryview(data)[stopped.args[0] :])
        except httptools.HttpParserError as error:
            self._end(_sentence(error))

    def on_chunk_header(self) -> None:
        """Called for each chunk. What comes in the head's form from here on is a trailer, and is thrown away.

        Raises:
            _RefusedError: the body is coded in another way besides, which would be taken for its content.
        """
        if self.headers is self.scope["headers"]:
            codings = [value for name, value in self.headers if name == b"transfer-encoding"]
            if len(codings) != 1 or codings[0].strip().lower() != b"chunked":
                received = ascii(b", ".join(codings).decode("latin-1")[:100])
                raise _RefusedError(f"Expected Transfer-Encoding: chunked, and no other. Received: {received}.")
        self.headers = []

    def _should_upgrade(self) -> bool:
        # Asked only where llhttp stops: uvicorn then starts no answer, and _go_on has the request parsed again.
        return True

    def _go_on(self, rest: memoryview) -> None:
        """Parse what the parser stopped at; ``rest`` begins right behind that request's head."""
        try:
            while True:
                if self.parser.get_method() == b"CONNECT":
                    self._end(_TUNNEL)
                    return
                head = self._head_without_upgrade()
                self.parser = self._new_parser()
                self.parser.feed_data(head)
                try:
                    self.parser.feed_data(rest)
                except httptools.HttpParserUpgrade as stopped:  # a later request asks, too
                    rest = rest[stopped.args[0] :]
                else:
                    return
        except httptools.HttpParserError as error:
            self._end(_sentence(error))

    def _head_without_upgrade(self) -> bytes:
        """The last head again, put together from what was parsed of it: no byte in it can mean two things."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"\r\n"])

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        return parser

    def _end(self, sentence: str) -> None:
        """Read nothing more. Requests that came whole are answered, then the connection is closed."""
        self.logger.warning(_BROKEN)  # one sentence for all: the log lets it through once a minute
        self.parser = cast("httptools.HttpRequestParser", _NoParser())
        last = self.cycle
        if last is None or (last.response_complete and not last.more_body):
            self.send_400_response(sentence)
        elif not last.more_body:
            last.keep_alive = False
        elif last is not self._answered:  # the fault is in the body of a request that others wait before
            self.pipeline.popleft()
            before = self.pipeline[0][0] if self.pipeline else self._answered
            cast("RequestResponseCycle", before).keep_alive = False
        elif last.response_started:  # an answer of its own is out already, or a part of it
            self.transport.close()
        else:
            self.send_400_response(sentence)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        if cycle.scope["http_version"] != "1.1":
            app = _for_version(app, cycle)
        # As uvicorn does it; a call of its method would be a hundredth of a small request.
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)


class _RefusedError(Exception):
    """A request that the parser takes, and this service does not."""


def _sentence(error: httptools.HttpParserError) -> str:
    """What the client is told; httptools wraps what a callback raised."""
    return str(error.__context__) if isinstance(error.__context__, _RefusedError) else _BROKEN


class _NoParser:
    """Stands where the parser did, and throws away what comes."""

    def feed_data(self, data: bytes) -> None:
        pass


def _for_version(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """The app for a request of another version than 1.1: as HTTP/1.0 wants it, or a refusal."""
    cycle.waiting_for_100_continue = False  # an expectation of HTTP/1.0 is to be ignored (RFC 9110, 10.1.1)
    if cycle.scope["http_version"] == "1.0":
        return _Unchunked(app, cycle)
    cycle.keep_alive = False
    return _refuse_version


async def _refuse_version(scope: Scope, _receive: Receive, send: Send) -> None:
    sentence = f"Expected HTTP/1.1 or HTTP/1.0. Received: HTTP/{scope['http_version']}."
    # Not 505: a 5xx tells an operator of a fault of the service, and this is the client's.
    await send_reply(send, Reply(sentence.encode(), 400, b"text/plain; charset=utf-8"))


class _Unchunked:
    """An app for HTTP/1.0, which knows no chunks: a body of unknown length ends with the connection (RFC 9112, 6.3).

    An answer that breaks off is reset, not closed, for a closed one would look whole.

    Args:
        app: answers.
        cycle: uvicorn's state of the answer; it closes the connection after each answer to HTTP/1.0.
    """

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle = self._cycle
        until_closed = False

        async def sending(message: Message) -> None:
            nonlocal until_closed
            if message["type"] == "http.response.start":
                headers = [(name, value) for name, value in message["headers"] if name.lower() != b"transfer-encoding"]
                until_closed = all(name.lower() != b"content-length" for name, _ in headers)
                if until_closed:
                    cycle.chunked_encoding = False
                message = {**message, "headers": headers}
            elif until_closed:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except BaseException:
            if until_closed and cycle.response_started:
                cycle.transport.abort()
            raise
