"""The time that a run may take, and the part of it that is spent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Clock = Callable[[], float]

# The part of the limit that is kept at most for a validation whose time is only guessed.
_GUESS_AT_MOST = 0.25
# A budget that the last validation alone would use up is spent at once, not below zero.
_LEAST_S = 1e-6


class Budget:
    """Counts the seconds of training over all the processes of a run.

    Attributes:
        limit_s: seconds, the validation of every epoch included; None sets no limit.
    """

    def __init__(self, limit_s: float | None, clock: Clock, checked: int) -> None:
        """Begin to count.

        Args:
            limit_s: seconds; None sets no limit.
            clock: gives seconds that only grow.
            checked: images of the validation split.
        """
        self.limit_s = limit_s
        self._clock = clock
        self._before_s = 0.0
        self._since = clock()
        self._first: float | None = None
        self._seen = 0
        self._checked = checked
        self._validation_s: float | None = None

    def go_on(self, before_s: float) -> None:
        """Count from now on, after the seconds that earlier processes trained."""
        self._before_s, self._since = before_s, self._clock()

    def see(self, images: int) -> None:
        """Hear that so many images were learned from; the first batch, a warm-up, is not timed."""
        if self._first is None:
            self._first = self._clock()
        else:
            self._seen += images

    @property
    def seconds(self) -> float:
        """Seconds trained so far, in this process and before."""
        return self._before_s + self._clock() - self._since

    @property
    def spent(self) -> float:
        """The part of the time that is gone, where the last validation is still to come.

        From 0; 1 and more when it is time to validate and end. 0 where there is no limit.
        """
        if self.limit_s is None:
            return 0.0
        return self.seconds / max(self.limit_s - self._reserve_s(self.limit_s), _LEAST_S)

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Time a validation: the last one is expected to take as long."""
        started = self._clock()
        yield
        self._validation_s = self._clock() - started

    def _reserve_s(self, limit_s: float) -> float:
        """Seconds to keep for the last validation; before there was one, as training goes."""
        if self._validation_s is not None:
            return self._validation_s
        if self._first is None or not self._seen:
            return 0.0
        guess_s = (self._clock() - self._first) * self._checked / self._seen
        return min(guess_s, _GUESS_AT_MOST * limit_s)
