"""Bodies whose content type says nothing: clients of these protocols send one of their own, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from service.predict.requests import PredictRequest
from service.wire.compression import Unpacker
from service.wire.http import Receive, Scope, read_body
from service.worker import Worker

# A larger body is read beside the event loop: at once it would hold up other requests for a millisecond and more.
LARGE = 65_536


async def read_any_body(worker: Worker, scope: Scope, receive: Receive) -> bytes:
    """The whole body, unpacked.

    Raises:
        MediaTypeError: an unknown Content-Encoding.
        TooLargeError: more bytes than a body may have, packed or unpacked.
        BodyFormatError: not what the encoding says.
        BodyTimeoutError: not complete in time.
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


async def begun(read: Callable[[], PredictRequest], size: int) -> Callable[[], PredictRequest]:
    """``read``, or for a large body its outcome: what it returned or raised in a thread, to be had by a call."""
    if size <= LARGE:
        return read
    outcome = asyncio.get_running_loop().run_in_executor(None, read)
    # Looked at here, so that nothing is said of it where the client leaves meanwhile.
    outcome.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait([outcome])
    return outcome.result
