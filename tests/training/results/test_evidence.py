"""Evidence maps of single images, as a run keeps them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model.network.evidence import can_show_evidence
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from tests.model.network.networks import images, settled
from tests.model.network.rules import specs
from tests.trained import SmallModel
from training.data.dataset import Split
from training.results.evidence import evidence_maps
from training.results.run import Run

Floats = NDArray[np.float32]


def residual(maps: Floats, scores: Floats, whole: Floats | None = None) -> float:
    """Give the greatest difference of a map's sum to its score, as a fraction of its parts.

    A small picture's pixels may cancel out: then the parts are those of the `whole` map.
    """
    summed = maps.sum((-1, -2), np.float64)
    parts = np.abs(maps if whole is None else whole).sum((-1, -2), np.float64)
    return float((np.abs(summed - scores) / (parts + 1e-30)).max(initial=0))


def test_kept_evidence_sums_to_the_score(small_models: list[SmallModel]) -> None:
    """Of every image that a run shows, for its answer and for its label, below 1e-5."""
    kept = Run(small_models[0].run).load_answers()
    assert kept is not None
    assert kept.examples.evidence is not None
    places, rows = kept.examples.places, np.arange(len(kept.examples.places))
    scores, labels = kept.validation.scores[places], kept.validation.labels[places]

    assert residual(kept.examples.evidence[:, 0], scores.max(1)) < 1e-5
    assert residual(kept.examples.evidence[:, 1], scores[rows, labels]) < 1e-5


@settings(max_examples=12, deadline=None)
@given(
    size=st.tuples(st.integers(5, 24), st.integers(5, 24)),
    shrunk=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    regions=st.integers(1, 4),
    number=st.integers(0, 3),
)
def test_a_map_on_a_smaller_picture_still_sums_to_the_score(
    size: tuple[int, int], shrunk: tuple[int, int], regions: int, number: int
) -> None:
    """Whatever the picture's size and the image's, also where no image is shown."""
    spec = NetworkSpec(*size, 4, (5, 6, 7), (2,), regions, shortcut=True, assignment="learnable")
    network = settled(spec)
    split = Split(images(number, *size), torch.arange(number) % 4)
    answers = torch.arange(number).flip(0) % 4
    with torch.no_grad():
        scores = network(split.images).scores

    found = evidence_maps(network, split, answers, shrunk)
    whole = evidence_maps(network, split, answers, size)

    assert found is not None
    assert whole is not None
    assert found.shape == (number, 2, *shrunk)
    for k, chosen in enumerate((answers, split.labels)):
        wanted = scores.gather(1, chosen[:, None])[:, 0].numpy()
        assert residual(found[:, k], wanted, whole[:, k]) < 1e-5


@settings(max_examples=20, deadline=None)
@given(spec=specs())
def test_a_network_without_evidence_keeps_none(spec: NetworkSpec) -> None:
    """Where positions do not share what a region says, there is nothing to draw."""
    network = ForwardForwardNetwork(spec, 0).eval()
    split = Split(images(2, 8, 6), torch.tensor([0, 1]))

    found = evidence_maps(network, split, torch.tensor([1, 1]), (8, 6))

    assert (found is not None) == can_show_evidence(network)


@pytest.mark.parametrize("number", [101, 200])
def test_maps_are_in_the_order_of_the_images(number: int) -> None:
    """Over several batches."""
    network, split = settled(), Split(images(number), torch.arange(number) % 5)
    answers = torch.arange(number) % 3

    found = evidence_maps(network, split, answers, (16, 12))
    last = evidence_maps(network, split.part(number - 1, None), answers[-1:], (16, 12))

    assert found is not None
    assert last is not None
    np.testing.assert_allclose(found[-1], last[0], atol=1e-5)
