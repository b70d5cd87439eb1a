"""The shape of a network: what follows from the numbers, and what cannot be built."""

import dataclasses

import pytest

from tests.model.network.networks import SPEC


def test_shortcut_joins_only_inside_a_stage() -> None:
    """The identity shortcut needs the same grid and the same width."""
    shortcuts = [block.has_shortcut for block in SPEC.blocks()]

    assert shortcuts == [False, True, False]


def test_small_grids_read_each_position_by_itself() -> None:
    """Where the grid is smaller than R x R, each position is a region of its own."""
    spec = dataclasses.replace(SPEC, widths=(8, 8, 8, 8), pool_before=(2, 3, 4))

    assert [block.regions for block in spec.blocks()] == [(4, 4), (4, 4), (4, 3), (2, 1)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_classes": 1}, "at least 2 classes, got 1"),
        ({"widths": ()}, "at least one channel"),
        ({"regions": 0}, "regions must be at least 1"),
        ({"pool_before": (4,)}, r"names layers \[4\], but there are 3"),
        ({"widths": (8,) * 6, "pool_before": (1, 2, 3, 4, 5)}, "layer 4 has no positions left"),
    ],
)
def test_impossible_shapes_are_refused(change: dict[str, object], message: str) -> None:
    """A shape that cannot be built says which number is wrong."""
    spec = dataclasses.replace(SPEC, **change)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match=message):
        spec.blocks()
