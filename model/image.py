"""From any picture to the pixels a network reads: one way, for training and for serving."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Iterable

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP")
_SIXTEEN_BIT_GREY = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_WHITE = (255, 255, 255, 255)


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
    """
    if image.size != (width, height):
        # JPEG only: decode at a fraction of the size, still twice what is needed.
        image.draft(None, (2 * max(height, width), 2 * max(height, width)))
    upright = ImageOps.exif_transpose(image)
    rgb = _to_rgb(upright)
    if rgb.size != (width, height):
        rgb = rgb.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.array(rgb, dtype=np.uint8)


def stack(pixels: "Iterable[Pixels]") -> Pixels:
    """Put images of one size into a batch: `(N, H, W, 3)`, uint8, C-contiguous."""
    return np.ascontiguousarray(np.stack(list(pixels)))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT_GREY:
        image = _eight_bit_grey(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bit_grey(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255; Pillow's own conversion may clip instead."""
    wide = np.asarray(image, dtype=np.int64).clip(0, 65535)
    return Image.fromarray(((wide + 128) // 257).astype(np.uint8))
