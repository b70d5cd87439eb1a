"""How a lane ends: retired, closed, hung or dead; nobody waits for ever."""

import asyncio
import gc
import weakref

import pytest

from model.artifact.image import Pixels
from service.errors import OurFaultError, ServiceError
from service.predict.answers import Answers
from service.predict.lane import Lane
from tests.service.fakes import Clock, FakeSession, Gate, loaded, open_lane

pytestmark = pytest.mark.anyio


async def asked(lane: Lane, value: int) -> Answers:
    """Submit one picture of one value."""
    return await lane.submit([bytes([value])], explain=False)


async def test_a_worker_that_hangs_is_noticed_and_given_up() -> None:
    """Past the limit the lane is lost; whoever waits is told so, in hand or in the queue."""
    clock, gate = Clock(), Gate()
    lane = open_lane(loaded(FakeSession(gate)), clock=clock, stall_timeout_s=5.0)
    tasks = [asyncio.create_task(asked(lane, 0))]
    await asyncio.to_thread(gate.wait_until_entered)
    tasks.append(asyncio.create_task(asked(lane, 1)))
    await asyncio.sleep(0)

    clock.now = 5.0
    assert (lane.trouble(), lane.is_lost()) == (None, False)
    clock.now = 5.1
    assert lane.trouble() == "a batch has been in hand for over 5 s"
    assert lane.is_lost()
    lane.give_up()

    for task in tasks:
        with pytest.raises(OurFaultError, match="a worker of colours/1 does not answer"):
            await task
    with pytest.raises(OurFaultError, match="does not answer"):
        await asked(lane, 2)
    gate.let()


async def test_a_pause_of_the_whole_process_is_no_fault_of_a_worker() -> None:
    """What is in hand then has its time from there on."""
    clock, gate = Clock(), Gate()
    lane = open_lane(loaded(FakeSession(gate)), clock=clock, stall_timeout_s=5.0)
    task = asyncio.create_task(asked(lane, 0))
    await asyncio.to_thread(gate.wait_until_entered)
    clock.now = 60.0
    assert lane.is_lost()

    lane.forgive()

    assert (lane.trouble(), lane.is_lost()) == (None, False)
    clock.now = 65.1
    assert lane.is_lost()
    gate.let()
    await task


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_worker_that_dies_is_noticed() -> None:
    """What is no Exception ends the thread; the lane is lost, and its callers are told."""

    def run(_: Pixels) -> None:
        raise SystemExit

    lane = open_lane(loaded(FakeSession(run)))
    task = asyncio.create_task(asked(lane, 0))
    await asyncio.sleep(0)
    await asyncio.to_thread(lane.join, 60)

    assert lane.trouble() == "a worker died"
    assert lane.is_lost()
    lane.give_up()

    with pytest.raises(OurFaultError):
        await task


async def test_a_retired_lane_closes_with_its_last_lease() -> None:
    """Not before: a request that leased it is still answered."""
    lane = open_lane()
    lane.lease()
    lane.lease()

    lane.retire()
    assert not lane.is_closed
    lane.release()
    assert (await asked(lane, 1)).id == lane.id
    lane.release()

    assert lane.is_closed


async def test_closing_answers_whoever_waits() -> None:
    """In hand or in the queue, nobody waits for ever."""
    gate = Gate()
    lane = open_lane(loaded(FakeSession(gate)))
    tasks = [asyncio.create_task(asked(lane, 0))]
    await asyncio.to_thread(gate.wait_until_entered)
    tasks.append(asyncio.create_task(asked(lane, 1)))
    await asyncio.sleep(0)

    lane.close()
    gate.let()

    for task in tasks:
        with pytest.raises(ServiceError, match="shutting down"):
            await task


async def test_a_lane_that_closed_is_gone_at_once() -> None:
    """Its sessions too: garbage is collected seldom in a quiet process."""
    session = FakeSession()
    lane = open_lane(loaded(session))
    await asked(lane, 1)
    lane.close()
    lane.join(timeout_s=60)
    gc.disable()
    try:
        seen, ran = weakref.ref(lane), weakref.ref(session)
        del lane, session
        await asyncio.sleep(0)

        assert seen() is None
        assert ran() is None
    finally:
        gc.enable()
