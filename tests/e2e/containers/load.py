"""Callers who ask for predictions without pause and without a second try, and what became of it."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from tests.pictures import CLASSES, coloured, encoded

# Small ones and one of 600 kB, which the proxy must keep whole to be able to ask again.
PICTURES = [encoded(coloured(CLASSES[seed % 3], seed)) for seed in range(8)]
PICTURES.append(encoded(coloured("red", 9, (500, 400))))
PATIENCE_S = 300.0


class Answer(NamedTuple):
    """What one request brought.

    Attributes:
        at_s: when it was there, by a monotonic clock.
        took_s: since it was sent.
        status: of HTTP; 0: none came.
        process: the server process that answered, by the number that it gave the request.
        version: of the model.
        fault: what a caller was told in place of an answer.
    """

    at_s: float
    took_s: float
    status: int
    process: str = ""
    version: str = ""
    fault: str = ""


class Load:
    """Some callers, each with a connection that it keeps, who ask while the block lasts."""

    def __init__(self, url: str, callers: int = 6, pause_s: float = 0.05) -> None:
        """Ask the service at `url`, each caller `pause_s` after its last answer."""
        self.answers: list[Answer] = []
        self._url, self._pause_s = url, pause_s
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(callers)]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let every caller have its answer, and end."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=120) as client:
            while not self._ended.wait(self._pause_s):
                self.answers.append(asked(client, PICTURES[number % len(PICTURES)]))
                number += 1

    def lost(self) -> list[Answer]:
        """Give what was no answer."""
        return [answer for answer in self.answers if answer.status != httpx.codes.OK]

    def processes(self, since_s: float = 0) -> set[str]:
        """Name the server processes that have answered since then."""
        return {each.process for each in self.answers if each.at_s > since_s and each.process}

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Go on until something has happened."""
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
            time.sleep(0.1)

    def more(self, number: int) -> None:
        """Go on until so many more requests have been answered or lost."""
        before = len(self.answers)
        self.until(lambda: len(self.answers) >= before + number, f"{number} more answers")

    def said(self, fault: str) -> str:
        """Tell in one line what became of the requests."""
        times = sorted(answer.took_s for answer in self.answers)
        spent = self.answers[-1].at_s - self.answers[0].at_s
        return (
            f"\n{fault}: {len(self.lost())} of {len(times)} requests lost in {spent:.0f} s; "
            f"median {times[len(times) // 2] * 1e3:.0f} ms, slowest {times[-1] * 1e3:.0f} ms; "
            f"{len(self.processes())} processes answered"
        )


def asked(client: httpx.Client, picture: bytes) -> Answer:
    """Ask once."""
    sent = time.monotonic()
    try:
        response = client.post("/predict", content=picture)
    except httpx.TransportError as error:
        now = time.monotonic()
        return Answer(now, now - sent, 0, fault=repr(error))
    now = time.monotonic()
    if response.status_code != httpx.codes.OK:
        return Answer(now, now - sent, response.status_code, fault=response.text[:200])
    # A process begins all numbers that it gives with eight letters of its own.
    process = response.headers["x-request-id"][:8]
    return Answer(now, now - sent, 200, process, response.json()["model"]["version"])
