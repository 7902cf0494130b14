import asyncio
import json

import pytest

from service.wire.errors import BodyTimeoutError, MediaTypeError, TooLargeError
from service.wire.http import ClientGoneError, read_body, refuse

pytestmark = pytest.mark.anyio
JSON = (b"content-type", b"application/json")


def parts(*bodies, end="http.disconnect", wait=False):
    """``receive`` of a client that sends these parts, then nothing or ``end``."""
    messages = [
        {"type": "http.request", "body": body, "more_body": more}
        for body, more in ((b if isinstance(b, tuple) else (b, True)) for b in bodies)
    ]
    calls = []

    async def receive():
        calls.append(1)
        if wait:
            await asyncio.sleep(0.001)
        if messages:
            return messages.pop(0)
        if end is None:
            await asyncio.sleep(60)
        return {"type": end}

    receive.calls = calls
    return receive


async def read(receive, *headers, limit=100, seconds=5.0):
    return await read_body({"headers": [JSON, *headers]}, receive, limit=limit, seconds=seconds)


@pytest.mark.parametrize("wait", [False, True])
async def test_a_body_comes_whole_or_in_parts(wait):
    assert await read(parts((b"abc", False), wait=wait)) == b"abc"
    assert await read(parts(b"a", b"b", (b"c", False), wait=wait)) == b"abc"


async def test_too_large_declared_is_refused_unread():
    receive = parts((b"x", False))
    with pytest.raises(TooLargeError, match=r"at most 100 bytes\. Received: 101 bytes"):
        await read(receive, (b"content-length", b"101"))
    assert receive.calls == []
    with pytest.raises(TooLargeError):
        await read(receive, (b"content-length", b"9" * 9000))


async def test_too_large_undeclared_is_refused_on_the_way():
    receive = parts(*[b"x" * 60] * 1000)
    with pytest.raises(TooLargeError, match="Received: more"):
        await read(receive)
    assert len(receive.calls) == 2
    with pytest.raises(TooLargeError):
        await read(parts((b"x" * 101, False)))


@pytest.mark.parametrize("sent", [[], [b"half"]])
async def test_a_body_that_does_not_come_is_a_408(sent):
    with pytest.raises(BodyTimeoutError, match=r"within 0\.02 s"):
        await read(parts(*sent, end=None), seconds=0.02)


async def test_a_client_that_goes_is_not_answered():
    with pytest.raises(ClientGoneError):
        await read(parts(b"half"))
    with pytest.raises(ClientGoneError):
        await read(parts())


async def test_a_cancelled_read_closes_the_call_that_it_waits_in():
    ends = []

    async def receive():
        try:
            await asyncio.sleep(60)
        finally:
            ends.append(1)

    task = asyncio.create_task(read(receive))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ends == [1]


async def refusal(receive, *headers, seconds=5.0):
    messages = []

    async def send(message):
        messages.append((message["type"], message.get("more_body", False), len(receive.calls)))
        if message["type"] == "http.response.start":
            messages.append(dict(message["headers"]))

    error = MediaTypeError("Expected JSON.")
    await refuse({"headers": list(headers)}, receive, send, error, limit=100, seconds=seconds)
    return messages


async def test_the_rest_of_a_large_body_is_thrown_away_after_the_answer():
    receive = parts(*[b"x" * 50] * 20, (b"", False))
    messages = await refusal(receive, (b"content-length", b"1000"))
    assert messages[0][0] == "http.response.start"
    assert messages[1][b"connection"] == b"close"
    assert messages[2] == ("http.response.body", True, 0)  # the whole answer is sent before any of the body is read
    assert messages[3] == ("http.response.body", False, 21)
    assert (await refusal(parts(b"x"), (b"transfer-encoding", b"chunked")))[-1][1:] == (False, 2)


async def test_a_client_that_never_ends_is_left_after_a_while():
    async with asyncio.timeout(1):
        messages = await refusal(parts(end=None), (b"transfer-encoding", b"chunked"), seconds=0.02)
    assert messages[-1][:2] == ("http.response.body", False)


async def test_a_small_body_keeps_the_connection():
    receive = parts((b"x", False))
    messages = await refusal(receive, (b"content-length", b"1"))
    assert b"connection" not in messages[1]
    assert receive.calls == []


async def test_the_sent_body_is_json_of_the_length_it_says():
    bodies = []

    async def send(message):
        bodies.append(message)

    await refuse({"headers": []}, parts(), send, MediaTypeError("no"), limit=1, seconds=1)
    assert json.loads(bodies[1]["body"])["error"]["code"] == "unsupported_media_type"
    assert dict(bodies[0]["headers"])[b"content-length"] == b"%d" % len(bodies[1]["body"])
