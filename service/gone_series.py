"""Gauges of versions that are gone: they are set to `GONE`, and not shown.

Where processes share files a series cannot be removed, so it is left out when all are gathered.
"""

import math
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

# Less than any number: of several processes' gauges the greatest is shown, so a version is gone
# once it is in all of them.
GONE = -math.inf


class WithoutGone(Collector):
    """Gives what another collector gives, but for the gauges that are gone."""

    def __init__(self, every: Collector) -> None:
        """Leave out of `every`."""
        self._every = every

    def collect(self) -> Iterator[Metric]:
        """Give every family, with the samples that are there."""
        for family in self._every.collect():
            if family.type == "gauge":
                family.samples = [each for each in family.samples if each.value != GONE]
            yield family
