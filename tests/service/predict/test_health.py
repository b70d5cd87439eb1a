"""Readiness tells the truth: about lanes, and about the tasks that watch them."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from model.artifact.image import Pixels
from service.app import create_app
from service.predict.health import Health
from service.predict.lanes import Lanes
from service.predict.predictor import Predictor
from service.settings import Settings
from tests.pictures import coloured, encoded
from tests.service.fakes import FakeSession, Gate, fake_repository, loaded, open_lane
from tests.service.models import served

pytestmark = pytest.mark.anyio

PICTURE = encoded(coloured("red", 1))


async def test_a_lane_in_trouble_is_trouble() -> None:
    """No lane, a good one, a sick one."""

    def run(_: Pixels) -> None:
        raise RuntimeError

    lanes = Lanes(10)
    health = Health(lanes)
    assert health.trouble() == "no model is loaded"

    lanes.install(open_lane(loaded(FakeSession(run))))
    assert health.trouble() is None
    await asyncio.gather(Predictor(lanes).predict([b"\1"]), return_exceptions=True)

    assert health.trouble() == "colours/1: a run failed"


async def test_a_task_that_dies_is_shown_and_begun_again() -> None:
    """Readiness must not stay green over a loop that has ended."""
    lanes, begun, fails = Lanes(10), asyncio.Semaphore(0), asyncio.Event()
    lanes.install(open_lane())
    health = Health(lanes)

    async def task() -> None:
        begun.release()
        await fails.wait()
        raise RuntimeError

    keeper = asyncio.create_task(health.keep_running("watcher", task, pause_s=0.05))
    await begun.acquire()
    assert health.trouble() is None

    fails.set()
    await asyncio.sleep(0.01)
    assert health.trouble() == "background tasks fail: watcher"
    await asyncio.wait_for(begun.acquire(), 60)
    keeper.cancel()


async def test_a_process_that_stood_still_takes_no_lane_for_hung(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its first look after that gives what is in hand time anew."""
    monkeypatch.setattr("service.standstill._STOOD_STILL_S", 0.3)
    gate, lanes = Gate(), Lanes(10)
    lanes.install(open_lane(loaded(FakeSession(gate)), stall_timeout_s=60))
    lane = lanes.active
    assert lane is not None
    watching = asyncio.create_task(Health(lanes).watch())
    await asyncio.sleep(0)
    before = lane._forgiven_at  # noqa: SLF001  nothing else tells it from outside in a minute

    time.sleep(0.5)  # noqa: ASYNC251  as if stopped
    async with asyncio.timeout(60):
        while lane._forgiven_at == before:  # noqa: SLF001, ASYNC110
            await asyncio.sleep(0.01)

    watching.cancel()
    gate.let()


async def test_each_look_at_the_lanes_is_told() -> None:
    """Gauges are taken anew then: in another process nobody else would do it."""
    seen = asyncio.Semaphore(0)
    watch = asyncio.create_task(Health(Lanes(10), seen.release).watch())

    for _ in range(2):
        await asyncio.wait_for(seen.acquire(), 60)
    watch.cancel()


async def test_a_hung_session_turns_readiness_red_and_is_replaced(tmp_path: Path) -> None:
    """Soon after the missed heartbeat: 503, an error for who waits, then a new lane."""
    fake_repository(tmp_path)
    hang, reopen = Gate(), Gate()
    is_ill, has_hung = [False], [False]

    def run(_: Pixels) -> None:
        if is_ill[0]:
            hang()

    def open_session(_model: bytes, _threads: int) -> FakeSession:
        if has_hung[0]:
            reopen()  # readiness may be looked at late
        return FakeSession(run)

    settings = Settings(repository=tmp_path, device="cpu", stall_timeout_s=0.3)
    with served(create_app(settings, open_session)) as client:
        assert client.post("/predict", content=PICTURE).status_code == 200
        is_ill[0] = True
        hung = asyncio.create_task(asyncio.to_thread(client.post, "/predict", content=PICTURE))
        await asyncio.to_thread(hang.wait_until_entered)
        is_ill[0], has_hung[0] = False, True
        red_after_s = await asyncio.to_thread(seconds_until, client, 503)
        reopen.let(10)
        green_after_s = await asyncio.to_thread(seconds_until, client, 200)
        answer = await hung
        after = client.post("/predict", content=PICTURE)

    hang.let()
    assert red_after_s < 10
    assert green_after_s < 20
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:goodserve:problem:worker-lost")
    assert after.status_code == 200


def seconds_until(client: httpx.Client, status: int) -> float:
    """Ask for readiness until the answer has this status; give the time it took."""
    started = time.monotonic()
    while client.get("/health/ready").status_code != status:
        assert time.monotonic() - started < 30
        time.sleep(0.01)
    return time.monotonic() - started
