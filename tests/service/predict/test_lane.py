"""A lane: batches form, every waiter gets its own answer or its own error, whatever happens."""

import asyncio
import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
import pytest

from model.artifact.image import Pixels
from model.artifact.outputs import Outputs
from service.errors import BadRequestError, DeadlineError, OurFaultError
from service.predict.answers import Answers
from service.predict.lane import Lane
from tests.service.fakes import Clock, FakeDecode, FakeSession, Gate, loaded, open_lane

pytestmark = pytest.mark.anyio


def file(value: int) -> list[bytes]:
    """Write one file: `FakeDecode` makes a picture of this value from it."""
    return [bytes([value])]


async def asked(lane: Lane, value: int, *, explain: bool = False) -> Answers:
    """Submit one picture."""
    return await lane.submit(file(value), explain=explain)


async def asked_together(lane: Lane, gate: Gate, *values: int) -> list[Answers | BaseException]:
    """Submit value 0 alone, then the rest so that they run together; give all answers."""
    first = asyncio.create_task(asked(lane, 0))
    await asyncio.to_thread(gate.wait_until_entered)
    rest = [asyncio.create_task(asked(lane, value)) for value in values]
    await asyncio.sleep(0)
    gate.let(100)
    return await asyncio.gather(first, *rest, return_exceptions=True)


def seen(pixels: Pixels) -> list[int]:
    """Read off a batch which pictures are in it."""
    return [int(value) for value in pixels[:, 0, 0, 0]]


async def test_a_lone_request_does_not_wait_for_company() -> None:
    """With the worker free it runs at once, alone."""
    session = FakeSession()
    lane = open_lane(loaded(session))

    answers = await asked(lane, 7)

    assert session.batches == [1]
    assert str(answers.id) == "colours/1"
    assert answers.outputs.scores.shape == (1, 3)


async def test_what_waits_while_the_worker_is_busy_runs_together() -> None:
    """Up to the limit, whole requests, in the order they came."""
    gate = Gate()
    session = FakeSession(gate)
    lane = open_lane(loaded(session), max_batch_size=4)
    tasks = [asyncio.create_task(asked(lane, 0))]
    await asyncio.to_thread(gate.wait_until_entered)
    for value, number in ((1, 1), (2, 2), (3, 2), (4, 1)):
        files = file(value) * number
        tasks.append(asyncio.create_task(lane.submit(files, explain=False)))
        await asyncio.sleep(0)

    gate.let(3)
    answers = await asyncio.gather(*tasks)

    assert [len(each.outputs.scores) for each in answers] == [1, 1, 2, 2, 1]
    assert session.batches == [1, 3, 3]


async def test_contributions_cost_only_those_who_ask() -> None:
    """Nobody asks: they are not computed. One asks: they are, and only that one is told."""
    session = FakeSession()
    lane = open_lane(loaded(session))

    plain, explained = await asked(lane, 1), await asked(lane, 1, explain=True)

    assert plain.outputs.contributions is None
    assert explained.outputs.contributions is not None
    assert session.wanted == [
        ("scores", "probabilities"),
        ("scores", "probabilities", "contributions"),
    ]


async def test_a_bad_picture_is_an_error_for_its_own_caller_alone() -> None:
    """Its neighbours in the batch are answered."""
    gate = Gate()

    bad = BadRequestError("damaged-image", "the image is damaged")
    lane = open_lane(loaded(FakeSession(gate)), decode=FakeDecode({2: bad}))

    answers = await asked_together(lane, gate, 1, 2, 3)

    assert [isinstance(each, Answers) for each in answers] == [True, True, False, True]
    assert isinstance(answers[2], BadRequestError)


