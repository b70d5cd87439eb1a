"""The check that an exported model says what torch says."""

import numpy as np
import torch

from model.artifact.image import Pixels
from model.artifact.outputs import FAMILIARITY, Session
from model.network.familiarity import look
from model.network.stack import ForwardForwardNetwork
from training.errors import ExportError
from training.results.familiarity import Familiar

# The bundled model differs by 6e-5 at most on 256 test images.
PARITY_TOLERANCE = 1e-4
# Of what validation images span; a hundredth of it moves no percentile that anybody asks for.
_FAMILIARITY_SHARE, _LEAST_SPAN = 0.01, 0.1


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


def check_familiarity(
    network: ForwardForwardNetwork, familiar: Familiar, session: Session, images: Pixels
) -> None:
    """Hold a session's familiarity against torch's, by which its percentiles were found.

    Args:
        network: in evaluation mode.
        familiar: what scores images.
        session: runs the exported model.
        images: `(N, H, W, 3)`, uint8, real ones.

    Raises:
        ExportError: a score differs by over a hundredth of what validation images span.
    """
    with torch.no_grad():
        readouts = [each.readout for each in network.readings(torch.from_numpy(images))]
        seen = look(network, readouts, network.combined(readouts).scores)
        expected = familiar.network(*seen).numpy()
    quantiles = familiar.scale.quantiles
    limit = _FAMILIARITY_SHARE * max(quantiles[-1] - quantiles[0], _LEAST_SPAN)
    difference = float(np.abs(session(images).optional[FAMILIARITY] - expected).max())
    if not difference <= limit:  # also where it is nan
        message = (
            f"the exported familiarity differs from torch's by {difference:.3g}, the limit is "
            f"{limit:.3g}; nothing was written"
        )
        raise ExportError(message)
