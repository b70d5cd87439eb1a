"""Whether the service answers: lanes that work, and background tasks that run."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from service.predict.lanes import Lanes
from service.standstill import stood_still

log = logging.getLogger("goodserve")

CHECK_INTERVAL_S = 0.1
_PAUSE_AFTER_FAILURE_S = 1.0


class Health:
    """Watches over the lanes and over the tasks that watch; readiness asks it."""

    def __init__(self, lanes: Lanes, on_check: Callable[[], None] = lambda: None) -> None:
        """Watch these lanes; `on_check` is called after each look at them."""
        self._lanes = lanes
        self._on_check = on_check
        self._failing: set[str] = set()

    def trouble(self) -> str | None:
        """Say why the service should get no traffic now; None if all is well."""
        active = self._lanes.active
        if active is None:
            return "no model is loaded"
        trouble = active.trouble()
        if trouble is not None:
            return f"{active.id}: {trouble}"
        if self._failing:
            return f"background tasks fail: {', '.join(sorted(self._failing))}"
        return None

    async def watch(self) -> None:
        """Give up lanes that are lost, until cancelled."""
        while True:
            self._lanes.give_up_lost()
            self._on_check()
            if await stood_still(CHECK_INTERVAL_S):
                self._lanes.forgive()

    async def keep_running(
        self,
        name: str,
        task: Callable[[], Awaitable[None]],
        pause_s: float = _PAUSE_AFTER_FAILURE_S,
    ) -> None:
        """Run a task for ever: one that ends is logged, shown in `trouble`, and begun again."""
        while True:
            try:
                await task()
                log.error("the task %r ended, which it never should", name)
            except Exception:
                log.exception("the task %r failed", name)
            # Red for the pause, so that whoever balances load sees it; then it is given a chance.
            self._failing.add(name)
            await asyncio.sleep(pause_s)
            self._failing.discard(name)
