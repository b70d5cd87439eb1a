"""The measures of familiarity, on a small model trained for real."""

import pytest
import torch

from benchmarks.drawn import drawn
from benchmarks.familiarity import auroc, fitted, flagged, lines, methods, see
from tests.trained import SmallModel
from training.data.load import load_dataset
from training.data.split import split_validation
from training.results.run import Run


def test_auroc_is_the_chance_of_the_right_order() -> None:
    """1 where all are above, 0 where all are below, a half where they mix evenly."""
    low, high = torch.arange(10.0), torch.arange(10.0) + 20

    assert auroc(high, low) == 1
    assert auroc(low, high) == 0
    assert auroc(torch.tensor([0.0, 3.0]), torch.tensor([1.0, 2.0])) == pytest.approx(0.5)
    assert auroc(torch.ones(1000), torch.ones(1000)) == 0.5
    assert auroc(torch.tensor([1.0, 2.0]), torch.tensor([1.0])) == 0.75


def test_flagged_counts_what_lies_below_the_fifth_percentile() -> None:
    """Of a hundred familiar ones, five lie below."""
    familiar = torch.arange(100.0)

    assert flagged(familiar, torch.tensor([0.0, 3.0, 50.0, 90.0])) == 0.5


def test_other_sizes_are_padded_or_cut() -> None:
    """The middle stays where it is."""
    images = torch.ones(2, 6, 6, 3, dtype=torch.uint8)

    assert fitted(images, 8, 10).sum() == images.sum()
    assert fitted(images, 4, 4).shape == (2, 4, 4, 3)


def test_every_method_tells_noise_from_what_was_learned(small_models: list[SmallModel]) -> None:
    """A table with all methods; familiarity itself finds nearly all noise."""
    run = Run(small_models[0].run)
    settings, network = run.settings(), run.load_model().network.eval()
    data = load_dataset(settings.data, settings.run.seed)
    kept = split_validation(data, settings.data.validation_fraction, settings.run.seed)
    noise = drawn(16, 16, 50)["noise"]

    ways = methods(network, *kept)
    familiar, strange = see(network, data.test.images), see(network, noise)

    table = "\n".join(lines(ways, familiar, {"noise": strange}, len(data.test)))
    assert all(name in table for name in ways)
    ours = ways["**familiarity**"]
    assert auroc(ours(familiar), ours(strange)) > 0.95


def test_drawn_images_are_of_the_size_and_differ() -> None:
    """Each kind has many different images, and is the same in every run."""
    first, again = drawn(12, 16, 100), drawn(12, 16, 100)

    for kind, images in first.items():
        assert images.shape[1:] == (12, 16, 3)
        assert images.dtype == torch.uint8
        assert torch.equal(images, again[kind])
        assert len({image.numpy().tobytes() for image in images}) > 95
