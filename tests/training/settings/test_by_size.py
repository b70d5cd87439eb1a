"""Defaults that go by how many pictures there are."""

from pathlib import Path

import pytest

from tests.pictures import write_folder
from training.data.load import count_pictures
from training.settings.asked import new_settings
from training.settings.by_size import by_size


@pytest.mark.parametrize(
    ("pictures", "batch_size", "epochs"),
    [(1, 16, 90), (300, 16, 67), (2250, 32, 30), (9000, 128, 30), (50_000, 250, 30)],
)
def test_few_pictures_make_small_batches_and_many_epochs(
    pictures: int, batch_size: int, epochs: int
) -> None:
    """From the least that there can be to what the defaults were tuned on."""
    assert by_size(pictures) == {"optimiser": {"batch_size": batch_size, "epochs": epochs}}


def test_what_is_asked_for_wins(tmp_path: Path) -> None:
    """Flags and presets are laid over; data that are no pictures keep the defaults."""
    source = f"folder:{write_folder(tmp_path / 'colours', per_class=5)}"

    plain = new_settings({"data": source}, None, count_pictures).optimiser
    flags = new_settings({"data": source, "batch_size": 8}, None, count_pictures).optimiser
    preset = new_settings({"data": source, "preset": "fast"}, None, count_pictures).optimiser
    time = new_settings({"data": source, "time": "9s"}, None, count_pictures).optimiser
    other = new_settings({"data": "cifar10:x"}, None, count_pictures).optimiser

    assert (plain.batch_size, plain.epochs) == (16, 90)
    assert (flags.batch_size, flags.epochs) == (8, 90)
    assert (preset.batch_size, preset.epochs) == (16, 8)
    assert (time.batch_size, time.epochs) == (16, 0)
    assert (other.batch_size, other.epochs) == (250, 30)
