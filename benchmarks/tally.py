"""What a crowd of callers counted: every answer, and figures of any span of time."""

import http
import time
from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_BROKEN = 0  # stands where a status would, if the connection broke instead


@dataclass(frozen=True)
class Answers:
    """The answers of one span of time.

    Attributes:
        seconds: how long the span was.
        status: `(N,)`, uint16; 0 for a connection that broke or was refused.
        latency_s: `(N,)`, float64, seconds from writing the request to the end of the answer.
    """

    seconds: float
    status: NDArray[np.uint16]
    latency_s: NDArray[np.float64]

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Which ones are a 200: `(N,)`, bool."""
        accepted: NDArray[np.bool_] = self.status == http.HTTPStatus.OK
        return accepted

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Which ones are any other status: `(N,)`, bool."""
        answered: NDArray[np.bool_] = self.status != _BROKEN
        return answered & ~self.accepted

    @property
    def broken(self) -> int:
        """How many connections broke or were refused."""
        return int((self.status == _BROKEN).sum())

    def accepted_per_s(self) -> float:
        """Answers of status 200 in a second."""
        return int(self.accepted.sum()) / self.seconds

    def refused_per_s(self) -> dict[int, float]:
        """Answers in a second of each other status."""
        found, counts = np.unique(self.status[self.refused], return_counts=True)
        return {int(s): int(n) / self.seconds for s, n in zip(found, counts, strict=True)}

    def latency_ms(self, which: NDArray[np.bool_], percent: float) -> float | None:
        """Give a percentile of the latency in milliseconds; None of no answers."""
        chosen = self.latency_s[which]
        return 1e3 * float(np.percentile(chosen, percent)) if len(chosen) else None


@dataclass
class Tally:
    """Every answer there was, in arrays: an overload of a minute brings a million."""

    _at_s: "array[float]" = field(default_factory=lambda: array("d"))
    _status: "array[int]" = field(default_factory=lambda: array("H"))
    _latency_s: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, status: int, began_s: float) -> None:
        """Count an answer to a request that was written at `began_s`, by `time.monotonic()`."""
        now = time.monotonic()
        self._at_s.append(now)
        self._status.append(status)
        self._latency_s.append(now - began_s)

    def add_broken(self, began_s: float) -> None:
        """Count a connection that broke or was refused."""
        self.add(_BROKEN, began_s)

    def clear(self) -> None:
        """Forget all that was counted."""
        for column in (self._at_s, self._status, self._latency_s):
            del column[:]

    def between(self, began_s: float, ended_s: float) -> Answers:
        """Take those that came in a span of time, by `time.monotonic()`."""
        at = np.array(self._at_s)
        inside = (began_s <= at) & (at < ended_s)
        return Answers(
            seconds=ended_s - began_s,
            status=np.array(self._status, np.uint16)[inside],
            latency_s=np.array(self._latency_s)[inside],
        )
