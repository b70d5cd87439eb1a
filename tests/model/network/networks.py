"""Networks and images for the tests of this folder."""

import torch

from model.network.assignment import LearnableAssignment
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork

SPEC = NetworkSpec(
    image_height=16,
    image_width=12,
    num_classes=5,
    widths=(8, 8, 12),
    pool_before=(3,),
    regions=4,
    shortcut=True,
    assignment="learnable",
)


def images(number: int = 6, height: int = 16, width: int = 12) -> torch.Tensor:
    """Draw noise as uint8 pixels."""
    chance = torch.Generator().manual_seed(7)
    shape = (number, height, width, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=chance)


def settled(spec: NetworkSpec = SPEC) -> ForwardForwardNetwork:
    """Make a network whose statistics have seen data and whose classes differ."""
    network = ForwardForwardNetwork(spec, seed=0)
    with torch.no_grad():
        for block in network.layers():
            if isinstance(block.assignment, LearnableAssignment):
                block.assignment.logits.mul_(200)
    network.train()
    for _ in range(20):
        network(images(32, spec.image_height, spec.image_width))
    weights = torch.softmax(torch.arange(len(spec.widths)).float(), 0)
    return network.calibrate(weights, 1.7).eval()
