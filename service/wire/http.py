"""Reading bodies and sending answers over ASGI, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, MutableMapping
from typing import Any, NamedTuple

from service.wire.errors import ApiError, BodyTimeoutError, Headers, TooLargeError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"
TEXT = b"text/plain; version=0.0.4; charset=utf-8"
HTML = b"text/html; charset=utf-8"
# Set in the scope of a request whose whole body has been read: an error then need not read and drop the rest.
BODY_IS_READ = "trueline.body_is_read"


class Reply(NamedTuple):
    """An answer with its whole body."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: Headers = ()


class StreamReply(NamedTuple):
    """An answer that is sent while it is computed; its status is 200."""

    pieces: AsyncIterator[bytes]
    headers: Headers
    status: int = 200


class ClientGoneError(Exception):
    """The client closed the connection before its body was complete; nobody is left to answer."""


def with_headers(send: Send, headers: Headers) -> Send:
    """A ``send`` that adds headers to the answer."""
    if not headers:
        return send

    def sending(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        return send(message)

    return sending


async def send_reply(send: Send, reply: Reply) -> None:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", b"%d" % len(reply.body)),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def send_stream(send: Send, reply: StreamReply) -> None:
    """Send each piece as soon as it exists; the server makes this wait while the client does not read."""
    await send({"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)})
    async for piece in reply.pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def error_reply(error: ApiError) -> Reply:
    return Reply(error.body(), error.status, JSON, error.headers)


async def refuse(scope: Scope, receive: Receive, send: Send, error: ApiError, *, limit: int, seconds: float) -> None:
    """Send an error, even while the body is still arriving.

    Closing a connection with unread bytes resets it, and the client loses the answer. So after the answer has been
    sent, a body above ``limit`` bytes or of unknown length is read and dropped for at most ``seconds``.
    """
    reply = error_reply(error)
    length = _declared_length(scope["headers"])
    if scope.get(BODY_IS_READ) or (length is not None and length <= limit):
        await send_reply(send, reply)
        return
    headers = [
        (b"content-type", JSON),
        (b"content-length", b"%d" % len(reply.body)),
        (b"connection", b"close"),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body, "more_body": True})
    try:
        async with asyncio.timeout(seconds):
            while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                pass
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})


async def read_body(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """The body of a request in any format, still compressed.

    Raises:
        TooLargeError: the client announced or sent more than ``limit`` bytes.
        BodyTimeoutError: the body was not complete within ``seconds``.
        ClientGoneError: the client closed the connection.
    """
    length = _declared_length(scope["headers"])
    if length is not None and length > limit:
        raise _too_large(limit, length)
    return await read_announced_body(scope, receive, limit=limit, seconds=seconds)


async def read_announced_body(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """The body of a request whose Content-Length has been checked already; errors as in :func:`read_body`."""
    first = _StartedCall(receive())
    message = first.message
    if message is not None and message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit, len(body))
    else:
        try:
            async with asyncio.timeout(seconds):
                body = await _read_to_end(first, receive, limit)
        except TimeoutError:
            raise BodyTimeoutError(f"Expected the whole body within {seconds:g} s. Received: a part of it.") from None
    scope[BODY_IS_READ] = True
    return body


class _StartedCall:
    """A call that runs up to its first wait.

    Most bodies have arrived when their request is seen. A timer for each of them would cost a tenth of the whole
    request. So a timer is set only if ``message`` is still None, which means that the call has to be awaited.
    """

    def __init__(self, call: Awaitable[Message]) -> None:
        self.message: Message | None = None
        self._rest: Generator[Any, Any, Message] = call.__await__()
        try:
            self._waits_for = next(self._rest)
        except StopIteration as stop:
            self.message = stop.value

    def __await__(self) -> Generator[Any, Any, Message]:
        if self.message is None:
            try:
                yield self._waits_for
            except BaseException:
                self._rest.close()
                raise
            self.message = yield from self._rest
        return self.message


async def _read_to_end(message_to_come: Awaitable[Message], receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await message_to_come
        if message["type"] != "http.request":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit, None)
        if not message.get("more_body"):
            return b"".join(parts)
        message_to_come = receive()


def _too_large(limit: int, length: int | None) -> TooLargeError:
    received = "more" if length is None else f"{length} bytes"
    return TooLargeError(
        f"Expected a body of at most {limit} bytes. Received: {received}. Send the rows in several requests."
    )


def _declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Bytes of body that the client announced; 0 where it announced none, None where the length is unknown."""
    length = 0
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            length = _number(value)
    return length


def _number(digits: bytes) -> int:
    """A Content-Length. Digits after the twentieth are dropped: the number is too large in any case."""
    return int(digits[:20]) if digits.isdigit() else 0
