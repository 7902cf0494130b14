import asyncio
import os
import sys
import threading

import pytest

from service.live.background import in_background

pytestmark = pytest.mark.anyio


def priority() -> tuple[str, int]:
    return threading.current_thread().name, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux gives each thread a priority of its own.")
async def test_only_the_thread_of_the_call_has_a_lower_priority():
    before = priority()[1]
    name, background = await in_background(priority)
    assert name.startswith("background")
    assert background == before + 5
    assert priority()[1] == before
    assert (await asyncio.to_thread(priority))[1] == before


async def test_answers_and_errors_come_back():
    assert await in_background(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_background(divmod, 7, 0)


async def test_nobody_waits_for_a_call_that_hangs():
    released = threading.Event()
    task = asyncio.create_task(in_background(released.wait, 30))
    await asyncio.sleep(0.01)
    began = asyncio.get_running_loop().time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.get_running_loop().time() - began < 5
    released.set()
