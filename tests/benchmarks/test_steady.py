"""The load of a fixed rate counts each kind of answer, and a slow server does not stop it."""

import asyncio

import pytest

from benchmarks import soak
from benchmarks.steady import Counts, Plan, Sender

pytestmark = pytest.mark.anyio


class Server:
    """Answers a body of digits with that status, others with 200; ``hang up`` and ``cut`` close the connection."""

    def __init__(self, pieces=1):
        self.pieces, self.seen, self.open, self.most = pieces, [], 0, 0

    async def __call__(self, reader, writer):
        while head := (await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""):
            body = (await reader.readexactly(int(head.split(b"Length: ")[1].split(b"\r\n")[0]))).decode()
            self.seen.append(body)
            self.open += 1
            self.most = max(self.most, self.open)
            await asyncio.sleep(0.002)
            self.open -= 1
            if body != "hang up":
                status = body if body.isdigit() else "200"
                answer = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
                size = -(-len(answer) // self.pieces)
                for i in range(self.pieces):
                    writer.write(answer[i * size : (i + 1) * size])
                    await writer.drain()
                    await asyncio.sleep(0.0005 if self.pieces > 1 else 0)
            if body in ("hang up", "cut"):
                break
        writer.close()
        await writer.wait_closed()


async def run(server, requests, *, rate=200.0, seconds=0.5, connections=4):
    async def serve(reader, writer):
        try:
            await server(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    plan = Plan(listening.sockets[0].getsockname()[1], rate, seconds, connections, requests)
    async with listening:
        counts = await Sender(plan).run()
    await asyncio.sleep(0.05)  # so that the server's sides end
    return counts


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("pieces", [1, 7])
async def test_answers_are_counted_by_what_they_are(pieces):
    server = Server(pieces)
    requests = [
        ("right", 200, "right"),
        ("other", 200, "another one"),
        ("422", 422, "422"),
        ("404", 422, "404"),
        ("503", 200, "503"),
    ]
    counts = await run(server, requests)
    assert counts.sent == len(server.seen) > 10
    seen = {body: server.seen.count(body) for body, _, _ in requests}
    assert (counts.good, counts.refused, counts.broken) == (seen["right"], seen["422"], seen["503"])
    assert counts.wrong == seen["other"] + seen["404"]
    assert counts.lost == 0


async def test_a_lost_answer_is_counted_and_the_connection_made_again():
    server = Server()
    counts = await run(server, [("right", 200, "right"), ("hang up", 200, "x"), ("cut", 200, "cut")], connections=2)
    hung_up, cut = server.seen.count("hang up"), server.seen.count("cut")
    # A request that is sent while a connection is being cut is lost, too, and the server never sees it.
    assert 2 < hung_up <= counts.lost <= hung_up + cut
    assert counts.good == server.seen.count("right") + cut > 4
    assert counts.wrong == counts.broken == 0


async def test_there_are_never_more_requests_at_once_than_connections():
    server = Server()
    counts = await run(server, [("right", 200, "right")], rate=1e6, connections=3)
    assert server.most == 3
    assert counts.good == len(server.seen) < 1e6 * counts.seconds


async def test_the_rate_is_not_exceeded():
    counts = await run(Server(), [("right", 200, "right")], rate=100.0, seconds=1.0, connections=16)
    assert 0 < counts.sent <= 100 * counts.seconds + 1


def test_the_report_says_what_is_met():
    good = Counts(good=7200, refused=800, wrong=0, broken=0, lost=0, seconds=1.0, p50=0.001, p99=0.002)
    memory = [100_000_000] * 20
    assert soak.report(10_000, 9_000, 0.8, good, memory).count("| yes |") == 5
    bad = good._replace(wrong=1, broken=2, lost=3, seconds=1.1)
    grown = [100_000_000 + i * 1_000_000 for i in range(20)]
    text = soak.report(10_000, 9_000, 0.8, bad, grown)
    assert text.count("| no |") == 5
    assert "| 72.8% | no |" in text
