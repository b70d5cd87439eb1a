"""Presets: named settings under the file and the flags."""

from pathlib import Path
from typing import get_args

import pytest

from training.errors import ConfigError
from training.settings.fit import FitSettings, flat
from training.settings.load import differing, load_settings
from training.settings.presets import PRESETS, PresetName

DATA = {"data": "cifar10:x"}


@pytest.mark.parametrize("name", get_args(PresetName))
def test_every_preset_gives_valid_settings_that_come_back(name: str) -> None:
    """What a run stores is resolved: it needs the preset's name for no value."""
    settings = load_settings({**DATA, "preset": name})

    stored = settings.model_dump_json()

    assert FitSettings.model_validate_json(stored) == settings
    assert flat(settings)["preset"] == name
    without = FitSettings.model_validate(settings.model_dump() | {"preset": None})
    assert differing(settings, without) == ["preset"]


def test_the_command_line_knows_every_preset() -> None:
    """What `--preset` may be is what there is."""
    assert list(get_args(PresetName)) == list(PRESETS)


def test_the_default_preset_is_the_defaults() -> None:
    """It differs from no preset by its name alone."""
    assert differing(load_settings(DATA), load_settings({**DATA, "preset": "default"})) == [
        "preset"
    ]


def test_a_file_wins_over_a_preset_and_flags_win_over_both(tmp_path: Path) -> None:
    """Setting by setting, and term by term."""
    config = tmp_path / "settings.toml"
    config.write_text(
        "preset = 'caw-resnet17'\nepochs = 7\nseed = 2\n"
        "[objective.terms.column_entropy]\nwarmup = 0.5\n"
    )

    settings = load_settings({**DATA, "epochs": "3"}, config)

    assert (settings.optimiser.epochs, settings.run.seed) == (3, 2)
    assert settings.optimiser.batch_size == 128
    assert settings.network.readout == "plain"
    terms = settings.objective.terms
    assert (terms["column_entropy"].weight, terms["column_entropy"].warmup) == (1e-2, 0.5)
    assert terms["similarity"].weight == 0
    assert load_settings({**DATA, "preset": "fast"}, config).network.readout == "standardised"


def test_an_unknown_preset_is_named(tmp_path: Path) -> None:
    """The error lists those that there are."""
    config = tmp_path / "settings.toml"
    config.write_text("preset = 'fastest'\n")

    with pytest.raises(ConfigError, match="no preset 'fastest'; known are fast, default, best"):
        load_settings(DATA, config)


def test_the_paper_s_network_has_seventeen_layers() -> None:
    """A stem and four stages of four, each class with channels of its own at any width."""
    settings = load_settings({**DATA, "preset": "caw-resnet17"})

    assert settings.network.widths == (100,) * 5 + (200,) * 4 + (400,) * 4 + (800,) * 4
    assert settings.network.pooled_layers == (6, 10, 14)
