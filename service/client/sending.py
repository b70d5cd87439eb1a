"""Sends requests, and again where that may help; with and without an event loop."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable

import httpx

from service.client.calls import Call
from service.client.errors import GoodserveError, lost, problem_of
from service.client.retry import Patience, pause_s


class Tries:
    """The tries of one request, since now."""

    def __init__(self, patience: Patience) -> None:
        """Begin the first one."""
        self._patience = patience
        self._started = time.monotonic()
        self._count = itertools.count(1)

    def pause_s(self, error: GoodserveError) -> float:
        """Say how many seconds to wait before the next one.

        Args:
            error: of the last one.

        Raises:
            GoodserveError: this error: there is no next one.
        """
        wait_s = pause_s(
            self._patience,
            error,
            tries=next(self._count),
            passed_s=time.monotonic() - self._started,
            chance=random.random(),
        )
        if wait_s is None:
            raise error
        return wait_s


class Sender:
    """Sends requests over connections of its own; threads may share it."""

    def __init__(self, http: httpx.Client, patience: Patience) -> None:
        """Send by this client, as often as a caller's patience allows."""
        self.http = http
        self._patience = patience

    def send(self, call: Call, sleep: Callable[[float], object] = time.sleep) -> bytes:
        """Send a request as often as it takes; give the body of its answer.

        Args:
            call: the request.
            sleep: waits so many seconds between two tries.

        Raises:
            GoodserveError: of the last try.
        """
        tries = Tries(self._patience)
        while True:
            try:
                return self.send_once(call)
            except GoodserveError as error:
                wait_s = tries.pause_s(error)
            sleep(wait_s)

    def send_once(self, call: Call, also: int | None = None) -> bytes:
        """Send a request once.

        Args:
            call: the request.
            also: a status that is no error here.

        Raises:
            GoodserveError: there is no answer.
        """
        try:
            response = self.http.request(call.method, call.path, **call.keywords())
        except httpx.HTTPError as error:
            raise lost(error) from error
        return _body(response, also)


class AsyncSender:
    """Sends requests as `Sender` does, from one event loop."""

    def __init__(self, http: httpx.AsyncClient, patience: Patience) -> None:
        """Send by this client, as often as a caller's patience allows."""
        self.http = http
        self._patience = patience

    async def send(self, call: Call) -> bytes:
        """Send a request as often as it takes; give the body of its answer.

        Raises:
            GoodserveError: of the last try.
        """
        tries = Tries(self._patience)
        while True:
            try:
                return await self.send_once(call)
            except GoodserveError as error:
                wait_s = tries.pause_s(error)
            await asyncio.sleep(wait_s)

    async def send_once(self, call: Call, also: int | None = None) -> bytes:
        """Send a request once; see `Sender.send_once`."""
        try:
            response = await self.http.request(call.method, call.path, **call.keywords())
        except httpx.HTTPError as error:
            raise lost(error) from error
        return _body(response, also)


def _body(response: httpx.Response, also: int | None) -> bytes:
    if response.is_success or response.status_code == also:
        return response.content
    raise problem_of(response, time.time())
