"""The evidence of one image over its picture, in the service's colours and by its scale."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.artifact.overlay import limit, overlaid
from training.results.html.heat import address

# More are hardly seen in an overlay, and take twice the bytes.
_COLOURS = 64


@dataclass(frozen=True)
class Overlay:
    """Evidence over its picture.

    Attributes:
        picture: a `data:` address.
        total: the sum of the map, which is the score.
        limit: the evidence of a pixel that has the full colour.
    """

    picture: str
    total: float
    limit: float


def overlay(picture: NDArray[np.uint8], cells: NDArray[np.float32]) -> Overlay:
    """Lay the evidence `(H, W)` over its picture `(H, W, 3)`."""
    strongest = limit(cells)
    painted = overlaid(Image.fromarray(picture), cells / np.float32(strongest))
    few = painted.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return Overlay(address(few), float(cells.sum(dtype=np.float64)), strongest)
