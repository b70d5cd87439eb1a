"""When a server process that ended is replaced: a pure rule, without processes or clocks."""

_FIRST_WAIT_S, _MAX_WAIT_S = 0.5, 30.0
# A shortage that passes (memory, a full disk) gets four chances; that takes some 8 seconds.
_TRIES = 4


class Restarts:
    """Counts the starts in a row that failed, over all processes."""

    def __init__(self, processes: int) -> None:
        """Begin with no failure; that many processes are started at a time."""
        self._processes = processes
        self._failed = 0

    @property
    def is_hopeless(self) -> bool:
        """Tell whether so many starts have failed in a row that the next one would fail too."""
        return self._failed >= _TRIES * self._processes

    def ready(self) -> None:
        """Note that a process has begun to serve: whatever made others fail has passed."""
        self._failed = 0

    def wait_s(self, *, was_ready: bool) -> float:
        """Give the seconds after which a process that ended is replaced.

        One that served is replaced at once. One that failed to start would probably fail again:
        the wait doubles with each round of failures.
        """
        if was_ready:
            return 0.0
        rounds = self._failed // self._processes
        self._failed += 1
        # The exponent is bounded: beside a process that serves, failures are not.
        return min(_MAX_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(rounds, 10))
