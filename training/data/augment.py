"""Augmentation of uint8 image batches, in torch alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.warp import warped

_GREY = 128
# Of red, green and blue in brightness (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Augmentation:
    """What happens to training images by chance.

    Attributes:
        padding: the largest random shift in pixels.
        flip: whether images are mirrored at random.
        cutout: side of the square that is painted grey; 0: none.
        crop_scale: least part of an image's area that a random crop keeps; 1: no such crop.
        colour: largest change of brightness, contrast and saturation, as a part of them.
        rotate: the largest random rotation in degrees, either way.
        elastic: standard deviation in pixels of how far points move where images are bent.
    """

    padding: int = 0
    flip: bool = False
    cutout: int = 0
    crop_scale: float = 1.0
    colour: float = 0.0
    rotate: float = 0.0
    elastic: float = 0.0

    @property
    def is_warped(self) -> bool:
        """Whether pixels are read between pixels."""
        return bool(self.rotate or self.crop_scale < 1 or self.elastic)

    @property
    def forms(self) -> int | None:
        """In how many forms an image can come: as it is, and mirrored; None: in very many."""
        is_varied = self.padding or self.cutout or self.colour or self.is_warped
        return None if is_varied else 1 + self.flip

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Augment `(N, H, W, 3)` uint8 images; `generator`, on the CPU, is the only chance."""
        images = crop_and_flip(images, self.padding, self.flip, generator)
        if self.is_warped:
            images = warped(
                images,
                generator,
                rotate=self.rotate,
                crop_scale=self.crop_scale,
                elastic=self.elastic,
            )
        if self.colour:
            images = recolour(images, self.colour, generator)
        return cut_out(images, self.cutout, generator) if self.cutout else images


def crop_and_flip(images: Tensor, padding: int, flip: bool, generator: torch.Generator) -> Tensor:  # noqa: FBT001
    """Shift every image by up to `padding` pixels, and mirror half of them.

    Args:
        images: `(N, H, W, 3)`, uint8.
        padding: the largest shift in pixels; what comes in from outside is black.
        flip: whether to mirror left and right.
        generator: on the CPU; the only source of chance.

    Returns:
        `(N, H, W, 3)`, uint8, a new tensor.
    """
    number, height, width, _ = images.shape
    shifts, mirrored = draw_shifts(number, padding, flip, generator)
    rows = torch.arange(height) + shifts[0]
    columns = torch.arange(width) + shifts[1]
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    padded = torch.nn.functional.pad(images, (0, 0, padding, padding, padding, padding))
    which = torch.arange(number)[:, None, None].to(images.device)
    rows, columns = rows.to(images.device), columns.to(images.device)
    return padded[which, rows[:, :, None], columns[:, None, :]]


def draw_shifts(
    number: int,
    padding: int,
    flip: bool,  # noqa: FBT001
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw how far `number` images are shifted, `(2, N, 1)`, and which are mirrored, `(N,)`."""
    shifts = torch.randint(0, 2 * padding + 1, (2, number, 1), generator=generator)
    if not flip:
        return shifts, torch.zeros(number, dtype=torch.bool)
    return shifts, torch.rand(number, 1, generator=generator)[:, 0] < 0.5  # noqa: PLR2004  half


def recolour(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast and saturation of every image by chance.

    Args:
        images: `(N, H, W, 3)`, uint8.
        strength: each factor is drawn from 1 - strength to 1 + strength.
        generator: on the CPU; the only source of chance.

    Returns:
        `(N, H, W, 3)`, uint8, a new tensor.

    Source: the colour jitter of Howard, Some Improvements on Deep CNN Based Image
        Classification (2013), in this one order.
    """
    drawn = 1 + strength * (2 * torch.rand(3, len(images), 1, 1, 1, generator=generator) - 1)
    brightness, contrast, saturation = drawn.to(images.device)
    pixels = (images.float() * brightness).clamp(0, 255)
    grey = pixels @ torch.tensor(_LUMA, device=images.device)
    mean = grey.mean((1, 2))[:, None, None, None]
    pixels = (mean + contrast * (pixels - mean)).clamp(0, 255)
    grey = (pixels @ torch.tensor(_LUMA, device=images.device)).unsqueeze(-1)
    pixels = (grey + saturation * (pixels - grey)).clamp(0, 255)
    changed: Tensor = pixels.round().to(torch.uint8)
    return changed


def cut_out(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Paint a square of every image grey, at a place drawn by chance.

    Args:
        images: `(N, H, W, 3)`, uint8.
        side: of the square in pixels; its centre lies in the image, its rim may not.
        generator: on the CPU; the only source of chance.

    Returns:
        `(N, H, W, 3)`, uint8, a new tensor.

    Source: DeVries and Taylor, Improved Regularization with Cutout (2017).
    """
    number, height, width, _ = images.shape
    centre_rows = torch.randint(0, height, (number, 1), generator=generator)
    centre_columns = torch.randint(0, width, (number, 1), generator=generator)
    rows = _covered(torch.arange(height), centre_rows, side)
    columns = _covered(torch.arange(width), centre_columns, side)
    square = (rows[:, :, None] & columns[:, None, :]).unsqueeze(-1).to(images.device)
    return images.masked_fill(square, _GREY)


def _covered(positions: Tensor, centres: Tensor, side: int) -> Tensor:
    """Tell which positions along one axis lie in a run of `side` around each centre."""
    offset = positions - (centres - side // 2)
    return (offset >= 0) & (offset < side)
