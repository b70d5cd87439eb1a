"""Lanes: leased once, swapped under way, bounded together."""

import asyncio

import pytest

from model.artifact.image import Pixels
from service.errors import BusyError, DeadlineError, NotReadyError
from service.predict.lanes import Lanes, Table, Wanted, choose
from service.predict.predictor import Predictor
from tests.service.fakes import Clock, FakeSession, Gate, loaded, open_lane

pytestmark = pytest.mark.anyio

PICTURE = [b"\7"]


async def test_the_active_lane_answers() -> None:
    """Which lane answers is a function of the table alone."""
    active, draining = open_lane(loaded(version="2")), open_lane(loaded(version="1"))
    table = Table({active.id: active}, {"colours": active.id}, "colours", (draining,))

    assert choose(table) is active
    assert choose(table, Wanted("colours")) is active
    assert choose(table, Wanted("colours", "2")) is active
    assert choose(table, Wanted("colours", "1")) is None
    assert choose(table, Wanted("shapes")) is None
    assert choose(Table(draining=(draining,))) is None


async def test_a_swap_touches_no_other_name() -> None:
    """What answers for one name stays when another one's version changes."""
    lanes = Lanes(max_waiting_images=100)
    colours, shapes = open_lane(loaded()), open_lane(loaded(name="shapes"))
    lanes.install(colours)
    lanes.install(shapes)

    lanes.install(open_lane(loaded(name="shapes", version="2")))

    assert lanes.active is colours
    assert not colours.is_closed
    assert shapes.is_closed
    assert [str(each) for each in lanes.serving] == ["colours/1", "shapes/2"]


async def test_what_was_used_least_lately_is_unloaded() -> None:
    """Beyond the limit; the default model's lane stays, however seldom it is used."""
    lanes = Lanes(max_waiting_images=100, max_open=2)
    predictor = Predictor(lanes)
    opened = {name: open_lane(loaded(name=name)) for name in "abcd"}
    for name in "abc":
        lanes.install(opened[name])
    await predictor.predict(PICTURE, wanted=Wanted("b"))

    lanes.install(opened["d"])

    assert [lane.id.name for lane in lanes.all] == ["a", "b", "d"]
    assert opened["c"].is_closed


async def test_a_version_that_was_named_and_is_lost_can_be_loaded_again() -> None:
    """Nobody watches over it, so it must not stand in its own way; the active one does stay."""
    gate, clock = Gate(), Clock()
    lanes = Lanes(max_waiting_images=100)
    lanes.install(open_lane(loaded()))
    hung = open_lane(loaded(FakeSession(gate), version="7"), clock=clock, stall_timeout_s=1.0)
    lanes.add(hung)
    named = Wanted("colours", "7")
    asked = asyncio.create_task(Predictor(lanes).predict(PICTURE, wanted=named))
    await asyncio.to_thread(gate.wait_until_entered)

    clock.now = 2.0
    lanes.give_up_lost()

    with pytest.raises(Exception, match="does not answer"):
        await asked
    assert lanes.of(named) is None
    lanes.add(open_lane(loaded(version="7")))
    assert str((await Predictor(lanes).predict(PICTURE, wanted=named)).id) == "colours/7"
    assert lanes.active is not None
    assert not lanes.active.is_closed
    gate.let()


async def test_models_that_are_no_longer_active_drain() -> None:
    """A version that was named itself stays; the others answer on."""
    lanes = Lanes(max_waiting_images=100)
    for name, version in (("a", "1"), ("b", "1")):
        lanes.install(open_lane(loaded(name=name, version=version)))
    lanes.add(open_lane(loaded(name="b", version="7")))

    lanes.keep_only({"a"})

    assert [str(lane.id) for lane in lanes.all] == ["a/1", "b/7"]


async def test_a_request_keeps_the_lane_it_leased_through_a_swap() -> None:
    """Leased before a swap to another input size, it is answered by what it leased."""
    gate = Gate()
    old = open_lane(loaded(FakeSession(gate), size=16, version="1"))
    new = open_lane(loaded(size=24, version="2"))
    lanes = Lanes(max_waiting_images=100)
    lanes.install(old)
    predictor = Predictor(lanes)
    before = asyncio.create_task(predictor.predict(PICTURE))
    await asyncio.to_thread(gate.wait_until_entered)
    waiting = asyncio.create_task(predictor.predict(PICTURE))
    await asyncio.sleep(0)

    lanes.install(new)
    after = await predictor.predict(PICTURE)
    assert not old.is_closed
    gate.let(2)

    assert [(await each).id.version for each in (before, waiting)] == ["1", "1"]
    assert after.id.version == "2"
    assert old.is_closed
    assert not new.is_closed


