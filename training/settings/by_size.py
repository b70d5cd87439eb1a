"""What a run does by default, by how many pictures it has to learn from."""

from typing import Any

# So many steps make an epoch of few pictures, as far as a batch of 16 still has sound statistics.
_STEPS, _SMALLEST, _LARGEST = 40, 16, 250
# Fewer steps than this are too few for the schedules: few pictures are gone through more often.
_LEAST_STEPS, _EPOCHS, _MOST_EPOCHS = 1200, 30, 90


def by_size(pictures: int) -> dict[str, Any]:
    """Give the settings that suit so many pictures, by section; to lay under all that is asked for.

    Args:
        pictures: in the folder or list, validation and test pictures that it names left out.
    """
    batch_size = min(_LARGEST, max(_SMALLEST, _power_of_two(pictures / _STEPS)))
    steps = max(1, pictures // batch_size)
    epochs = min(_MOST_EPOCHS, max(_EPOCHS, round(_LEAST_STEPS / steps)))
    return {"optimiser": {"batch_size": batch_size, "epochs": epochs}}


def _power_of_two(number: float) -> int:
    """Give the largest power of two that is not above a number of at least 1."""
    return 1 << max(0, int(number).bit_length() - 1)
