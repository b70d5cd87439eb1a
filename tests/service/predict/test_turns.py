"""Processes take turns, by a lock that ends with whoever holds it."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.predict.turns import turn

HOLD = """
import asyncio, sys
from pathlib import Path
from service.predict.turns import turn

async def hold():
    async with turn(Path(sys.argv[1])):
        print("has it", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


def test_whoever_is_alone_has_the_turn() -> None:
    """Without a file nobody else is there."""

    async def alone() -> bool:
        async with turn(None) as has_it:
            return has_it

    assert asyncio.run(alone())


def test_without_the_folder_nobody_waits(tmp_path: Path) -> None:
    """A version is loaded all the same when a temporary folder has been swept away."""

    async def swept() -> bool:
        async with turn(tmp_path / "swept" / "loading") as has_it:
            return has_it

    assert not asyncio.run(swept())


def test_one_after_the_other(tmp_path: Path) -> None:
    """Two that want it at once never have it together, though each waits in the middle."""
    inside: list[int] = []

    async def work(number: int) -> bool:
        async with turn(tmp_path / "loading") as has_it:
            assert inside == []
            inside.append(number)
            await asyncio.sleep(0.05)
            inside.remove(number)
            return has_it

    async def both() -> list[bool]:
        return list(await asyncio.gather(work(1), work(2)))

    assert asyncio.run(both()) == [True, True]


@pytest.mark.parametrize("is_killed", [False, True])
def test_patience_ends_and_so_does_a_dead_process_turn(tmp_path: Path, *, is_killed: bool) -> None:
    """Who holds it too long is not waited for; who was killed holds nothing."""
    file = tmp_path / "loading"
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "has it\n"
        if is_killed:
            holder.send_signal(signal.SIGKILL)
            holder.wait()

        async def wait() -> bool:
            async with turn(file, patience_s=0.3) as has_it:
                return has_it

        began = time.monotonic()
        has_it = asyncio.run(wait())
        took_s = time.monotonic() - began
        holder.kill()

    assert has_it == is_killed
    assert is_killed or took_s >= 0.3
