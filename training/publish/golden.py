"""Golden inputs: small pictures drawn by the program, so that a manifest holds nobody's data."""

import numpy as np
from numpy.typing import NDArray

from model.artifact.image import Pixels, stack


def draw_golden_inputs(height: int, width: int) -> Pixels:
    """Draw pictures that differ in colour, edge and texture.

    Returns:
        `(4, height, width, 3)`, uint8: a colour gradient, a disc, stripes, a chequerboard.
    """
    rows, columns = np.mgrid[0:height, 0:width]
    down, across = rows / max(height - 1, 1), columns / max(width - 1, 1)
    disc = np.hypot(down - 0.5, across - 0.5) < 0.3  # noqa: PLR2004  a radius
    stripes = (rows + columns) // 4 % 2 == 0
    squares = (rows // 4 + columns // 4) % 2 == 0
    return stack(
        [
            _pixels(down, across, 1 - down),
            _painted(disc, (230, 60, 40), (70, 140, 210)),
            _painted(stripes, (250, 220, 60), (20, 40, 30)),
            _painted(squares, (240, 240, 240), (60, 120, 60)),
        ]
    )


def _pixels(
    red: NDArray[np.float64], green: NDArray[np.float64], blue: NDArray[np.float64]
) -> Pixels:
    return (np.stack([red, green, blue], axis=-1) * 255).astype(np.uint8)


def _painted(where: NDArray[np.bool_], inside: tuple[int, ...], outside: tuple[int, ...]) -> Pixels:
    return np.where(where[..., None], inside, outside).astype(np.uint8)
