"""Bodies whose content type is ignored: clients of these protocols send various content types, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from service.predict.requests import PredictRequest
from service.wire.compression import Unpacker
from service.wire.http import Receive, Scope, read_body
from service.worker import Worker

# A larger body is read in a thread: on the event loop it would delay other requests by a millisecond or more.
LARGE = 65_536


async def read_any_body(worker: Worker, scope: Scope, receive: Receive) -> bytes:
    """Read the whole body, and unpack it.

    Raises:
        MediaTypeError: the Content-Encoding is unknown.
        TooLargeError: the body has too many bytes, packed or unpacked.
        BodyFormatError: the body is not what its encoding says.
        BodyTimeoutError: the body was not complete in time.
        ClientGoneError: the client closed the connection.
    """
    settings = worker.settings
    limit = settings.max_body_bytes
    encoding = next((v for n, v in scope["headers"] if n == b"content-encoding"), b"").strip().lower().decode("latin-1")
    unpacker = Unpacker(encoding or "identity", limit)
    body = await read_body(scope, receive, limit=limit, seconds=settings.body_seconds)
    if encoding in ("", "identity"):
        return body
    unpacked = await asyncio.to_thread(lambda: b"".join(unpacker.feed(body)))
    unpacker.finish()
    return unpacked


async def read_early(read: Callable[[], PredictRequest], size: int) -> Callable[[], PredictRequest]:
    """Return ``read`` itself where the body is small.

    For a large body run it in a thread first, and return a function that gives its result or raises its exception.
    """
    if size <= LARGE:
        return read
    outcome = asyncio.get_running_loop().run_in_executor(None, read)
    # The exception is retrieved here, so that asyncio logs no warning if the client leaves meanwhile.
    outcome.add_done_callback(lambda future: future.cancelled() or future.exception())
    await asyncio.wait([outcome])
    return outcome.result
