"""What frozen first layers make of the training images, computed once."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from training.fit.batches import Batches

_AT_ONCE = 250
# Of the memory that is free when training begins.
_SHARE = 0.5
_GROUP = Path("/sys/fs/cgroup")


class Passed(NamedTuple):
    """What the frozen first layers make of a batch.

    Attributes:
        x: `(N, C, H, W)`, what the last of them passes on; the pixels where none is frozen.
        means: of each frozen layer, `(N, D)`, float32.
    """

    x: Tensor
    means: tuple[Tensor, ...]

    def take(self, indices: Tensor) -> "Passed":
        """Pick images by their positions."""
        x = self.x.index_select(0, indices).contiguous(memory_format=torch.channels_last)
        return Passed(x, tuple(means.index_select(0, indices) for means in self.means))


class CachedPrefix:
    """Looks up what `LocalUpdate.frozen` says of a training image, as it is or mirrored."""

    def __init__(self, forms: tuple[Passed, ...]) -> None:
        """Take what is said of all images, in each of their one or two forms."""
        self._forms = forms

    def __call__(self, indices: Tensor, mirrored: Tensor) -> Passed:
        """Look up a batch.

        Args:
            indices: `(N,)`, int64, positions in the training split.
            mirrored: `(N,)`, bool.
        """
        plain = self._forms[0].take(indices)
        if len(self._forms) == 1:
            return plain
        other = self._forms[1].take(indices)
        x = torch.where(mirrored[:, None, None, None], other.x, plain.x)
        pairs = zip(other.means, plain.means, strict=True)
        return Passed(x, tuple(torch.where(mirrored[:, None], a, b) for a, b in pairs))


def cached_prefix(
    frozen: Callable[[Tensor], Passed], batches: Batches, device: torch.device, sharers: int = 1
) -> CachedPrefix | None:
    """Pass every training image through the frozen layers, once in each form.

    Args:
        frozen: gives what those layers make of `(N, H, W, 3)` uint8 images.
        batches: the images, and in which forms they come.
        device: where they are passed through, and kept.
        sharers: processes that do the same, at most so many in the same memory.

    Returns:
        None where no layer is frozen, where chance gives an image too many forms, or where the
        memory is too small.
    """
    forms = batches.augmentation.forms
    example = frozen(batches.train.first(1).images.to(device))
    if forms is None or not example.means:
        return None
    per_image = sum(tensor.nbytes for tensor in (example.x, *example.means))
    if per_image * len(batches.train) * forms > _SHARE * _free_bytes(device) / sharers:
        return None
    plain = _all_passed(frozen, batches, device, mirror=False)
    if forms == 1:
        return CachedPrefix((plain,))
    return CachedPrefix((plain, _all_passed(frozen, batches, device, mirror=True)))


def _all_passed(
    frozen: Callable[[Tensor], Passed], batches: Batches, device: torch.device, *, mirror: bool
) -> Passed:
    whole: tuple[Tensor, ...] = ()
    place, number = 0, len(batches.train)
    for part in batches.train.passes(_AT_ONCE):
        images = part.images.flip(2) if mirror else part.images
        x, means = frozen(images.to(device))
        if not whole:  # filled part by part: joining them at the end would hold all of it twice
            whole = tuple(_room(number, each) for each in (x, *means))
        for all_of_it, each in zip(whole, (x, *means), strict=True):
            all_of_it[place : place + len(part)] = each
        place += len(part)
    return Passed(whole[0], whole[1:])


def _room(number: int, example: Tensor) -> Tensor:
    """Take memory for so many rows as those of an example, laid out as convolutions read them."""
    is_grid = example.dim() == 4  # noqa: PLR2004  images, channels, rows, columns
    layout = torch.channels_last if is_grid else torch.contiguous_format
    shape = (number, *example.shape[1:])
    return torch.empty(shape, dtype=example.dtype, device=example.device, memory_format=layout)


def _free_bytes(device: torch.device) -> int:
    """Ask how much memory is free: on a CPU 0 where the kernel does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    free = int(found[0]) * 1024 if found else 0
    return min([free, *_left_in_group(_GROUP)])


def _left_in_group(group: Path) -> list[int]:
    """Read what a container's limit leaves, which the machine's figure does not show.

    Args:
        group: where version 2 of control groups is seen from within.

    Returns:
        Bytes; nothing where there is no limit.
    """
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        kinds = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used -= int(kinds.get("inactive_file", 0))  # of files, which the kernel gives up first
    except (OSError, ValueError):
        return []
    return [max(0, int(limit) - used)] if limit.isdecimal() else []
