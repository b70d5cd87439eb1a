"""Every good picture is classified as a person sees it, whatever its mode and format."""

import base64
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.pictures import coloured, encoded
from tests.service.fakes import fake_repository
from tests.service.models import fake_app_on, served

RED = coloured("red", seed=999)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a fake session that knows three colours, over real sockets."""
    root = tmp_path_factory.mktemp("pictures")
    fake_repository(root)
    with served(fake_app_on(root)) as client:
        yield client


def exif(orientation: int) -> Image.Exif:
    """Say how the camera was held."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


GOOD = {
    "png": encoded(RED),
    "jpeg": encoded(RED, "JPEG", quality=95),
    "webp": encoded(RED, "WEBP", lossless=True),
    "palette": encoded(RED.convert("P", palette=Image.Palette.ADAPTIVE)),
    "rgba": encoded(RED.convert("RGBA")),
    "cmyk": encoded(RED.convert("CMYK"), "JPEG", quality=95),
    "rotated": encoded(RED, "JPEG", exif=exif(6)),
    "one pixel": encoded(Image.new("RGB", (1, 1), (210, 50, 40))),
    "progressive": encoded(RED, "JPEG", progressive=True),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_kind_of_picture_is_seen(client: httpx.Client, name: str) -> None:
    """Whatever its mode and format, a red picture is red."""
    prediction = client.post("/predict", content=GOOD[name]).json()["predictions"][0]

    assert prediction["label"] == "red"


@pytest.mark.parametrize(
    "image",
    [
        RED.convert("L"),
        RED.convert("LA"),
        RED.convert("1"),
        Image.fromarray(np.full((20, 20), 30_000, np.uint16)),
    ],
)
def test_pictures_without_colour_are_answered(client: httpx.Client, image: Image.Image) -> None:
    """Grey, grey with alpha, bilevel and 16-bit pictures get an answer."""
    assert client.post("/predict", content=encoded(image)).status_code == 200


def test_data_urls_and_wrapped_base64_are_taken(client: httpx.Client) -> None:
    """A browser's `data:` URL has a preface, and a shell's base64 has line breaks."""
    wrapped = base64.encodebytes(encoded(RED)).decode()
    assert client.post("/predict", json={"images": [wrapped]}).status_code == 200
    body = {"images": [f"data:image/png;base64,{base64.b64encode(encoded(RED)).decode()}"]}

    assert client.post("/predict", json=body).json()["predictions"][0]["label"] == "red"
