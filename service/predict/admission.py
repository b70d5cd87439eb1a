"""Who is let in: so many requests at once, and so many bytes of bodies among them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.errors import BusyError

Take = Callable[[int], None]


class Admission:
    """Counts requests in flight and the bytes they hold, so that they cannot fill the memory."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        """Let in so many requests at once, holding so many bytes together."""
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests = 0
        self._bytes = 0

    @contextmanager
    def admit(self) -> Iterator[Take]:
        """Let one request in, for as long as the block lasts.

        Yields:
            A function to be called with the bytes that the request comes to hold; it raises
            `BusyError` where all requests together hold too many.

        Raises:
            BusyError: as many requests as may are in already.
        """
        if self._requests >= self._max_requests:
            detail = f"{self._requests} requests are in flight, the limit is {self._max_requests}"
            raise BusyError("too-many-requests", detail)
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if self._bytes + size > self._max_bytes:
                detail = (
                    f"bodies in flight hold {self._bytes} bytes, the limit is {self._max_bytes}"
                )
                raise BusyError("too-many-bytes-in-flight", detail)
            held += size
            self._bytes += size

        self._requests += 1
        try:
            yield take
        finally:
            self._requests -= 1
            self._bytes -= held
