"""Chance derived from the seed and the place in the run, so that resuming needs no state."""

import torch


def chance(seed: int, *place: int) -> torch.Generator:
    """Give the generator of one place in a run.

    Args:
        seed: of the run.
        place: the epoch alone for the order of its images; epoch and step for augmentation.

    Returns:
        On the CPU; the same for the same numbers, whatever ran before.
    """
    value = seed
    for number in place:
        # One is added so that (epoch 0) and (epoch 0, step 0) are different places.
        value = (value * 1_000_003 + number + 1) % 2**63
    # Torch's generator on the CPU takes the low 32 bits alone: seeds 2**32 apart are one seed.
    return torch.Generator().manual_seed(value)
