"""When to ask again: a pure rule."""

from typing import NamedTuple

from service.client.errors import GoodserveError, ProblemError

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0


class Patience(NamedTuple):
    """How long a caller goes on.

    Attributes:
        max_retries: after the first try.
        total_timeout: seconds in which the last try must begin.
    """

    max_retries: int
    total_timeout: float


def pause_s(
    patience: Patience, error: GoodserveError, *, tries: int, passed_s: float, chance: float
) -> float | None:
    """Say how long to wait before the next try; None: give up.

    What `Retry-After` asks for is waited for, and up to a quarter more, so that those who were
    refused together do not come back together. Without it pauses double, each between the half
    and the whole.

    Args:
        patience: of the caller.
        error: of the last try.
        tries: so far.
        passed_s: seconds since the first one began.
        chance: even, from 0 to 1.
    """
    if not error.may_pass or tries > patience.max_retries:
        return None
    asked_s = error.retry_after_s if isinstance(error, ProblemError) else None
    if asked_s:
        wait_s = asked_s * (1 + chance / 4)
    else:
        longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (tries - 1))
        wait_s = longest_s * (1 + chance) / 2
    return wait_s if passed_s + wait_s <= patience.total_timeout else None
