"""What a position of a layer sees of the image: its receptive field."""

from typing import NamedTuple

from model.network.spec import NetworkSpec


class Field(NamedTuple):
    """The square of pixels that a position of a layer sees, along either axis.

    What input norms by an image or by its positions let through from outside does not count.

    Attributes:
        size: pixels.
        step: pixels from one position's first pixel to that of the next.
        start: the first pixel of position 0; below 0, outside of the image.
    """

    size: int
    step: int
    start: int

    def first(self, position: int) -> int:
        """Give the first pixel that a position sees; below 0, outside of the image."""
        return self.start + self.step * position


def receptive_fields(spec: NetworkSpec) -> list[Field]:
    """Give what a position of each layer sees, first layer to last."""
    fields, field = [], Field(size=1, step=1, start=0)
    for block in spec.blocks():
        if block.starts_stage:
            field = Field(field.size + field.step, 2 * field.step, field.start)
        # A 3 x 3 convolution reaches one position further to each side.
        for _ in range(block.convolutions):
            field = Field(field.size + 2 * field.step, field.step, field.start - field.step)
        fields.append(field)
    return fields
