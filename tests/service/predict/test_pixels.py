"""Pixels that callers send as the model takes them, in the same queue as encoded files."""

import asyncio

import numpy as np
import pytest

from model.artifact.image import Pixels
from service.errors import UnprocessableError
from tests.service.fakes import FakeSession, Gate, loaded, open_lane

pytestmark = pytest.mark.anyio


async def test_pixels_join_a_batch_without_decoding() -> None:
    """Beside files of others they keep their own rows, and count as the images they are."""
    gate = Gate()
    batches: list[list[int]] = []

    def run(pixels: Pixels) -> None:
        batches.append([int(value) for value in pixels[:, 0, 0, 0]])
        gate()

    lane = open_lane(loaded(FakeSession(run)))
    pixels = np.stack([np.full((16, 16, 3), value, np.uint8) for value in (8, 9)])
    first = asyncio.create_task(lane.submit([b"\0"], explain=False))
    await asyncio.to_thread(gate.wait_until_entered)
    rest = [asyncio.create_task(lane.submit(each, explain=False)) for each in (pixels, [b"\7"])]
    await asyncio.sleep(0)

    depth = lane.depth
    gate.let(2)
    answers = await asyncio.gather(first, *rest)

    assert depth == 4
    assert batches == [[0], [8, 9, 7]]
    assert [len(each.outputs.scores) for each in answers] == [1, 2, 1]


@pytest.mark.parametrize(
    "pixels", [np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 16, 16, 3), np.float32)]
)
async def test_pixels_of_another_shape_reach_no_batch(pixels: Pixels) -> None:
    """Their caller is told what the version takes, and the worker goes on."""
    lane = open_lane()

    with pytest.raises(UnprocessableError, match=r"takes uint8 pixels \(N, 16, 16, 3\), not "):
        await lane.submit(pixels, explain=False)

    assert (await lane.submit([b"\1"], explain=False)).outputs.scores.shape == (1, 3)
