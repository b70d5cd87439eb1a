"""Assignments as heat maps: small pictures in two colour scales, for light and for dark pages.

Axes: D channel-regions, K classes.
"""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MOST_ROWS = 200
# One hue each, from the page's colour to one of high contrast: told apart without colour vision.
_LIGHT = np.array([(247, 250, 254), (107, 162, 226), (13, 54, 107)], dtype=np.float64)
_DARK = np.array([(24, 28, 34), (46, 104, 178), (205, 226, 251)], dtype=np.float64)


@dataclass(frozen=True)
class Picture:
    """One picture for pages of both kinds, as `data:` addresses of PNG files."""

    light: str
    dark: str


@dataclass(frozen=True)
class HeatMap:
    """The assignment of a layer.

    Attributes:
        layer: its name.
        picture: a row for each group of channel-regions, a column for each class.
        channel_regions: D.
        rows: of the picture, at most 200.
        top: the value that has the last colour; 0 has the first.
        entropy: 1 undecided, 0 one class for each channel-region.
        owned: how many channel-regions speak most for each class.
    """

    layer: str
    picture: Picture
    channel_regions: int
    rows: int
    top: float
    entropy: float
    owned: tuple[int, ...]


def heat_map(layer: str, assignment: NDArray[np.float32], entropy: float) -> HeatMap:
    """Draw a `(D, K)` assignment whose rows sum to 1."""
    rows = averaged(by_strongest_class(assignment))
    top = float(rows.max())
    strongest = assignment.argmax(1)
    owned = np.bincount(strongest, minlength=assignment.shape[1])
    drawn = painted(rows / top)
    return HeatMap(layer, drawn, len(assignment), len(rows), top, entropy, tuple(owned.tolist()))


def by_strongest_class(assignment: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sort the rows by the class they speak most for, and within it by how much."""
    strongest = assignment.argmax(1)
    return assignment[np.lexsort((-assignment.max(1), strongest))]


def averaged(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average neighbouring rows, so that at most 200 are left."""
    groups = np.array_split(rows, min(_MOST_ROWS, len(rows)))
    return np.stack([group.mean(0) for group in groups])


def painted(values: NDArray[np.floating]) -> Picture:
    """Paint an array of 0 to 1, a pixel for each value."""
    return Picture(png(_coloured(values, _LIGHT)), png(_coloured(values, _DARK)))


def png(pixels: NDArray[np.uint8]) -> str:
    """Write `(H, W, 3)` pixels as the `data:` address of a PNG file."""
    return address(Image.fromarray(pixels))


def address(picture: Image.Image) -> str:
    """Write a picture as the `data:` address of a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _coloured(values: NDArray[np.floating], scale: NDArray[np.float64]) -> NDArray[np.uint8]:
    stops = np.linspace(0, 1, len(scale))
    channels = [np.interp(values, stops, scale[:, c]) for c in range(3)]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), dtype=np.uint8)