async def test_many_swaps_leave_one_lane() -> None:
    """Old lanes go: their threads end, and nothing is held of them."""
    lanes = Lanes(max_waiting_images=100)
    opened = [open_lane(loaded(version=str(number))) for number in range(1, 21)]

    for lane in opened:
        lanes.install(lane)
        await Predictor(lanes).predict(PICTURE)

    assert lanes.all == (opened[-1],)
    assert [lane.is_closed for lane in opened] == [True] * 19 + [False]


async def test_waiting_is_bounded_over_all_lanes() -> None:
    """What waits in a draining lane counts too; those who wait are not harmed."""
    gate = Gate()
    old, new = open_lane(loaded(FakeSession(gate))), open_lane(loaded(FakeSession(gate)))
    lanes = Lanes(max_waiting_images=4)
    lanes.install(old)
    predictor = Predictor(lanes)
    first = asyncio.create_task(predictor.predict(PICTURE * 2))
    await asyncio.sleep(0)
    lanes.install(new)
    second = asyncio.create_task(predictor.predict(PICTURE))
    await asyncio.sleep(0)

    with pytest.raises(BusyError, match="3 images wait already, the limit is 4"):
        await predictor.predict(PICTURE * 2)

    gate.let(2)
    assert [len((await each).outputs.scores) for each in (first, second)] == [2, 1]
    assert lanes.depth == 0


async def test_waiting_is_bounded_in_seconds() -> None:
    """By the pace of the last batches; a caller's own deadline counts as well."""
    clock, gate = Clock(), Gate()

    def run(_: Pixels) -> None:
        clock.now += 2.0
        if clock.now > 3:
            gate()

    lanes = Lanes(max_waiting_images=100, max_wait_s=3.0)
    lanes.install(open_lane(loaded(FakeSession(run)), clock=clock))
    predictor = Predictor(lanes)
    await predictor.predict(PICTURE)
    waiting = [asyncio.create_task(predictor.predict(PICTURE)) for _ in range(2)]
    await asyncio.to_thread(gate.wait_until_entered)

    with pytest.raises(BusyError, match=r"the wait is 4\.00 s now, the limit is 3 s") as busy:
        await predictor.predict(PICTURE)
    with pytest.raises(DeadlineError, match=r"the wait is 4\.00 s now, the caller's deadline 1"):
        await predictor.predict(PICTURE, timeout_s=1.0)

    assert busy.value.retry_after_s == 4
    gate.let(2)
    await asyncio.gather(*waiting)


async def test_one_request_of_many_images_is_taken_where_nothing_waits() -> None:
    """A limit below a request's own size must not refuse it for ever."""
    lanes = Lanes(max_waiting_images=1)
    lanes.install(open_lane())

    assert len((await Predictor(lanes).predict(PICTURE * 3)).outputs.scores) == 3


async def test_without_a_lane_the_reason_is_told() -> None:
    """Nothing is loaded, or what was to be loaded was refused."""
    lanes = Lanes(max_waiting_images=4)
    with pytest.raises(NotReadyError, match="no model is loaded; publish one"):
        await Predictor(lanes).predict(PICTURE)

    lanes.why_none = "colours/1 is corrupt"

    with pytest.raises(NotReadyError, match="no model is loaded: colours/1 is corrupt"):
        await Predictor(lanes).predict(PICTURE)


async def test_a_lost_lane_is_given_up_and_takes_nothing_more() -> None:
    """Who waits gets an error; who comes is told to try later until it is replaced."""
    clock, gate = Clock(), Gate()
    lanes = Lanes(max_waiting_images=4)
    lanes.install(open_lane(loaded(FakeSession(gate)), clock=clock, stall_timeout_s=1.0))
    waits = asyncio.create_task(Predictor(lanes).predict(PICTURE))
    await asyncio.to_thread(gate.wait_until_entered)

    clock.now = 2.0
    lanes.give_up_lost()

    with pytest.raises(Exception, match="does not answer"):
        await waits
    with pytest.raises(NotReadyError, match="was lost and is being replaced"):
        await Predictor(lanes).predict(PICTURE)
    lanes.install(open_lane(loaded(version="2")))
    assert (await Predictor(lanes).predict(PICTURE)).id.version == "2"
    gate.let()


async def test_closing_ends_every_worker() -> None:
    """Nobody is left waiting, in the active lane or in one that drains."""
    lanes = Lanes(max_waiting_images=4)
    lane = open_lane()
    lanes.install(lane)

    lanes.close()

    assert lane.is_closed
    with pytest.raises(NotReadyError):
        await Predictor(lanes).predict(PICTURE)
