"""Bare ASGI + pydantic + ONNX Runtime under uvicorn: the limit with the work done, and nothing else."""

from __future__ import annotations

from typing import Any

from common import Request, answer, table
from onnx_network import open_session, run

session = open_session()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    values = run(session, table(Request.model_validate_json(body).rows))
    text = answer(values).model_dump_json().encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})
