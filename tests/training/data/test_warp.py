"""Turns, crops and bends: what is read lies where it should, and varies as far as it may."""

import torch

from training.data.warp import warped


def chance(seed: int = 0) -> torch.Generator:
    """Make chance that can be repeated."""
    return torch.Generator().manual_seed(seed)


def slope(number: int = 200) -> torch.Tensor:
    """Draw images that grow brighter to the right, by the column, and have 40 x 40 pixels."""
    columns = torch.arange(40, dtype=torch.uint8) * 6
    return columns.view(1, 1, 40, 1).expand(number, 40, 40, 3).contiguous()


def test_a_resized_crop_shows_a_piece_of_the_image() -> None:
    """Its rows stay alike, it goes through a part of the slope, and the parts differ."""
    cut = warped(slope(), chance(), crop_scale=0.25)

    spread = (cut[:, 0, -1, 0].int() - cut[:, 0, 0, 0].int()) / 234
    assert cut.shape == slope().shape
    assert cut.dtype == torch.uint8
    assert (cut == cut[:, :1]).all()
    assert spread.min() > 0.4  # the square root of a quarter, at the narrowest ratio
    assert spread.max() > 0.9
    assert spread.std() > 0.1


def test_a_crop_of_almost_the_whole_changes_nothing_but_the_ratio() -> None:
    """A piece is never narrower than the widest ratio leaves it."""
    spread = warped(slope(), chance(), crop_scale=0.999).int()

    assert ((spread[:, 0, -1, 0] - spread[:, 0, 0, 0]) / 234).min() > 0.84


def test_a_rotation_turns_as_far_as_it_may_and_keeps_lengths() -> None:
    """A dot at a known place of a wide image goes round its middle, both ways, on a circle."""
    wide = torch.zeros(300, 21, 31, 3, dtype=torch.uint8)
    wide[:, 9:12, 23:26] = 255  # 9 to the right of the middle

    turned = warped(wide, chance(), rotate=40).double()[..., 0]

    mass = turned.sum((1, 2))
    rows = (turned * torch.arange(-10, 11).view(1, 21, 1)).sum((1, 2)) / mass
    columns = (turned * torch.arange(-15, 16).view(1, 1, 31)).sum((1, 2)) / mass
    angles = torch.rad2deg(torch.atan2(rows, columns))
    torch.testing.assert_close(rows.hypot(columns), torch.full_like(rows, 9), atol=0.2, rtol=0)
    assert angles.min() < -35
    assert angles.max() > 35
    assert angles.abs().max() < 41
    assert abs(float(angles.mean())) < 5


def test_a_rotation_brings_in_black() -> None:
    """Corners come from outside, the middle does not."""
    white = torch.full((50, 12, 12, 3), 255, dtype=torch.uint8)

    turned = warped(white, chance(), rotate=45)

    assert (turned[:, 6, 6] == 255).all()
    assert (turned[:, 0, 0] == 0).all(-1).any()


def places(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the middle of what is bright, in pixels: rows and columns, `(N,)` each."""
    bright = pictures.double()[..., 0]
    mass = bright.sum((1, 2))
    rows = (bright * torch.arange(bright.shape[1]).view(1, -1, 1)).sum((1, 2)) / mass
    columns = (bright * torch.arange(bright.shape[2]).view(1, 1, -1)).sum((1, 2)) / mass
    return rows, columns


def dots(row: int, column: int, number: int = 2000) -> torch.Tensor:
    """Draw images of 25 x 41 pixels with one bright spot."""
    found = torch.zeros(number, 25, 41, 3, dtype=torch.uint8)
    found[:, row - 1 : row + 2, column - 1 : column + 2] = 255
    return found


def test_bends_move_by_about_their_deviation_in_pixels_along_both_axes() -> None:
    """In a wide image rows and columns move by as much; between two points of the grid by less."""
    rows, columns = places(warped(dots(12, 20), chance(), elastic=1.5))

    assert 1.1 < float(rows.std()) < 1.5
    assert 1.1 < float(columns.std()) < 1.5
    assert abs(float(rows.mean()) - 12) < 0.1
    assert abs(float(columns.mean()) - 20) < 0.1


def test_bends_are_smooth_and_local() -> None:
    """Two pixels that are close move together, those far apart each by their own."""
    here, close, far = (
        places(warped(dots(12, column), chance(), elastic=1.5))[0] for column in (8, 10, 32)
    )

    together = torch.corrcoef(torch.stack([here, close, far]))
    assert together[0, 1] > 0.9
    assert together[0, 2].abs() < 0.1


def test_bends_bring_in_the_nearest_pixel() -> None:
    """White stays white, up to the rim."""
    white = torch.full((50, 12, 12, 3), 255, dtype=torch.uint8)

    assert (warped(white, chance(), elastic=2) == 255).all()


def test_what_comes_together_is_read_once() -> None:
    """A line one pixel wide stays brighter than by a turn whose result is then cropped."""
    line = torch.zeros(2000, 33, 33, 3, dtype=torch.uint8)
    line[:, :, 16] = 255
    turned = warped(line, chance(), rotate=10)

    once = brightest(warped(line, chance(), rotate=10, crop_scale=0.9))

    assert once > 1.04 * brightest(warped(turned, chance(), crop_scale=0.9))


def brightest(pictures: torch.Tensor) -> float:
    """Give the brightest value of each row, on average."""
    return float(pictures[..., 0].float().amax(2).mean())
