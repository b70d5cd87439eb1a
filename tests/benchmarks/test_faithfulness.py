"""The measures of faithfulness, on a small model trained for real."""

import pytest
import torch

from benchmarks.attributions import Attribute, attributions, in_squares, occlusion
from benchmarks.faithfulness import lines, measure, mosaic, pointing
from model.network.stack import ForwardForwardNetwork
from tests.trained import SmallModel
from training.data.dataset import Split
from training.data.load import load_dataset
from training.results.run import Run


@pytest.fixture(scope="module")
def network(small_models: list[SmallModel]) -> ForwardForwardNetwork:
    """Load a small network."""
    return Run(small_models[0].run).load_model().network.eval()


@pytest.fixture(scope="module")
def split(small_models: list[SmallModel]) -> Split:
    """Load the images it learned from."""
    settings = Run(small_models[0].run).settings()
    return load_dataset(settings.data, settings.run.seed).train


def test_a_mosaic_holds_what_it_says() -> None:
    """The halved image lies in its quarter, and nowhere else."""
    images = torch.arange(5, dtype=torch.uint8)[:, None, None, None].expand(5, 8, 8, 3) * 40
    labels = torch.arange(5)

    mosaics, quarters, classes = mosaic(images, labels)

    for made, quarter, label in zip(mosaics, quarters.tolist(), classes.tolist(), strict=True):
        row, column = divmod(quarter, 2)
        corner = made[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4]
        assert (corner == label * 40).all()
        assert (made[::4, ::4, 0] == label * 40).sum() == 1


def test_pointing_tells_right_from_wrong() -> None:
    """A map in the right quarter alone has all mass and all hits; elsewhere none."""
    maps = torch.zeros(2, 4, 4)
    maps[0, 0, 3] = maps[1, 3, 0] = 2.0
    maps[:, 1, 1] = -5.0

    assert pointing(maps, torch.tensor([1, 2])) == (1.0, 1.0)
    assert pointing(maps, torch.tensor([0, 0])) == (0.0, 0.0)


def test_occlusion_finds_the_square_that_counts(
    network: ForwardForwardNetwork, split: Split
) -> None:
    """Where nothing but one corner differs from the mean colour, only squares there cost."""
    mean = (network.get_buffer("pixel_mean") * 255).round().to(torch.uint8)
    images = mean.expand(1, 16, 16, 3).clone()
    images[:, :4, :4] = torch.tensor([220, 0, 0], dtype=torch.uint8)

    falls = occlusion(network, images, torch.tensor([2]))

    assert falls.shape == (1, 3, 3)
    assert falls[0, 0, 0] != 0
    assert (falls[0, 1:, 1:] == 0).all()
    assert len(split) > 0


def test_squares_sum_maps_as_occlusion_paints_them() -> None:
    """One pixel is counted in every square that covers it."""
    maps = torch.zeros(1, 16, 16)
    maps[0, 5, 1] = 3.0

    assert in_squares(maps)[0].tolist() == [[3.0, 0, 0], [3.0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("name", ["evidence, smooth", "evidence, last layer", "chance"])
def test_every_way_is_measured(network: ForwardForwardNetwork, split: Split, name: str) -> None:
    """Figures lie where they can, and the table names the way."""
    way = attributions(network)[name]

    row = measure(network, split.images[:6], _four_classes(6), way)

    assert 0 <= row.deletion <= 1
    assert 0 <= row.insertion <= 1
    assert 0 <= row.mass <= 1
    assert -1 <= row.occlusion <= 1
    assert name in "\n".join(lines({name: row}, 6))


def test_integrated_gradients_sum_to_the_difference_of_scores(
    network: ForwardForwardNetwork, split: Split
) -> None:
    """Captum's path integral from the mean colour, through layers that pass gradients on."""
    pytest.importorskip("captum")
    way: Attribute = attributions(network)["Integrated Gradients"]
    images = split.images[:3]
    mean = (network.get_buffer("pixel_mean") * 255).round().to(torch.uint8).expand_as(images)
    classes = torch.zeros(3, dtype=torch.int64)

    found = way(images, classes).sum((1, 2))

    with torch.no_grad():
        difference = network(images).scores[:, 0] - network(mean).scores[:, 0]
    torch.testing.assert_close(found, difference, atol=0.1, rtol=0.1)


def _four_classes(count: int) -> torch.Tensor:
    """Give labels of more classes than a mosaic needs; the small network has three alone."""
    return torch.arange(count) % 3
