"""Work that may never end: in a thread that nobody has to wait for."""

import asyncio
import atexit
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")

# A thread that gives way still gets a tenth of a core that another one keeps busy: with less, a
# service at its limit would refuse a large version as not loaded in time.
_GIVES_WAY, _MOST = 10, 19


async def run_apart(
    work: Callable[[], Result], timeout_s: float, *, gives_way: bool = False
) -> Result:
    """Run something in a thread of its own, which is left to itself when the time is over.

    Unlike a thread of a pool it keeps neither other work nor the end of the process waiting. Python
    cannot stop it: what never ends goes on until the process ends.

    Args:
        work: to be run.
        timeout_s: seconds that the caller waits.
        gives_way: whether others who want the core go first, on Linux; for the threads that it
            starts that holds for ever.

    Raises:
        TimeoutError: it has not ended in time.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        if gives_way:
            give_way()
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  whatever it is, the caller hears of it
            _tell(loop, future, partial(future.set_exception, error))
        else:
            _tell(loop, future, partial(future.set_result, result))

    threading.Thread(target=run, name="apart", daemon=True).start()
    try:
        async with asyncio.timeout(timeout_s):
            return await future
    except TimeoutError:
        atexit.register(_leave)
        raise


def give_way() -> None:
    """Let other threads go first from now on; without privileges there is no way back."""
    if sys.platform != "linux":  # elsewhere it would be the whole process
        return
    thread = threading.get_native_id()
    niceness = min(_MOST, os.getpriority(os.PRIO_PROCESS, thread) + _GIVES_WAY)
    with contextlib.suppress(OSError):  # where a sandbox forbids it
        os.setpriority(os.PRIO_PROCESS, thread, niceness)


def _leave() -> None:
    """End the process without tearing down what a thread that was left is busy with.

    Python would take the interpreter from under native code, which then aborts the process.
    """
    logging.shutdown()
    os._exit(0)


def _tell(
    loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", tell: Callable[[], None]
) -> None:
    def if_anybody_waits() -> None:
        if not future.done():
            tell()

    if not loop.is_closed():
        loop.call_soon_threadsafe(if_anybody_waits)
