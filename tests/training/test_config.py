"""Settings: flags over file over defaults, validated once."""

from pathlib import Path

import pytest

from training.config import load_settings
from training.errors import ConfigError


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    """The nearest word counts."""
    config = tmp_path / "settings.toml"
    config.write_text('data = "cifar10:there"\nepochs = 3\nseed = 8\nwidths = [4, 5]\n')

    settings = load_settings({"seed": "9"}, config)

    assert (settings.epochs, settings.seed, settings.widths) == (3, 9, (4, 5))
    assert settings.batch_size == 250


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"epochs": "0"}, r"epochs: .* greater than or equal to 1 \(got '0'\)"),
        ({"epochs": "many"}, "epochs: .*valid integer"),
        ({"epoch": 3}, "epoch: Extra inputs are not permitted"),
        ({"validation_fraction": 1.0}, "validation_fraction: .*less than 1"),
        ({"weight_decay": float("inf")}, "weight_decay: .*finite"),
        ({"seed": 2**70}, "seed: .*less than"),
        ({"pool_before": (2, 7)}, r"names layers \[7\], but widths has 4"),
        ({"limit_train": 300}, "limit_train 300 is under two batches of 250"),
        ({"widths": ()}, "widths"),
    ],
)
def test_a_bad_setting_is_named(flags: dict[str, object], message: str) -> None:
    """The error gives the setting, its value and what it may be."""
    with pytest.raises(ConfigError, match=message):
        load_settings({"data": "cifar10:x", **flags})


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    """The path stands in the message."""
    config = tmp_path / "settings.toml"
    config.write_text("epochs = = 3")

    with pytest.raises(ConfigError, match=r"cannot read settings from .*settings\.toml"):
        load_settings({}, config)
