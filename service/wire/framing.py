"""Finds where one request ends and the next begins: uvicorn's HTTP/1 protocol, with its mistakes mended.

A request may ask to change to another protocol (``Upgrade: h2c`` of Java's client and of ``curl --http2``, TLS,
websocket). This service offers none and ignores the request to change, as a server may (RFC 9110, 7.8). llhttp, the
parser below uvicorn, stops after the head of such a request, because it takes the bytes that follow for the other
protocol. uvicorn then reads them as the next request, although they are the body of this one. See
docs/decisions/0033-upgrades.md.
"""

from __future__ import annotations

from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.wire.http import ASGIApp, Message, Receive, Reply, Scope, Send, send_reply

_BROKEN = "Invalid HTTP request received."  # uvicorn's own message, for the log and the answer
_TUNNEL = "Expected a method that asks for an answer. Received: CONNECT, which asks for a tunnel."


class Connection(HttpToolsProtocol):
    """One HTTP/1 connection. A request starts only at the start of the connection or at the end of another request.

    - A request that asks for an upgrade is read like any other; CONNECT is refused.
    - When the client leaves, the request that is being answered learns it, even if others wait behind it.
    - After bytes that are not HTTP, nothing more is read; requests before them are answered first.
    - Trailers are not taken for headers.
    - An answer of unknown length to HTTP/1.0 ends with the connection.
    """

    # The request that is being answered; uvicorn's ``cycle`` is the request that was received last. It is in a slot,
    # because one more attribute in the dictionary would cost a small request half a microsecond.
    __slots__ = ("_current",)
    _current: RequestResponseCycle | None

    def connection_made(self, transport: Any) -> None:
        self._current = None
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # uvicorn says only to the request that was received last that the client has left. If that request still waits
        # behind another one, the other one would go on, and write to a closed connection.
        current = self._current
        if current is not None and not current.response_complete:
            current.disconnected = True
            current.message_event.set()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._go_on(memoryview(data)[stop.args[0] :])
        except httptools.HttpParserError as error:
            self._end(_sentence(error))

    def on_chunk_header(self) -> None:
        """Drop trailers: header lines after this call are not the head's. The parser calls this for each chunk.

        Raises:
            _RefusedError: the body has another transfer coding too, which would be taken for its content.
        """
        if self.headers is self.scope["headers"]:
            codings = [value for name, value in self.headers if name == b"transfer-encoding"]
            if len(codings) != 1 or codings[0].strip().lower() != b"chunked":
                received = ascii(b", ".join(codings).decode("latin-1")[:100])
                raise _RefusedError(f"Expected Transfer-Encoding: chunked, and no other. Received: {received}.")
        self.headers = []

    def _should_upgrade(self) -> bool:
        # uvicorn calls this only where llhttp stops. It then starts no answer, and _go_on parses the request again.
        return True

    def _go_on(self, rest: memoryview) -> None:
        """Parse the request at which the parser stopped; ``rest`` begins right behind the request's head."""
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
                except httptools.HttpParserUpgrade as stop:  # a later request asks for an upgrade too
                    rest = rest[stop.args[0] :]
                else:
                    return
        except httptools.HttpParserError as error:
            self._end(_sentence(error))

    def _head_without_upgrade(self) -> bytes:
        """The last head without ``Upgrade``, rebuilt from its parsed parts, so that no byte can be read in two ways."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"\r\n"])

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as in uvicorn
        return parser

    def _end(self, sentence: str) -> None:
        """Read nothing more. Complete requests are answered, then the connection is closed."""
        self.logger.warning(_BROKEN)  # the same message each time: the log lets it through once a minute
        self.parser = cast("httptools.HttpRequestParser", _NoParser())
        last = self.cycle
        if last is None or (last.response_complete and not last.more_body):
            self.send_400_response(sentence)
        elif not last.more_body:
            last.keep_alive = False
        elif last is not self._current:  # the fault is in the body of a request that waits behind others
            self.pipeline.popleft()
            before = self.pipeline[0][0] if self.pipeline else self._current
            cast("RequestResponseCycle", before).keep_alive = False
        elif last.response_started:  # its answer has been sent, or a part of it
            self.transport.close()
        else:
            self.send_400_response(sentence)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._current = cycle
        if cycle.scope["http_version"] != "1.1":
            app = _for_version(app, cycle)
        # The same as uvicorn's method, whose call would cost a hundredth of a small request.
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)


class _RefusedError(Exception):
    """The parser accepts a request that this service does not."""


def _sentence(error: httptools.HttpParserError) -> str:
    """The message for the client; httptools wraps an error that a callback raised."""
    return str(error.__context__) if isinstance(error.__context__, _RefusedError) else _BROKEN


class _NoParser:
    """Takes the parser's place and drops all bytes."""

    def feed_data(self, data: bytes) -> None:
        pass


def _for_version(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """The app for a request of another version than 1.1: one that obeys HTTP/1.0, or one that refuses."""
    cycle.waiting_for_100_continue = False  # a server must ignore this expectation in HTTP/1.0 (RFC 9110, 10.1.1)
    if cycle.scope["http_version"] == "1.0":
        return _Unchunked(app, cycle)
    cycle.keep_alive = False
    return _refuse_version


async def _refuse_version(scope: Scope, _receive: Receive, send: Send) -> None:
    sentence = f"Expected HTTP/1.1 or HTTP/1.0. Received: HTTP/{scope['http_version']}."
    # The status is not 505, for a 5xx tells an operator of a fault of the service, and this fault is the client's.
    await send_reply(send, Reply(sentence.encode(), 400, b"text/plain; charset=utf-8"))


class _Unchunked:
    """An app for HTTP/1.0, which has no chunks: a body of unknown length ends with the connection (RFC 9112, 6.3).

    If an answer breaks off, the connection is reset and not closed, for a closed one would look like a whole answer.

    Args:
        app: answers the request.
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
