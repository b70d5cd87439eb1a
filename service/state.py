"""What a running service holds, and how many requests it lets in."""

from dataclasses import dataclass
from types import TracebackType

from anyio import CapacityLimiter

from model.repository import ModelRepository
from service.batching import Batcher
from service.body import BodyLimits
from service.decode import Limits
from service.errors import BusyError
from service.inference import Answers
from service.metrics import Metrics
from service.registry import Registry


class Admission:
    """Counts requests in flight, so that their bodies cannot fill the memory."""

    def __init__(self, limit: int) -> None:
        """Let in at most `limit` requests at once."""
        self._limit = limit
        self._in_flight = 0

    def __enter__(self) -> None:
        """Let a request in.

        Raises:
            BusyError: as many as may are in already.
        """
        if self._in_flight >= self._limit:
            detail = f"{self._in_flight} requests are in flight, the limit is {self._limit}"
            raise BusyError("too-many-requests", detail)
        self._in_flight += 1

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Let it out."""
        self._in_flight -= 1


@dataclass(frozen=True)
class Service:
    """Everything that a request needs."""

    repository: ModelRepository
    registry: Registry
    batcher: Batcher[Answers]
    metrics: Metrics
    admission: Admission
    decode_limiter: CapacityLimiter
    body_limits: BodyLimits
    image_limits: Limits
    device: str
