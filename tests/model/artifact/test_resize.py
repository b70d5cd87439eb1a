"""No shortcut in decoding or scaling changes what the model says."""

import io

import numpy as np
import pytest
from PIL import Image

from model.artifact.image import Pixels, to_pixels
from model.artifact.outputs import PROBABILITIES, SCORES
from model.artifact.repository import ModelRepository
from model.artifact.runtime import OnnxSession
from tests.conftest import ROOT
from tests.pictures import encoded, patterned

PATTERNS = ("stripes", "checks", "waves", "rings", "noise", "dots", "slope")
SMALL = ((100, 140), (224, 224), (300, 200), (512, 384), (640, 800))
LARGE = ((2048, 2300), (4100, 1200))  # decoded at a half, and too narrow for that


@pytest.fixture(scope="module")
def session() -> OnnxSession:
    """Load the bundled model."""
    repository = ModelRepository(ROOT / "model" / "bundled")
    active = repository.active()
    assert active is not None
    return OnnxSession(repository.read(active).model, "cpu")


def plain(data: bytes, height: int, width: int) -> Pixels:
    """Decode the whole picture and scale it with Pillow's antialiasing bicubic filter."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("form", "sizes", "seeds"),
    [("PNG", SMALL, range(4)), ("JPEG", SMALL, range(4)), ("JPEG", LARGE, range(1))],
)
def test_the_top_class_is_that_of_plain_bicubic(
    session: OnnxSession, form: str, sizes: tuple[tuple[int, int], ...], seeds: range
) -> None:
    """Thin stripes, checks and noise get the class they get without any shortcut."""
    data = [
        encoded(patterned(pattern, seed, size), form)
        for pattern in PATTERNS
        for size in sizes
        for seed in seeds
    ]
    wanted = (SCORES, PROBABILITIES)

    pixels = [to_pixels(Image.open(io.BytesIO(d)), 32, 32) for d in data]
    found = session(np.stack(pixels), wanted).probabilities
    expected = session(np.stack([plain(d, 32, 32) for d in data]), wanted).probabilities

    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert np.abs(found - expected).max() < 0.05


def test_a_large_jpeg_is_not_decoded_whole() -> None:
    """At a half it still has 32 times the network's width, and costs less."""
    image = Image.open(io.BytesIO(encoded(patterned("slope", 0, (2100, 2100)), "JPEG")))

    to_pixels(image, 32, 32)

    assert image.size == (1050, 1050)
