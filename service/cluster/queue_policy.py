"""How many replicas there should be: by the images that wait in those there are."""

import math
from typing import Any, Protocol

WAITING = "waiting_images"


class Context(Protocol):
    """What Ray Serve tells of a deployment."""

    aggregated_metrics: dict[str, dict[Any, float]] | None
    target_num_replicas: int


def replicas_for(waiting: float, target: float) -> int:
    """Share waiting images out, so that no replica has more than its target; at least one."""
    return max(1, math.ceil(waiting / target))


class QueuePolicy:
    """Ray Serve's own counts requests that pass through its proxies, and ours do not."""

    def __init__(self, target: float) -> None:
        """Want so many images, waiting or running, in each replica."""
        self._target = target

    def __call__(self, context: Context) -> tuple[int, dict[str, Any]]:
        """Decide; Ray keeps within the least and the most, and waits before it acts."""
        waiting = (context.aggregated_metrics or {}).get(WAITING, {})
        if not waiting:  # no replica has told anything yet
            return context.target_num_replicas, {}
        return replicas_for(sum(waiting.values()), self._target), {}
