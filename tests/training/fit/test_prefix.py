"""What frozen layers make of the training images, kept instead of computed in every epoch."""

from pathlib import Path

import pytest
import torch

from tests.pictures import write_folder
from tests.training.fit.small import settings
from tests.training.networks import batch, learner, network
from training.data.augment import Augmentation
from training.data.dataset import Split
from training.fit import prefix
from training.fit.batches import Batches
from training.fit.prefix import cached_prefix
from training.fit.start import start_run
from training.results.run import Run

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small training folder."""
    return write_folder(tmp_path_factory.mktemp("data") / "colours", per_class=12)


def test_a_batch_is_what_the_layers_make_of_its_images() -> None:
    """Mirrored images too: looked up and computed agree to 1e-5."""
    update = learner(network(), freeze=2)
    images, labels = batch()
    batches = Batches(Split(images, labels), 4, 0, Augmentation(flip=True))
    cached = cached_prefix(update.frozen, batches, CPU)
    assert cached is not None
    mirrored_anywhere = False

    for step, indices in enumerate(batches.order(0)):
        mirrored = batches.mirrored(len(indices), 0, step)
        mirrored_anywhere |= bool(mirrored.any()) and not bool(mirrored.all())

        found = cached(indices, mirrored)

        wanted = update.frozen(batches.augmented(indices, 0, step).images)
        torch.testing.assert_close(found.x, wanted.x, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.means, wanted.means, atol=1e-5, rtol=1e-5)
    assert mirrored_anywhere


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(padding=1),
        Augmentation(cutout=2),
        Augmentation(crop_scale=0.5),
        Augmentation(colour=0.1),
        Augmentation(rotate=5),
    ],
)
def test_nothing_is_kept_where_chance_makes_every_image_new(augmentation: Augmentation) -> None:
    """Then the layers are passed in every step."""
    batches = Batches(Split(*batch()), 4, 0, augmentation)

    assert cached_prefix(learner(network(), freeze=1).frozen, batches, CPU) is None


def test_nothing_is_kept_where_nothing_is_frozen_or_memory_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cache that does not fit is not begun."""
    batches = Batches(Split(*batch()), 4, 0, Augmentation())

    assert cached_prefix(learner(network()).frozen, batches, CPU) is None
    monkeypatch.setattr(prefix, "_SHARE", 1e-12)
    assert cached_prefix(learner(network(), freeze=1).frozen, batches, CPU) is None


def test_a_run_learns_the_same_with_and_without_the_cache(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights after two epochs agree to 1e-4."""
    asked = settings(data, widths=(8, 8), freeze=1, crop_padding=0, keep="last")
    kept = start_run(asked, Run(tmp_path / "kept")).network.state_dict()
    monkeypatch.setattr(prefix, "_SHARE", 1e-12)

    computed = start_run(asked, Run(tmp_path / "computed")).network.state_dict()

    for name, tensor in kept.items():
        torch.testing.assert_close(tensor, computed[name], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("limit", "left"), [("1000000", [700_000]), ("max", []), ("100", [0]), ("?", [])]
)
def test_a_containers_limit_counts(tmp_path: Path, limit: str, left: list[int]) -> None:
    """What files take that nobody uses is given up first, and so is free."""
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text("500000\n")
    (tmp_path / "memory.stat").write_text("anon 100000\ninactive_file 200000\n")

    assert prefix._left_in_group(tmp_path) == left  # noqa: SLF001
    assert prefix._left_in_group(tmp_path / "none") == []  # noqa: SLF001
