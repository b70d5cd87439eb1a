"""Crop and flip: pixels move, none is invented."""

import pytest
import torch

from training.data.augment import Augmentation, crop_and_flip, cut_out, recolour


def chance(seed: int = 0) -> torch.Generator:
    """Make chance that can be repeated."""
    return torch.Generator().manual_seed(seed)


def images(number: int = 64) -> torch.Tensor:
    """Draw images without any black pixel."""
    return torch.randint(1, 256, (number, 8, 6, 3), dtype=torch.uint8, generator=chance())


def test_nothing_to_do_changes_nothing() -> None:
    """Without padding and flip the images are as they were."""
    assert torch.equal(crop_and_flip(images(), 0, flip=False, generator=chance()), images())


def test_half_of_the_images_are_mirrored() -> None:
    """With flip alone every image is itself or its mirror image, about half of each."""
    flipped = crop_and_flip(images(), 0, flip=True, generator=chance())

    same = (flipped == images()).flatten(1).all(1)
    mirrored = (flipped == images().flip(2)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 16 < int(mirrored.sum()) < 48


def test_a_shift_brings_in_black_and_moves_the_rest() -> None:
    """Each image is a window of the padded one."""
    shifted = crop_and_flip(images(), 2, flip=False, generator=chance())

    padded = torch.nn.functional.pad(images(), (0, 0, 2, 2, 2, 2))
    for before, after in zip(padded, shifted, strict=True):
        windows = [before[r : r + 8, c : c + 6] for r in range(5) for c in range(5)]
        assert any(torch.equal(after, window) for window in windows)


def test_the_generator_decides_all() -> None:
    """The same seed gives the same images, another one others."""
    first, again, other = (
        crop_and_flip(images(), 2, flip=True, generator=chance(seed)) for seed in (1, 1, 2)
    )

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_cut_out_paints_one_square_of_every_image() -> None:
    """What changes lies in a square of the side, which the rim may cut; each image has its own."""
    images = torch.zeros(200, 9, 12, 3, dtype=torch.uint8)

    cut = cut_out(images, 4, torch.Generator().manual_seed(0))

    painted = (cut == 128).all(-1)
    rows, columns = painted.any(2).sum(1), painted.any(1).sum(1)
    assert torch.equal(painted.sum((1, 2)), rows * columns)
    assert rows.max() == columns.max() == 4
    assert rows.min() >= 2
    assert len({tuple(image.flatten().tolist()) for image in painted}) > 50
    assert not images.any()


def test_colours_change_by_their_strength_at_most() -> None:
    """A grey image stays grey and changes in brightness by a tenth at most; each by its own."""
    grey = torch.full((100, 5, 5, 3), 100, dtype=torch.uint8)

    changed = recolour(grey, 0.1, chance()).int()

    assert (changed == changed[..., :1]).all()
    assert changed.min() >= 90
    assert changed.max() <= 110
    assert len(set(changed[:, 0, 0, 0].tolist())) > 10


def test_colours_turn_grey_or_strong() -> None:
    """Saturation moves a red image's channels apart or together."""
    red = torch.tensor([200, 60, 60], dtype=torch.uint8).expand(100, 4, 4, 3).contiguous()

    changed = recolour(red, 0.5, chance()).float()

    apart = changed[:, 0, 0, 0] - changed[:, 0, 0, 1]
    assert apart.min() < 100
    assert apart.max() > 150


@pytest.mark.parametrize(
    ("augmentation", "forms"),
    [
        (Augmentation(), 1),
        (Augmentation(flip=True), 2),
        (Augmentation(flip=True, padding=1), None),
        (Augmentation(crop_scale=0.9), None),
        (Augmentation(colour=0.1), None),
        (Augmentation(cutout=3), None),
        (Augmentation(rotate=5), None),
        (Augmentation(elastic=1), None),
    ],
)
def test_an_augmentation_knows_in_how_many_forms_an_image_comes(
    augmentation: Augmentation, forms: int | None
) -> None:
    """As many different images as it says come of one image; of very many at least ten."""
    image = images(1)
    found = {augmentation(image, chance(seed)).numpy().tobytes() for seed in range(60)}

    assert augmentation.forms == forms
    assert len(found) == forms if forms is not None else len(found) >= 3
