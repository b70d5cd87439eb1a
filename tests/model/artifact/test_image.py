"""Any picture becomes what a person sees."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from model.artifact.image import to_pixels
from tests.pictures import encoded

RED, WHITE = (255, 0, 0), (255, 255, 255)


def reopened(image: Image.Image, form: str = "PNG", **options: object) -> Image.Image:
    """Write an image and open it again, as it comes from a caller."""
    return Image.open(io.BytesIO(encoded(image, form, **options)))


def grey16(value: int) -> Image.Image:
    """Draw a 16-bit grey image of one value."""
    return Image.fromarray(np.full((8, 8), value, np.uint16))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGB", (8, 8), RED), RED),
        (Image.new("L", (8, 8), 100), (100, 100, 100)),
        (Image.new("1", (8, 8), 1), WHITE),
        (Image.new("RGB", (8, 8), RED).convert("P"), RED),
        (Image.new("RGBA", (8, 8), (255, 0, 0, 255)), RED),
        (Image.new("RGBA", (8, 8), (255, 0, 0, 0)), WHITE),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 128)), (127, 127, 127)),
        (Image.new("LA", (8, 8), (0, 0)), WHITE),
        (grey16(0), (0, 0, 0)),
        (grey16(65535), WHITE),
        (grey16(25700), (100, 100, 100)),
    ],
)
def test_every_mode_of_png_is_seen(image: Image.Image, expected: tuple[int, int, int]) -> None:
    """Grey, palette, bilevel, 16-bit and transparent pictures keep their look."""
    pixels = to_pixels(reopened(image), 8, 8)

    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_palette_with_a_transparent_colour_lies_on_white() -> None:
    """A palette's transparent entry is transparent, not its colour."""
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0] + [0, 0, 0] * 255)

    pixels = to_pixels(reopened(image, transparency=0), 8, 8)

    assert (pixels == 255).all()


def test_cmyk_jpeg_is_not_inverted() -> None:
    """A red CMYK JPEG looks red."""
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))

    red, green, blue = to_pixels(reopened(image, "JPEG"), 8, 8)[4, 4].astype(int)

    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_rotation_is_applied(form: str) -> None:
    """A photo taken with the camera on its side stands upright."""
    lying = np.zeros((16, 32, 3), np.uint8)
    lying[:, :16] = RED
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise

    pixels = to_pixels(reopened(Image.fromarray(lying), form, exif=exif), 32, 16).astype(int)

    top, bottom = pixels[:14].mean((0, 1)), pixels[18:].mean((0, 1))
    assert top[0] > 200
    assert bottom[0] < 60


def test_an_animation_shows_its_first_frame() -> None:
    """Of several frames the first one counts."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]

    animated = reopened(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)

    assert (to_pixels(animated, 8, 8)[0, 0] == RED).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (400, 300), (32, 32)])
def test_any_size_is_brought_to_the_networks(size: tuple[int, int]) -> None:
    """Small, large and oblong pictures all fit, and a flat one stays flat."""
    pixels = to_pixels(reopened(Image.new("RGB", size, (9, 99, 199))), 20, 24)

    assert pixels.shape == (20, 24, 3)
    assert np.abs(pixels.astype(int) - (9, 99, 199)).max() <= 1


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    """No resampling blurs an image that fits: training and serving see the same bytes."""
    exact = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)

    pixels = to_pixels(reopened(Image.fromarray(exact)), 32, 32)

    assert (pixels == exact).all()


def odd_exif(tag: int) -> bytes:
    """Write EXIF by hand: turned a quarter, and text where `tag` should hold a number."""
    short, text = 3, 2
    entries = sorted([(0x0112, short, 1, b"\6\0\0\0"), (tag, text, 4, b"odd\0")])
    body = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + body + b"\0\0\0\0"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("tag", [0x011A, 0x0213, 0x0100])
def test_odd_exif_does_not_damage_a_picture(form: str, tag: int) -> None:
    """A camera that writes text where a number belongs still took a picture, on its side."""
    lying = Image.new("RGB", (32, 16), RED)
    lying.paste("blue", (0, 0, 16, 16))

    pixels = to_pixels(reopened(lying, form, exif=odd_exif(tag)), 32, 16).astype(int)

    assert np.abs(pixels[4] - (0, 0, 255)).max() <= 3
    assert np.abs(pixels[28] - RED).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_undone(orientation: int) -> None:
    """Whichever way the camera was held, Pillow's own reading of EXIF agrees with ours."""
    generator = np.random.default_rng(0)
    lying = Image.fromarray(generator.integers(0, 256, (6, 9, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = reopened(lying, "PNG", exif=exif)

    expected = np.asarray(ImageOps.exif_transpose(opened))
    found = to_pixels(opened, *expected.shape[:2])

    assert (found == expected).all()


def test_16_bit_grey_with_a_transparent_value_lies_on_white() -> None:
    """The one value that PNG's colour key names is transparent, its neighbours are not."""
    grey = np.full((8, 8), 1000, np.uint16)
    grey[:4] = 2000

    pixels = to_pixels(reopened(Image.fromarray(grey), transparency=1000), 8, 8)

    assert (pixels[5] == 255).all()
    assert (pixels[2] < 10).all()
