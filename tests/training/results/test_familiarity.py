"""Telling images like those learned from, from others."""

import numpy as np
import pytest
import torch

from model.artifact.familiarity import PERCENTILES
from model.artifact.outputs import FAMILIARITY, SCORES
from model.artifact.runtime import OnnxSession
from model.network.familiarity import nearest
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from tests.trained import SmallModel
from training.data.dataset import Split
from training.data.load import load_dataset
from training.data.split import split_validation
from training.publish.graph import to_onnx
from training.results.familiarity import Familiar, learn_familiarity
from training.results.run import Run


@pytest.fixture(scope="module")
def splits(small_models: list[SmallModel]) -> tuple[Split, Split]:
    """Give what the first small model learned from, and its validation images."""
    settings = Run(small_models[0].run).settings()
    dataset = load_dataset(settings.data, settings.run.seed)
    return split_validation(dataset, settings.data.validation_fraction, settings.run.seed)


@pytest.fixture(scope="module")
def familiar(small_models: list[SmallModel], splits: tuple[Split, Split]) -> Familiar:
    """Learn what is familiar to the first small model."""
    return learn_familiarity(Run(small_models[0].run).load_model().network, *splits)


def test_validation_images_are_spread_over_the_percentiles(
    small_models: list[SmallModel], splits: tuple[Split, Split]
) -> None:
    """By the exported model, the validation images stand at every percentile alike."""
    manifest = small_models[0].manifest
    session = OnnxSession(small_models[0].model, "cpu")
    assert manifest.familiarity is not None

    scores = session(splits[1].images.numpy(), [SCORES, "probabilities", FAMILIARITY])

    found = np.sort(
        [manifest.familiarity.percentile(s) for s in scores.optional[FAMILIARITY].tolist()]
    )
    assert manifest.familiarity.n == len(found)
    np.testing.assert_allclose(found, np.linspace(0, 100, len(found)), atol=2)


@pytest.mark.parametrize("strange", ["noise", "stripes"])
def test_what_was_never_seen_is_less_familiar(small_models: list[SmallModel], strange: str) -> None:
    """Pictures of one noisy colour are known; loud noise and stripes are not."""
    manifest = small_models[0].manifest
    assert manifest.familiarity is not None
    chance = np.random.default_rng(0)
    if strange == "noise":
        images = chance.integers(0, 256, (20, 16, 16, 3))
    else:
        rows = np.arange(16)[:, None] // chance.integers(1, 4, 20)[:, None, None] % 2 * 255
        images = np.broadcast_to(rows[..., None], (20, 16, 16, 3))

    scores = OnnxSession(small_models[0].model, "cpu")(images.astype(np.uint8))

    percentiles = map(manifest.familiarity.percentile, scores.optional[FAMILIARITY].tolist())
    assert np.mean(np.array(list(percentiles)) < 5) >= 0.95


def test_the_graph_gives_what_torch_gives(
    small_models: list[SmallModel], splits: tuple[Split, Split], familiar: Familiar
) -> None:
    """The exported output is the module's own, on real images."""
    network = Run(small_models[0].run).load_model().network
    images = splits[1].images
    session = OnnxSession(to_onnx(network, familiar.network), "cpu")

    found = session(images.numpy()).optional[FAMILIARITY]

    quantiles = torch.linspace(0, 1, PERCENTILES).double()
    expected = torch.quantile(torch.from_numpy(found).double(), quantiles)
    np.testing.assert_allclose(familiar.scale.quantiles, expected.numpy(), atol=1e-3)


def test_all_layers_say_whether_an_image_has_any_class(
    small_models: list[SmallModel], splits: tuple[Split, Split], familiar: Familiar
) -> None:
    """No image scores above its energy by all layers; most, at no odd distance, score just that."""
    network = Run(small_models[0].run).load_model().network
    with torch.no_grad():
        scores = network(splits[1].images).scores / network.get_buffer("temperature")

    energy = torch.logsumexp(scores, dim=1)

    energy = (energy - energy.mean()) / energy.std()
    assert (familiar.scores <= energy + 1e-3).all()
    assert torch.isclose(familiar.scores, energy, atol=1e-3).float().mean() > 0.5


def test_the_nearest_centre_counts() -> None:
    """Squared distances, to whichever centre is nearest."""
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0]])

    found = nearest(points, torch.tensor([[3.0, 0.0], [0.0, 1.0]]))

    torch.testing.assert_close(found, torch.tensor([1.0, 16.0]))


def test_a_network_of_one_layer_has_it_too() -> None:
    """It is looked at alone."""
    spec = NetworkSpec(8, 8, 2, (3,), (), 2, shortcut=True, assignment="learnable")
    images = torch.randint(0, 256, (20, 8, 8, 3), dtype=torch.uint8)
    split = Split(images, torch.arange(20) % 2)

    found = learn_familiarity(ForwardForwardNetwork(spec, 0).eval(), split, split)

    assert len(found.scale.quantiles) == PERCENTILES


def test_a_run_shows_what_its_export_finds_unfamiliar(
    small_models: list[SmallModel], splits: tuple[Split, Split]
) -> None:
    """The percentiles of the examples are those that the exported graph gives."""
    kept = Run(small_models[0].run).load_answers()
    manifest = small_models[0].manifest
    assert kept is not None
    assert kept.examples.familiarity is not None
    assert manifest.familiarity is not None
    shown = splits[1].images[kept.examples.places].numpy()

    scores = OnnxSession(small_models[0].model, "cpu")(shown).optional[FAMILIARITY]

    found = [manifest.familiarity.percentile(score) for score in scores.tolist()]
    np.testing.assert_allclose(kept.examples.familiarity, found, atol=1)


def test_one_validation_image_is_enough() -> None:
    """It has no spread; nothing becomes NaN."""
    spec = NetworkSpec(8, 8, 2, (3, 3), (), 2, shortcut=True, assignment="learnable")
    images = torch.arange(20 * 192).reshape(20, 8, 8, 3).to(torch.uint8)
    split = Split(images, torch.arange(20) % 2)

    found = learn_familiarity(ForwardForwardNetwork(spec, 0).eval(), split, split.first(1))

    assert torch.isfinite(found.scores).all()
