"""How often the log says that no descriptor is left; test_readiness_served has a service without any."""

import asyncio
import errno
import os

import pytest

from service.process.descriptors import DescriptorWatch


@pytest.fixture
def opening(monkeypatch):
    """The error number of opening ``/dev/null``; 0 where it succeeds."""
    fault = [0]
    real = os.open

    def open_file(path, *arguments, **more):
        if path == os.devnull and fault[0]:
            raise OSError(fault[0], os.strerror(fault[0]))
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", open_file)
    return fault


def test_it_is_said_once_a_minute_while_it_lasts_and_when_it_is_over(opening, log):
    watch = DescriptorWatch([1, 2, 3])
    watch.look(0.0)
    assert log.text == ""
    opening[0] = errno.EMFILE
    for now in range(1, 61):
        watch.look(float(now))
    assert log.text.count("Expected a free file descriptor") == 1
    assert "with 3 connections open" in log.text
    watch.look(61.0)
    assert log.text.count("Expected a free file descriptor") == 2
    opening[0] = 0
    watch.look(62.0)
    watch.look(63.0)
    assert log.text.count("There are free file descriptors again") == 1
    opening[0] = errno.EMFILE
    watch.look(64.0)
    assert log.text.count("Expected a free file descriptor") == 3


def test_the_systems_limit_is_told_from_the_process_s_and_another_fault_is_not_its_own(opening, log):
    watch = DescriptorWatch([])
    opening[0] = errno.ENOENT
    watch.look(0.0)
    assert log.text == ""
    opening[0] = errno.ENFILE
    watch.look(1.0)
    assert "none in the whole system (fs.file-max)" in log.text


@pytest.mark.anyio
async def test_it_looks_by_itself(opening, log):
    watch = DescriptorWatch([], look_seconds=0.01)
    watch.looks.start()
    opening[0] = errno.EMFILE
    async with asyncio.timeout(5):
        while "Expected a free" not in log.text:
            await asyncio.sleep(0.01)
    await watch.looks.stop()
