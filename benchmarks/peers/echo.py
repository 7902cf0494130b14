"""Bare ASGI under uvicorn that answers a fixed body: the limit of the server itself, with no work done."""

from __future__ import annotations

from typing import Any

ANSWER = b'{"predictions": [{"value": 0.0}]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
