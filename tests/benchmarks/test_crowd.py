"""A crowd asks again after every answer, whatever it was, and counts all of them."""

import time

import numpy as np
import pytest

from benchmarks.crowd import Crowd, requests
from benchmarks.forms import Message
from benchmarks.tally import Answers
from tests.benchmarks.fake_server import CLOSING, answering

pytestmark = pytest.mark.anyio

SENT = requests(Message("/predict", "image/png", (b"one", b"two")))


async def lived(statuses: list[int], connections: int, rate: float = 0) -> Answers:
    """Let a crowd live for half a second beside a server that gives `statuses`."""
    async with answering(statuses) as port:
        crowd = Crowd(port, SENT)
        began, ended = await crowd.stay(connections, 0.5, rate)
        await crowd.leave()
    return crowd.tally.between(began, ended)


async def test_answers_and_refusals_are_counted_apart() -> None:
    """A refusal is asked again at once, on the same connection."""
    answers = await lived([200, 503, 503], connections=4)

    assert answers.accepted_per_s() > 0
    assert answers.refused_per_s().keys() == {503}
    assert answers.refused_per_s()[503] > answers.accepted_per_s()
    assert answers.broken == 0


async def test_a_connection_that_breaks_is_counted_and_replaced() -> None:
    """One without an answer is broken; one closed after its answer is not."""
    answers = await lived([200, 0, CLOSING], connections=2)

    assert answers.broken > 0
    assert answers.accepted.sum() > 1
    assert answers.refused_per_s().keys() == {CLOSING}


async def test_a_server_that_refuses_connections_is_counted() -> None:
    """The crowd tries again a little later."""
    async with answering([200]) as port:
        pass
    crowd = Crowd(port, SENT)

    span = await crowd.stay(2, 0.2)
    await crowd.leave()

    assert 1 <= crowd.tally.between(*span).broken < 20


async def test_a_rate_is_kept() -> None:
    """All connections together offer so many requests in a second: about 50 in this time.

    The upper bound lies where requests that come by chance lead once in hundreds of millions of
    runs; a crowd without a pause sends over a thousand requests meanwhile.
    """
    answers = await lived([200], connections=8, rate=100)

    assert 1 <= answers.accepted.sum() <= 150


async def test_hanging_up_is_not_counted_as_broken() -> None:
    """Those who leave have no complaint; those who stay go on."""
    async with answering([200]) as port:
        crowd = Crowd(port, SENT)
        await crowd.stay(8, 0.1)
        span = await crowd.stay(1, 0.5)
        await crowd.leave()

    assert crowd.tally.between(*span).accepted_per_s() > 0
    assert crowd.tally.between(0, time.monotonic()).broken == 0


def test_requests_are_whole() -> None:
    """With the length of each body, and the header lines asked for."""
    sent = Message("/predict", "image/png", (b"four",))

    (whole,) = requests(sent, "X-Request-Timeout-Ms: 50\r\n")

    assert whole == (
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
        b"X-Request-Timeout-Ms: 50\r\nContent-Length: 4\r\n\r\nfour"
    )


def test_percentiles_are_taken_of_the_accepted_or_the_refused() -> None:
    """In milliseconds; broken connections belong to neither."""
    answers = Answers(
        seconds=2,
        status=np.array([200, 200, 503, 0], np.uint16),
        latency_s=np.array([0.1, 0.3, 0.001, 9]),
    )

    assert answers.latency_ms(answers.accepted, 50) == pytest.approx(200)
    assert answers.latency_ms(answers.refused, 99) == pytest.approx(1)
    assert answers.latency_ms(answers.status == 418, 99) is None
    assert (answers.accepted_per_s(), answers.refused_per_s(), answers.broken) == (1, {503: 0.5}, 1)
