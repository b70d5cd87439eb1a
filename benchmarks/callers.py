"""Callers who know every right answer: they ask in every way, and note what came back."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any, Literal, NamedTuple

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.mixed import V2, Ask

# right; refused as an odd input should be; told to come later; the connection broke, and a second
# try at once was right; neither try had an answer, or a 5xx; an answer that is not this version's.
End = Literal["right", "refused", "later", "broken", "lost", "wrong"]
Scores = NDArray[np.float32]
# Of a version's largest score: another batch adds in another order.
TOLERANCE = 1e-3
_LATER = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
_SHOWN = 200
# Over the start of a process on a busy machine: whoever waits at the door is not lost.
_TIMEOUT_S = 90


class Noted(NamedTuple):
    """One request.

    Attributes:
        began_s: by `time.monotonic()`.
        ended_s: likewise.
        kind: how it was asked.
        end: what became of it.
        why: of one that was not answered rightly.
    """

    began_s: float
    ended_s: float
    kind: str
    end: End
    why: str = ""


class Known:
    """The scores of every version for every picture; any thread may add and ask."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Begin with no version; `labels` are the classes, in the order of the scores."""
        self._labels = labels
        self._scores: dict[str, Scores] = {}

    def add(self, version: str, scores: Scores) -> None:
        """Add a version's scores: `(N, K)`, float32, a row for each picture."""
        self._scores[version] = scores

    def fault(self, version: str, picture: int, found: Mapping[str, float]) -> str:
        """Say what is wrong with an answer's scores by class; "": nothing."""
        scores = self._scores.get(version)
        if scores is None:
            return f"version {version} was never published"
        expected = dict(zip(self._labels, scores[picture].tolist(), strict=True))
        limit = TOLERANCE * max(1.0, float(np.abs(scores).max()))
        worst = max(abs(expected[label] - score) for label, score in found.items())
        if found and worst <= limit:
            return ""
        return f"version {version} is off by {worst:.3g} for picture {picture}"

    def named(self, scores: Sequence[float]) -> dict[str, float]:
        """Name the classes of scores that came without."""
        return dict(zip(self._labels, scores, strict=True))


def judged(ask: Ask, status: int, content: bytes, known: Known) -> tuple[End, str]:
    """Say what an answer is worth: a pure rule."""
    if status in _LATER:
        return "later", content[:_SHOWN].decode(errors="replace")
    if ask.picture is None:
        is_refusal = httpx.codes.is_client_error(status)
        return ("refused", "") if is_refusal else ("wrong", f"{status} for an odd input")
    if httpx.codes.is_server_error(status):
        return "lost", f"{status}: {content[:_SHOWN].decode(errors='replace')}"
    if status != httpx.codes.OK:
        return "wrong", f"{status}: {content[:_SHOWN].decode(errors='replace')}"
    version, scores = _scores(ask, json.loads(content), known)
    why = known.fault(version, ask.picture, scores)
    return ("wrong", why) if why else ("right", "")


def _scores(ask: Ask, found: dict[str, Any], known: Known) -> tuple[str, dict[str, float]]:
    """Read version and scores out of an answer."""
    if ask.kind == V2:
        return found["model_version"], known.named(found["outputs"][0]["data"])
    (image,) = found.get("predictions") or found["explanations"]
    goodness = {each["label"]: each["goodness"] for each in image["classes"]}
    return found["model"]["version"], goodness


class Callers:
    """A few callers at a steady rate; each keeps its connection as long as it can."""

    def __init__(self, url: str, asks: Sequence[Ask], known: Known) -> None:
        """Ask a service in turn."""
        self._url, self._asks, self._known = url, asks, known
        self._noted: list[Noted] = []
        self._is_over = threading.Event()

    @property
    def all(self) -> list[Noted]:
        """Every request so far."""
        return list(self._noted)

    @contextmanager
    def asking(self, callers: int, rate: float) -> Iterator[None]:
        """Ask for as long as the block lasts; `rate` is of all callers together, per second."""
        with ThreadPoolExecutor(callers, "caller") as pool:
            tasks: list[Future[None]] = []
            try:
                for number in range(callers):
                    first = number * len(self._asks) // callers
                    tasks.append(pool.submit(self._ask_on, first, callers / rate))
                yield
            finally:
                self._is_over.set()
        for task in tasks:
            task.result()

    def _ask_on(self, first: int, gap_s: float) -> None:
        client = httpx.Client(base_url=self._url, timeout=_TIMEOUT_S)
        try:
            for ask in islice(cycle(self._asks), first, None):
                began_s = time.monotonic()
                end, why = self._asked(client, ask)
                self._noted.append(Noted(began_s, time.monotonic(), ask.kind, end, why))
                if self._is_over.wait(max(0.0, began_s + gap_s - time.monotonic())):
                    return
        finally:
            client.close()

    def _asked(self, client: httpx.Client, ask: Ask) -> tuple[End, str]:
        """Ask once, and a second time on a new connection where the first one broke."""
        try:
            return self._sent(client, ask)
        except httpx.TransportError as error:
            first = repr(error)
        try:
            end, why = self._sent(client, ask)
        except httpx.TransportError as error:
            return "lost", f"{first}, then {error!r}"
        return ("broken", first) if end in ("right", "refused") else (end, why)

    def _sent(self, client: httpx.Client, ask: Ask) -> tuple[End, str]:
        headers = {"Content-Type": ask.content_type}
        answer = client.post(ask.path, content=ask.body, headers=headers)
        return judged(ask, answer.status_code, answer.content, self._known)


def ends(noted: Sequence[Noted]) -> Counter[str]:
    """Count how requests ended."""
    return Counter(each.end for each in noted)


def kinds(noted: Sequence[Noted]) -> Counter[str]:
    """Count how requests were asked."""
    return Counter(each.kind for each in noted)


def until(condition: Callable[[], bool], at_most_s: float) -> float:
    """Wait for a condition; say after how many seconds it held.

    Raises:
        TimeoutError: it did not.
    """
    began = time.monotonic()
    while time.monotonic() - began < at_most_s:
        if condition():
            return time.monotonic() - began
        time.sleep(0.05)
    message = f"it did not hold within {at_most_s:g} s"
    raise TimeoutError(message)
