"""The simulated queue gives what the theory of queues gives, where that has an answer."""

import math

import numpy as np
import pytest

from benchmarks.queueing import (
    Replica,
    fleet_latencies,
    latencies,
    percentile_ms,
    poisson,
    spread_of_swaps,
)

COUNT = 100_000
RATE = 100.0


def mean_latency(load: float, replica: Replica, kind: str, seed: int = 1) -> float:
    """Simulate at a load for each worker, in multiples of the mean service time."""
    generator = np.random.default_rng(seed)
    service_s = load * replica.workers / RATE
    times = np.full(COUNT, service_s)
    if kind == "exponential":
        times = generator.exponential(service_s, COUNT)
    found = latencies(poisson(RATE, COUNT, generator), times, replica)
    return float(found[COUNT // 10 :].mean() / service_s)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_one_worker_with_exponential_times(load: float) -> None:
    """M/M/1: the mean time in the system is 1 / (1 - load) service times."""
    assert mean_latency(load, Replica(), "exponential") == pytest.approx(1 / (1 - load), rel=0.06)


@pytest.mark.parametrize("load", [0.3, 0.7, 0.8])
def test_one_worker_with_equal_times(load: float) -> None:
    """M/D/1, by Pollaczek and Khinchine: 1 + load / (2 (1 - load)) service times."""
    expected = 1 + load / (2 * (1 - load))

    assert mean_latency(load, Replica(), "equal") == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize(("workers", "load"), [(2, 0.7), (8, 0.8)])
def test_several_workers(workers: int, load: float) -> None:
    """M/M/c, by Erlang's C: the probability to wait over (1 - load) c, and the service."""
    offered = workers * load
    last = offered**workers / (math.factorial(workers) * (1 - load))
    waits = last / (sum(offered**n / math.factorial(n) for n in range(workers)) + last)
    expected = 1 + waits / (workers * (1 - load))

    found = mean_latency(load, Replica(workers=workers), "exponential")

    assert found == pytest.approx(expected, rel=0.05)


def test_the_99th_percentile_of_one_worker() -> None:
    """M/M/1: latencies are exponential, so p99 is ln 100 of their mean."""
    generator = np.random.default_rng(2)
    times = generator.exponential(0.6 / RATE, COUNT)

    found = latencies(poisson(RATE, COUNT, generator), times, Replica())

    expected_ms = 1e3 * (0.6 / RATE) / (1 - 0.6) * math.log(100)
    assert percentile_ms(found, 99) == pytest.approx(expected_ms, rel=0.06)


def test_callers_who_come_together_are_one_batch() -> None:
    """Two workers share six callers as three and three, and each batch ends as a whole."""
    found = latencies(np.zeros(6), np.ones(6), Replica(workers=2, batch=16, fixed_s=0.5))

    assert found.tolist() == [3.5] * 6


def test_a_batch_has_its_limit() -> None:
    """What is over it waits for the next one."""
    found = latencies(np.zeros(5), np.ones(5), Replica(batch=2))

    assert found.tolist() == [2, 2, 4, 4, 5]


def test_batches_make_a_fixed_cost_bearable() -> None:
    """At a rate at which single runs would never end, batches of 16 keep up."""
    generator = np.random.default_rng(3)
    arrivals, times = poisson(RATE, 20_000, generator), np.full(10_000, 0.002)

    alone = latencies(arrivals, times, Replica(batch=1, fixed_s=0.01))
    together = latencies(arrivals, times, Replica(batch=16, fixed_s=0.01))

    assert percentile_ms(alone, 50) > 5_000
    assert percentile_ms(together, 99) < 100


def test_a_fleet_is_its_replicas() -> None:
    """Callers shared out by chance wait as at one replica with its share of the rate."""
    generator = np.random.default_rng(4)
    times = generator.exponential(0.7 / RATE, COUNT)
    owners = generator.integers(0, 4, COUNT)

    found = fleet_latencies(poisson(4 * RATE, COUNT, generator), times, Replica(), owners)

    assert found.mean() * RATE / 0.7 == pytest.approx(1 / (1 - 0.7), rel=0.06)


def test_the_last_process_swaps_within_one_interval() -> None:
    """The last of n uniform times comes at n / (n + 1) of the interval on average."""
    last = [spread_of_swaps(50, interval_s=5, load_s=0.4, seed=seed)[-1] for seed in range(1000)]

    assert np.mean(last) == pytest.approx(5 * 50 / 51 + 0.4, rel=0.005)
    assert max(last) <= 5.4
