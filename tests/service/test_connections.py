"""Connections that the sweeper closes, and others that it must not; test_faults has a real one."""

import asyncio
from types import SimpleNamespace

import pytest

from service.process.connections import Sweeper


class Transport:
    def __init__(self):
        self.aborted, self.closing, self.unsent = False, False, 0

    def abort(self):
        self.aborted = True

    def is_closing(self):
        return self.closing

    def get_write_buffer_size(self):
        return self.unsent


class Protocol:
    """The attributes of uvicorn's connection that the sweeper reads."""

    def __init__(self, cycle=None, timer=None):
        self.transport, self.cycle, self.timeout_keep_alive_task = Transport(), cycle, timer


@pytest.fixture
def connections():
    return set()


@pytest.fixture
def sweeper(connections):
    return Sweeper(connections, header_seconds=10, write_seconds=30)


def test_a_head_that_does_not_end(connections, sweeper):
    slow = Protocol()
    later = Protocol(cycle=SimpleNamespace(response_complete=True))
    connections |= {slow, later}
    for now in range(10):
        sweeper.sweep(now)
    later.cycle = SimpleNamespace(response_complete=True)  # a whole request has come in between
    sweeper.sweep(10)
    assert (slow.transport.aborted, later.transport.aborted) == (True, False)
    sweeper.sweep(20)
    assert later.transport.aborted


def test_a_request_that_is_answered_and_an_idle_connection_stay(connections, sweeper):
    working = Protocol(cycle=SimpleNamespace(response_complete=False))
    idle = Protocol(cycle=SimpleNamespace(response_complete=True), timer=object())
    connections |= {working, idle}
    for now in range(0, 1000, 5):
        sweeper.sweep(now)
    assert not working.transport.aborted
    assert not idle.transport.aborted


def test_an_answer_that_nobody_takes(connections, sweeper):
    stuck = Protocol(cycle=SimpleNamespace(response_complete=True), timer=object())
    slow = Protocol(cycle=SimpleNamespace(response_complete=False))
    stuck.transport.unsent = slow.transport.unsent = 100_000
    stuck.transport.closing = True  # the server has closed it, and waits for the peer
    connections |= {stuck, slow}
    for now in range(0, 31, 5):
        slow.transport.unsent -= 1000
        sweeper.sweep(now)
    assert (stuck.transport.aborted, slow.transport.aborted) == (True, False)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it_looks_by_itself(connections):
    slow = Protocol()
    connections.add(slow)
    sweeper = Sweeper(connections, header_seconds=0.02, write_seconds=1)
    sweeper.looks.start()
    async with asyncio.timeout(5):
        while not slow.transport.aborted:
            await asyncio.sleep(0.005)
    await sweeper.looks.stop()
