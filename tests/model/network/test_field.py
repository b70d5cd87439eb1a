"""Receptive fields, beside what a network's activity depends on."""

import pytest
import torch

from model.network.field import Field, receptive_fields
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork


def test_the_fields_of_the_bundled_shape() -> None:
    """The figures of docs/explanations.md."""
    spec = NetworkSpec(32, 32, 10, (4, 4, 4, 4), (2, 3, 4), 2, shortcut=True, assignment="fixed")

    fields = receptive_fields(spec)

    assert [field.size for field in fields] == [3, 8, 18, 38]
    assert [field.step for field in fields] == [1, 2, 4, 8]


@pytest.mark.parametrize("pool_before", [(), (2,), (1, 3), (2, 3, 4)])
@pytest.mark.parametrize(
    ("size", "convolutions"), [((24, 40), (1,)), ((32, 16), (1, 2)), ((48, 64), (2,))]
)
def test_a_position_depends_on_its_field_alone(
    pool_before: tuple[int, ...], size: tuple[int, int], convolutions: tuple[int, ...]
) -> None:
    """By the gradient: with average pooling every pixel of the field counts, and none outside."""
    widths = (3, 3, 3, 3)
    spec = NetworkSpec(
        *size,
        3,
        widths,
        pool_before,
        1,
        shortcut=True,
        assignment="fixed",
        stage_pooling="average",
        convolutions=convolutions,
    )
    pixels = torch.zeros((1, 3, *size), requires_grad=True)

    for layer, field in enumerate(receptive_fields(spec)):
        activity = linear_activity(ForwardForwardNetwork(spec, 0), pixels, layer)
        height = activity.shape[-2]
        row, column = height // 2, 0
        (seen,) = torch.autograd.grad(activity[0, :, row, column].sum(), pixels)

        rows, columns = seen[0].abs().sum((0, 2)).nonzero(), seen[0].abs().sum((0, 1)).nonzero()
        assert within(rows, field, row, size[0])
        assert within(columns, field, column, size[1])


def linear_activity(
    network: ForwardForwardNetwork, pixels: torch.Tensor, layer: int
) -> torch.Tensor:
    """Run the network's own shape with kernels of ones, nothing detached and nothing rectified."""
    x = pixels
    for block in network.layers()[: layer + 1]:
        if block.spec.starts_stage:
            x = torch.nn.functional.avg_pool2d(x, 2)
        convolved = x
        for conv, _ in block.convolved():
            kernels = torch.ones_like(conv.weight)
            convolved = torch.nn.functional.conv2d(convolved, kernels, padding=1)
        x = convolved + x if block.spec.has_shortcut else convolved
    return x


def within(found: torch.Tensor, field: Field, position: int, size: int) -> bool:
    """Tell whether the pixels that count are just those of the field that the image has."""
    first = max(field.first(position), 0)
    last = min(field.first(position) + field.size, size) - 1
    return (int(found.min()), int(found.max())) == (first, last)
