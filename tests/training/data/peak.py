"""Loads a folder with its cache, and prints its own peak memory in KiB before and after."""

import sys
from pathlib import Path


def peak() -> int:
    """Read the largest resident size of this process so far; pages of mapped files count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def main(data: str, cache: str, size: str) -> None:
    """Do with the data what a run does before and in its first step."""
    import torch  # noqa: PLC0415  this file is imported by the decoding processes, too

    from tests.training.data.sets import load  # noqa: PLC0415
    from training.data.augment import Augmentation  # noqa: PLC0415
    from training.data.split import split_validation  # noqa: PLC0415
    from training.fit.batches import Batches  # noqa: PLC0415
    from training.fit.build import pixel_statistics  # noqa: PLC0415

    # Torch's first batches bring code and buffers that are no pixels.
    torch.randint(0, 256, (250, 64, 64, 3), dtype=torch.uint8).float().sum()
    before = peak()
    dataset = load(f"folder:{data}", image_size=int(size), cache=cache)
    dataset.fingerprint()
    train, _ = split_validation(dataset, 0.1, seed=0)
    pixel_statistics(train)
    batches = Batches(train, 50, 0, Augmentation(4, flip=True))
    batches.augmented(batches.order(0)[0], 0, 0)
    print(before, peak())


if __name__ == "__main__":
    main(*sys.argv[1:])
