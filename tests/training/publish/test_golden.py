"""Golden pictures: drawn by the program."""

import pytest

from training.publish.golden import draw_golden_inputs


@pytest.mark.parametrize("size", [(4, 4), (32, 32), (28, 17)])
def test_golden_pictures_are_drawn_the_same_each_time(size: tuple[int, int]) -> None:
    """Four different pictures of the asked size, always the same."""
    first, again = draw_golden_inputs(*size), draw_golden_inputs(*size)

    assert first.shape == (4, *size, 3)
    assert (first == again).all()
    assert len({picture.tobytes() for picture in first}) == 4