async def test_a_bug_in_decoding_is_ours_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It is not blamed on the picture, and the traceback is in the log."""
    lane = open_lane(decode=FakeDecode({1: TypeError("a planted bug")}))

    with pytest.raises(OurFaultError, match="failed to decode the image; its log says why"):
        await asked(lane, 1)

    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "a planted bug" in str(record.exc_info[1])
    assert lane.trouble() is None


async def test_a_batch_that_fails_is_run_one_by_one() -> None:
    """The request that breaks the session breaks it for itself only."""
    gate = Gate()

    def run(pixels: Pixels) -> None:
        gate()
        if 2 in seen(pixels):
            raise RuntimeError

    lane = open_lane(loaded(FakeSession(run)))

    answers = await asked_together(lane, gate, 1, 2, 3)

    assert [isinstance(each, Answers) for each in answers] == [True, True, False, True]
    assert isinstance(answers[2], OurFaultError)
    assert lane.trouble() == "a run failed"


async def test_an_answer_that_is_no_number_is_a_fault_of_ours() -> None:
    """NaN is never served; the lane says that it is not well."""

    class Sick(FakeSession):
        """A session whose weights are broken."""

        def __call__(self, pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
            """Answer with what is no number."""
            outputs = super().__call__(pixels, wanted)
            return outputs._replace(scores=np.full_like(outputs.scores, np.nan))

    lane = open_lane(loaded(Sick()))

    with pytest.raises(OurFaultError, match="the model failed on this input"):
        await asked(lane, 1)

    assert lane.trouble() == "it answered NaN or infinity"
    assert not lane.is_lost()


async def test_a_caller_who_goes_away_harms_nobody() -> None:
    """Waiting or running: its place is free, and its neighbours are answered."""
    gate = Gate()
    session = FakeSession(gate)
    lane = open_lane(loaded(session))
    running = asyncio.create_task(asked(lane, 0))
    await asyncio.to_thread(gate.wait_until_entered)
    waiting, stays = (asyncio.create_task(asked(lane, value)) for value in (1, 2))
    await asyncio.sleep(0)
    assert lane.depth == 3

    running.cancel()
    waiting.cancel()
    gate.let(2)

    assert (await stays).outputs.scores.shape == (1, 3)
    assert session.batches == [1, 1]
    assert lane.depth == 0


async def test_a_large_picture_holds_up_nobody() -> None:
    """It is decoded aside, while the worker goes on; then it gets its answer too."""
    gate = Gate()

    lane = open_lane(decode=FakeDecode(large=[9], aside=gate))
    large = asyncio.create_task(asked(lane, 9))
    await asyncio.to_thread(gate.wait_until_entered)

    small = await asked(lane, 1)
    assert not large.done()
    gate.let()
    answer = await large

    assert len(small.outputs.scores) == len(answer.outputs.scores) == 1


async def test_a_large_picture_that_is_bad_is_told_so() -> None:
    """Errors reach the caller from aside as well: the caller's, and ours."""
    bad = BadRequestError("damaged-image", "the image is damaged")
    lane = open_lane(decode=FakeDecode({1: bad, 2: TypeError()}, large=[1, 2]))

    with pytest.raises(BadRequestError, match="the image is damaged"):
        await asked(lane, 1)
    with pytest.raises(OurFaultError, match="failed to decode"):
        await asked(lane, 2)


async def test_a_lone_image_has_the_machine_to_itself() -> None:
    """It runs on the session of many threads; beside another run it does not."""
    gate = Gate()
    many, lone = FakeSession(), FakeSession(gate)
    version = dataclasses.replace(loaded(many), lone_session=lone)
    lane = open_lane(version, num_workers=2)

    first = asyncio.create_task(asked(lane, 1))
    await asyncio.to_thread(gate.wait_until_entered)
    await asked(lane, 2)
    gate.let()
    await first

    assert (lone.batches, many.batches) == ([1], [1])


async def test_more_images_than_a_run_takes_are_run_in_pieces() -> None:
    """One request is answered whole, by one version, whatever its number of images."""
    session = FakeSession()
    lane = open_lane(loaded(session), max_batch_size=4)

    answers = await lane.submit([bytes([n]) for n in range(10)], explain=True)

    assert session.batches == [4, 4, 2]
    expected = FakeSession()(FakeDecode()([bytes([n]) for n in range(10)], 16, 16))
    assert np.array_equal(answers.outputs.scores, expected.scores)
    assert answers.outputs.contributions is not None
    assert answers.outputs.contributions.shape == (10, 2, 3)


@pytest.mark.parametrize("num_workers", [1, 3])
async def test_a_thousand_callers_get_their_own_answers(num_workers: int) -> None:
    """Under load nobody is mixed up with a neighbour, and batches are really formed."""
    session = FakeSession()
    lane = open_lane(loaded(session), max_batch_size=32, num_workers=num_workers)
    alone = {
        value: session(FakeDecode()(file(value), 16, 16)).probabilities for value in range(256)
    }
    session.batches.clear()

    answers = await asyncio.gather(*(asked(lane, n % 256) for n in range(1000)))

    for n, each in enumerate(answers):
        assert np.array_equal(each.outputs.probabilities, alone[n % 256])
    assert max(session.batches) > 8


async def test_what_costs_no_run_does_not_flatter_the_pace() -> None:
    """A request whose deadline passed took no time; the expected wait must not shrink by it."""
    clock, gate = Clock(), Gate()

    def run(_: Pixels) -> None:
        gate()
        clock.now += 2.0

    lane = open_lane(loaded(FakeSession(run)), clock=clock)
    first = asyncio.create_task(asked(lane, 0))
    await asyncio.to_thread(gate.wait_until_entered)
    late = asyncio.create_task(lane.submit(file(1) * 3, explain=False, timeout_s=1.0))
    rest = asyncio.create_task(asked(lane, 2))
    await asyncio.sleep(0)
    gate.let(2)
    await asyncio.gather(first, rest)
    with pytest.raises(DeadlineError, match="deadline passed"):
        await late

    waits = asyncio.create_task(asked(lane, 3))
    await asyncio.to_thread(gate.wait_until_entered)
    await asyncio.to_thread(gate.wait_until_entered)
    assert lane.expected_wait_s() == 2.0
    gate.let()
    await waits
