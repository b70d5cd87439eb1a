"""Where the evidence for an answer lies in an image, on the grid of its picture.

Axes: N images, K classes, H x W pixels of the pictures.
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  torch's own convention
from numpy.typing import NDArray
from torch import Tensor

from model.artifact.spread import gathered, spread
from model.network.evidence import EvidenceNetwork, can_show_evidence
from model.network.stack import ForwardForwardNetwork
from training.data.dataset import Split

_BATCH = 100


def evidence_maps(
    network: ForwardForwardNetwork, split: Split, answers: Tensor, size: tuple[int, int]
) -> NDArray[np.float32] | None:
    """Take the scores of an answer and of the label apart by position, over all layers.

    Args:
        network: calibrated, in evaluation mode, on the CPU.
        split: the images with their labels.
        answers: `(N,)`, int64, a class for each.
        size: H and W, at most those of the images.

    Returns:
        `(N, 2, H, W)`, float32, of the answer and of the label; a map summed is the score of its
        class. None where the network cannot show evidence.
    """
    if not can_show_evidence(network):
        return None
    wanted = F.one_hot(torch.stack([answers, split.labels], 1), network.spec.num_classes).float()
    found = [np.zeros((0, 2, *size), np.float32)]
    looking = EvidenceNetwork(network)
    of_parts = torch.split(wanted, split.at_once(_BATCH))
    for part, by_class in zip(split.passes(_BATCH), of_parts, strict=False):
        with torch.no_grad():
            maps = looking(part.images, by_class, torch.zeros_like(by_class)).maps
        fine = sum(spread(each.numpy(), *part.pool.shape[1:3]) for each in maps)
        found.append(gathered(np.asarray(fine), *size))
    return np.concatenate(found)
