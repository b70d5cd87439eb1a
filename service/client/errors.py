"""Why there is no answer, in one tree.

GoodserveError
├── UnreadableError         an image could not be read here; nothing was sent
├── UnreachableError        no answer came: no connection, or it was lost
│   └── TimedOutError           not within the timeout
└── ProblemError            the service answered with problem details
    ├── RefusedError            4xx, the caller can fix it
    │   ├── UnauthorizedError       401, 403
    │   └── NotFoundError           404
    ├── TryLaterError           429, 502, 503: still so after all retries
    └── ServerError             any other 5xx
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import responses
from typing import Any

import httpx
import msgspec

_TRY_LATER = {429, 502, 503}
# An answer that depends on the image, and not on who asks or how.
_OF_IMAGES = {400, 413, 415}
_LONGEST_TEXT = 200


class GoodserveError(Exception):
    """There is no answer."""

    # Whether the same request may succeed if it is sent again.
    may_pass = False
    # Whether it is about this image: another one may be answered.
    is_of_image = False


class UnreadableError(GoodserveError):
    """An image could not be read here; nothing was sent."""

    is_of_image = True


class UnreachableError(GoodserveError):
    """No answer came."""

    def __init__(self, message: str, *, may_pass: bool) -> None:
        """Keep what happened, and whether to try again."""
        super().__init__(message)
        self.may_pass = may_pass


class TimedOutError(UnreachableError):
    """No answer came within the timeout."""


class ProblemError(GoodserveError):
    """The service answered with problem details.

    Attributes:
        status: of HTTP.
        kind: for programs, such as `too-many-images`; empty where something else answered.
        title: the kind in words.
        detail: what was wrong, the limit and the remedy.
        request_id: under which the service's log speaks of it.
        retry_after_s: seconds after which the service wants to be asked again.
    """

    def __init__(
        self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None
    ) -> None:
        """Keep the problem."""
        self.status = status
        self.kind = str(problem.get("type", "")).rpartition(":")[2]
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.request_id: str | None = problem.get("request_id")
        self.retry_after_s = retry_after_s
        self.may_pass = status in _TRY_LATER or self.kind == "worker-lost"
        self.is_of_image = status in _OF_IMAGES or self.kind == "inference-failed"
        super().__init__(f"{status} {self.kind or self.title}: {self.detail}")


class RefusedError(ProblemError):
    """The caller can fix it."""


class UnauthorizedError(RefusedError):
    """The service wants an API key, or a different one."""


class NotFoundError(RefusedError):
    """There is no such model or version."""


class TryLaterError(ProblemError):
    """The service cannot answer now, and could not at any retry."""


class ServerError(ProblemError):
    """The service failed."""


def problem_of(response: httpx.Response, now: float) -> ProblemError:
    """Read why a response is no answer, whoever wrote it.

    Args:
        response: of a status that is no success.
        now: seconds since the epoch.
    """
    status = response.status_code
    kinds: Mapping[int, type[ProblemError]] = {
        401: UnauthorizedError,
        403: UnauthorizedError,
        404: NotFoundError,
    }
    kind = kinds.get(status, RefusedError if status < 500 else ServerError)  # noqa: PLR2004
    if status in _TRY_LATER:
        kind = TryLaterError
    wait_s = retry_after_s(response.headers.get("retry-after"), now)
    return kind(status, _details(response), wait_s)


def _details(response: httpx.Response) -> Mapping[str, Any]:
    """Read problem details, or what a proxy says instead."""
    try:
        details = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        details = None
    if isinstance(details, dict) and "type" in details:
        return details
    text = response.text[:_LONGEST_TEXT].strip()
    return {"title": responses.get(response.status_code, ""), "detail": text}


def retry_after_s(value: str | None, now: float) -> float | None:
    """Read `Retry-After`, which is seconds or a date; None: there is none that can be read."""
    if value is None:
        return None
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def lost(error: httpx.HTTPError) -> UnreachableError:
    """Say what kept an answer from coming."""
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    # Whether a request that was sent is still in work is not known: not sent again.
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        return TimedOutError(message, may_pass=False)
    if isinstance(error, httpx.TimeoutException):
        return TimedOutError(message, may_pass=True)
    passing = httpx.NetworkError | httpx.RemoteProtocolError
    return UnreachableError(message, may_pass=isinstance(error, passing))
