"""What a replica's callers wait, simulated: arrivals, workers that take batches, answers.

One image a request. A worker that is free takes what waits, as `fitting()` in
`service/predict/batch.py` has it: first come first served, up to the batch size, and its share
where others are free too. A batch is answered when all of it is done.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]


@dataclass(frozen=True)
class Replica:
    """How one replica works.

    Attributes:
        workers: that take batches side by side, each on a core of its own.
        batch: images that one takes at most.
        fixed_s: seconds of a batch, however large.
    """

    workers: int = 1
    batch: int = 1
    fixed_s: float = 0.0


def poisson(rate: float, count: int, generator: np.random.Generator) -> Seconds:
    """Draw arrivals of callers who know nothing of each other: `(count,)`, seconds, ascending."""
    return np.cumsum(generator.exponential(1 / rate, count))


def latencies(arrivals: Seconds, services: Seconds, replica: Replica) -> Seconds:
    """Give the seconds from each arrival to its answer.

    Args:
        arrivals: `(N,)`, seconds, ascending.
        services: `(N,)`, seconds that each image takes by itself.
        replica: who works.

    Returns:
        `(N,)`, seconds.
    """
    # Plain numbers: looking up an array's element costs as much as all the rest.
    came, takes, found = arrivals.tolist(), services.tolist(), list[float]()
    free_at = [0.0] * replica.workers
    first, here = 0, 0
    while first < len(came):
        begins = max(heapq.heappop(free_at), came[first])
        while here < len(came) and came[here] <= begins:
            here += 1
        free = 1 + sum(at <= begins for at in free_at)
        taken = min(replica.batch, math.ceil((here - first) / free))
        ends = begins + replica.fixed_s + sum(takes[first : first + taken])
        found += [ends - at for at in came[first : first + taken]]
        heapq.heappush(free_at, ends)
        first += taken
    return np.array(found)


def fleet_latencies(
    arrivals: Seconds,
    services: Seconds,
    replica: Replica,
    owners: NDArray[np.int64],
) -> Seconds:
    """Give the latencies of a fleet, whose callers were shared out before anybody waited.

    Args:
        arrivals: `(N,)`, seconds, ascending.
        services: `(N,)`, seconds.
        replica: how each works.
        owners: `(N,)`, which replica each caller was given.
    """
    found = np.empty_like(arrivals)
    for owner in np.unique(owners):
        its = owners == owner
        found[its] = latencies(arrivals[its], services[its], replica)
    return found


def spread_of_swaps(processes: int, interval_s: float, load_s: float, seed: int = 0) -> Seconds:
    """Draw when each process answers by a new version, after it became active: ascending seconds.

    Each looks every `interval_s` by a clock of its own, and then loads for `load_s`.
    """
    generator = np.random.default_rng(seed)
    return np.sort(generator.uniform(0, interval_s, processes)) + load_s


def percentile_ms(found: Seconds, percent: float, skipped: float = 0.1) -> float:
    """Give a percentile in milliseconds, without the first part, in which the queue fills."""
    return 1e3 * float(np.percentile(found[int(skipped * len(found)) :], percent))


def drawn(
    samples: Sequence[float] | Seconds, count: int, generator: np.random.Generator
) -> Seconds:
    """Draw service times from those that were measured: `(count,)`, seconds."""
    return generator.choice(np.asarray(samples, np.float64), count)
