"""Evidence laid over a picture: one scale of colours and strengths, wherever it is drawn."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.artifact.spread import Floats

# Blue and orange: told apart by people who see no red or no green.
AGAINST, FOR = np.array([33, 102, 172]), np.array([230, 97, 1])
_STRONGEST = 0.85  # of the overlay, where the evidence is greatest


def overlaid(picture: Image.Image, strength: Floats) -> Image.Image:
    """Lay evidence over a picture whose colours are drained.

    Args:
        picture: RGB, of any size.
        strength: `(H, W)`, float32: evidence over its own largest absolute value, -1 to 1.

    Returns:
        RGB, of the picture's size: grey where there is no evidence, blue where it speaks
        against, orange where it speaks for.
    """
    grey = picture.convert("L").convert("RGB")
    backdrop = Image.blend(picture, grey, 0.7)
    colours, opacity = _colours(strength)
    size = picture.size
    layer = Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)
    mask = Image.fromarray(opacity).resize(size, Image.Resampling.BICUBIC)
    backdrop.paste(layer, mask=mask)
    return backdrop


def limit(cells: Floats) -> float:
    """Give the value that has the full colour in a map: its largest, whatever its sign."""
    return float(np.abs(cells).max()) or 1.0


def _colours(strength: Floats) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give the colour `(H, W, 3)` and the opacity `(H, W)` of evidence from -1 to 1."""
    colours = np.where(strength[..., None] < 0, AGAINST, FOR).astype(np.uint8)
    opacity = np.abs(strength) * (_STRONGEST * 255)
    return colours, np.clip(opacity, 0, 255).astype(np.uint8)
