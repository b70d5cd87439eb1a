"""Time in which a whole process stood still, as by `docker pause`: nobody in it could answer."""

import asyncio
import time

# No sleep here is nearly so long: one that takes longer was not waited for.
_STOOD_STILL_S = 5.0


async def stood_still(sleep_s: float) -> bool:
    """Sleep, and tell whether the process stood still meanwhile."""
    began = time.monotonic()
    await asyncio.sleep(sleep_s)
    return time.monotonic() - began > _STOOD_STILL_S
