"""The check that an exported model says what torch says."""

import numpy as np
import torch

from model.artifact.image import Pixels
from model.artifact.outputs import Session
from model.network.stack import ForwardForwardNetwork
from training.errors import ExportError

# The bundled model differs by 6e-5 at most on 256 test images.
PARITY_TOLERANCE = 1e-4


def check_parity(network: ForwardForwardNetwork, session: Session, images: Pixels) -> float:
    """Hold every output of a session against torch's.

    Args:
        network: in evaluation mode.
        session: runs the exported model.
        images: `(N, H, W, 3)`, uint8, real ones.

    Returns:
        The largest difference over all outputs.

    Raises:
        ExportError: an output differs by over 1e-4, or an image gets another class.
    """
    with torch.no_grad():
        expected = network(torch.from_numpy(images))
    found = session(images)
    worst = 0.0
    for name, theirs in zip(expected._fields, expected, strict=True):
        difference = float(np.abs(theirs.numpy() - getattr(found, name)).max())
        if not difference <= PARITY_TOLERANCE:  # also where it is nan
            message = (
                f"the exported {name} differ from torch's by {difference:.3g}, the limit is "
                f"{PARITY_TOLERANCE}; nothing was written"
            )
            raise ExportError(message)
        worst = max(worst, difference)
    if (expected.scores.numpy().argmax(1) != found.scores.argmax(1)).any():
        message = "the exported model classifies an image otherwise; nothing was written"
        raise ExportError(message)
    return worst
