"""A network that averages an image and its mirror image: exact, and blind to which is which."""

import dataclasses

import pytest
import torch

from model.network.evidence import EvidenceNetwork
from model.network.parts import position_contributions
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from tests.model.network.networks import SPEC, images, settled

# Regions that divide the grid and regions that do not, and layers of one and of two convolutions.
SPECS = [
    dataclasses.replace(SPEC, mirrored=True),
    dataclasses.replace(SPEC, mirrored=True, regions=3, convolutions=(1, 2)),
]


def looking_once(network: ForwardForwardNetwork) -> ForwardForwardNetwork:
    """Give the network of the same weights that takes an image as it is."""
    other = ForwardForwardNetwork(dataclasses.replace(network.spec, mirrored=False), 0).eval()
    other.load_state_dict(network.state_dict())
    return other


@pytest.mark.parametrize("spec", SPECS)
def test_scores_are_the_mean_of_both_views(spec: NetworkSpec) -> None:
    """So are the contributions; a single image is answered as in a batch."""
    network, pictures = settled(spec), images()
    once = looking_once(network)

    with torch.no_grad():
        found, alone = network(pictures), network(pictures[:1])
        as_is, mirrored = once(pictures), once(pictures.flip(2))

    torch.testing.assert_close(found.scores, (as_is.scores + mirrored.scores) / 2)
    contributions = (as_is.contributions + mirrored.contributions) / 2
    torch.testing.assert_close(found.contributions, contributions)
    assert (as_is.scores - mirrored.scores).abs().max() > 1e-3
    torch.testing.assert_close(alone.scores, found.scores[:1])


@pytest.mark.parametrize("spec", SPECS)
def test_a_mirror_image_has_the_same_scores_and_mirrored_evidence(spec: NetworkSpec) -> None:
    """Maps of both views lie on the image as it is, and sum to its score."""
    network, pictures = settled(spec), images()
    asked = torch.eye(spec.num_classes).expand(len(pictures), -1, -1)

    with torch.no_grad():
        found, of_mirrored = (
            EvidenceNetwork(network)(view, asked, torch.zeros_like(asked))
            for view in (pictures, pictures.flip(2))
        )
        parts = position_contributions(network, pictures)

    torch.testing.assert_close(found.scores, of_mirrored.scores)
    for here, there, part in zip(found.maps, of_mirrored.maps, parts, strict=True):
        torch.testing.assert_close(here, there.flip(-1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(here, part.permute(0, 3, 1, 2), atol=1e-5, rtol=1e-4)
        assert (here - here.flip(-1)).abs().max() > 1e-3
    total = sum(each.sum((2, 3)) for each in found.maps)
    torch.testing.assert_close(total, found.scores, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.channels.sum(2), found.scores, atol=1e-5, rtol=1e-4)
