"""How far the images that come have drifted from those that a version was validated on."""

from collections import deque
from collections.abc import Iterable

import numpy as np

_BINS = 10
# An empty bin would make the index infinite.
_LEAST_SHARE = 1e-3


class Drift:
    """The population stability index of familiarity over the last answers.

    Validation images fall into every tenth of the percentiles alike, so the index compares the
    last answers with an even spread: under 0.1 is usual, over 0.25 is a shift.

    Source: the index as credit scoring uses it (Siddiqi, 2006).
    """

    def __init__(self, window: int) -> None:
        """Look at the last `window` answers."""
        self._bins: deque[int] = deque(maxlen=window)
        self._least = window // 10

    def note(self, percentiles: Iterable[float]) -> None:
        """Take note of answers, by the percentile of each image's familiarity."""
        for percentile in percentiles:
            self._bins.append(min(int(percentile * _BINS / 100), _BINS - 1))

    def index(self) -> float:
        """Give the index; 0 until a tenth of the window is full."""
        bins = list(self._bins)
        if len(bins) < max(self._least, 1):
            return 0.0
        shares = np.bincount(bins, minlength=_BINS) / len(bins)
        shares = np.maximum(shares, _LEAST_SHARE)
        return float(((shares - 1 / _BINS) * np.log(shares * _BINS)).sum())
