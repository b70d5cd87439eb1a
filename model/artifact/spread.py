"""A layer's map brought to another grid, so that its sum stays what it is."""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# even: each cell is dealt out evenly to the pixels it covers. smooth: it also reaches its
# neighbours, as bilinear interpolation would have it.
Spread = Literal["even", "smooth"]


def spread(cells: Floats, height: int, width: int, kind: Spread = "smooth") -> Floats:
    """Deal the cells of maps out to a finer grid.

    Args:
        cells: `(..., h, w)`, float32.
        height: rows of the result, at least h.
        width: columns of the result, at least w.
        kind: how a cell is dealt out.

    Returns:
        `(..., height, width)`, float32; every map has the sum it had.
    """
    down = _shares(height, cells.shape[-2], kind)
    across = _shares(width, cells.shape[-1], kind)
    dealt: Floats = (down @ cells.astype(np.float64) @ across.T).astype(np.float32)
    return dealt


def gathered(cells: Floats, height: int, width: int) -> Floats:
    """Add the cells of maps up on a coarser grid.

    Args:
        cells: `(..., h, w)`, float32.
        height: rows of the result, at most h.
        width: columns of the result, at most w.

    Returns:
        `(..., height, width)`, float32; every map has the sum it had. A cell that lies across an
        edge is cut there.
    """
    down, across = _overlaps(height, cells.shape[-2]), _overlaps(width, cells.shape[-1])
    summed: Floats = (down @ cells.astype(np.float64) @ across.T).astype(np.float32)
    return summed


def _overlaps(size: int, cells: int) -> NDArray[np.float64]:
    """`(size, cells)`: the part of each cell that lies in each position; columns sum to 1."""
    edges = np.arange(size + 1) * cells / size
    starts = np.arange(cells)
    first = np.maximum(edges[:-1, None], starts)
    last = np.minimum(edges[1:, None], starts + 1)
    return np.asarray(np.clip(last - first, 0, None))


@cache
def _shares(size: int, cells: int, kind: Spread) -> NDArray[np.float64]:
    """`(size, cells)`: the part of each cell that each position gets; columns sum to 1."""
    centres = (np.arange(size) + 0.5) * cells / size - 0.5
    if kind == "even":
        weights = np.rint(centres)[:, None] == np.arange(cells)
    else:
        near = np.clip(centres, 0, cells - 1)
        weights = np.clip(1 - np.abs(near[:, None] - np.arange(cells)), 0, 1)
    shares: NDArray[np.float64] = weights / weights.sum(axis=0)
    return shares
