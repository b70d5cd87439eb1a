"""Settings: flags over file over defaults, validated once."""

from pathlib import Path

import pytest

from training.errors import ConfigError
from training.settings.fit import FitSettings, flat, nested
from training.settings.load import differing, load_settings
from training.settings.section import Section
from training.settings.sections import TermSettings


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    """The nearest word counts."""
    config = tmp_path / "settings.toml"
    config.write_text('data = "cifar10:there"\nepochs = 3\nseed = 8\nwidths = [4, 5]\n')

    settings = load_settings({"seed": "9"}, config)

    assert (settings.optimiser.epochs, settings.run.seed) == (3, 9)
    assert settings.network.widths == (4, 5)
    assert settings.optimiser.batch_size == 250


def test_a_section_per_concern_says_the_same_as_flat_keys(tmp_path: Path) -> None:
    """A file may name the concern, or leave it out."""
    sections, keys = tmp_path / "sections.toml", tmp_path / "keys.toml"
    sections.write_text(
        "[data]\nsource = 'cifar10:there'\n[run]\nseed = 4\n[network]\nwidths = [4, 5]\n"
        "[objective.terms.entropy]\nweight = 0.3\nwarmup = 0.25\n"
        "[objective.terms.orthogonality]\nwarmup = 0.25\n"
    )
    keys.write_text(
        "data = 'cifar10:there'\nseed = 4\nwidths = [4, 5]\nentropy_weight = 0.3\n"
        "regulariser_warmup = 0.25\n"
    )

    assert load_settings({}, sections) == load_settings({}, keys)


def test_naming_one_term_drops_no_other(tmp_path: Path) -> None:
    """Terms are laid over the defaults one by one, and value by value."""
    config = tmp_path / "settings.toml"
    config.write_text("data = 'cifar10:there'\n[objective.terms.margin]\nweight = 2\n")

    terms = load_settings({"entropy_weight": 0.3}, config).objective.terms

    assert list(terms) == ["cross_entropy", "entropy", "orthogonality", "similarity", "margin"]
    assert terms["entropy"] == TermSettings(weight=0.3, warmup=0.5)
    assert terms["margin"] == TermSettings(weight=2.0, warmup=0.0)


def test_settings_come_back_from_json() -> None:
    """What a run stores is what it was started with."""
    settings = load_settings({"data": "cifar10:x", "widths": "8,9", "pool_before": "2"})

    assert FitSettings.model_validate_json(settings.model_dump_json()) == settings


def test_every_setting_has_a_flat_name_of_its_own() -> None:
    """Two sections may not share a name: it is a flag."""
    settings = load_settings({"data": "cifar10:x"})
    sections = [value for value in dict(settings).values() if isinstance(value, Section)]
    fields = [name for section in sections for name in type(section).model_fields]

    assert len(fields) == len(set(fields))
    assert flat(settings)["data"] == "cifar10:x"
    assert flat(settings)["orthogonality_warmup"] == 0.5


def test_flat_names_find_their_sections() -> None:
    """What is unknown stays where it is, for pydantic to name."""
    assert nested({"data": "x:y", "seed": 1, "epoch": 3}) == {
        "data": {"source": "x:y"},
        "run": {"seed": 1},
        "epoch": 3,
    }


def test_settings_that_differ_are_named() -> None:
    """By the names of their flags, terms too."""
    one = load_settings({"data": "cifar10:x"})
    other = load_settings({"data": "cifar10:x", "epochs": 3, "entropy_weight": 0})

    assert differing(one, other) == ["epochs", "entropy_weight"]
    assert differing(one, one) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"epochs": "-1"}, r"epochs: .* greater than or equal to 0 \(got '-1'\)"),
        ({"epochs": "0"}, "epochs: 0 sets no limit, so name a time, or at least 1 epoch"),
        ({"time": "30d"}, "time: '30d' is no time such as 90s, 30m or 2h"),
        ({"epochs": "many"}, "epochs: .*valid integer"),
        ({"epoch": 3}, "epoch: Extra inputs are not permitted"),
        ({"validation_fraction": 1.0}, "validation_fraction: .*less than 1"),
        ({"weight_decay": float("inf")}, "weight_decay: .*finite"),
        ({"seed": 2**70}, "seed: .*less than"),
        ({"pool_before": (2, 7)}, r"names layers \[7\], but widths has 4"),
        ({"freeze_after": (0.1,) * 5}, "freeze_after names 5 layers, but widths has 4"),
        ({"threads": 100_000}, "threads: .*less than or equal to 1024"),
        ({"image_size": 10**9}, "image_size: .*less than or equal to 4096"),
        ({"width_factor": 1e300}, "width_factor: .*less than or equal to 100"),
        ({"widths": (8, 10**8)}, r"widths\.1: .*less than or equal to 65536"),
        ({"limit_train": 300}, "limit_train 300 is under two batches of 250"),
        ({"widths": ()}, "widths: .*at least 1 item"),
        ({"widths": "8,x"}, "widths: '8,x' is no list of whole numbers"),
        ({"entropy_weight": -1}, r"entropy\.weight: .*greater than or equal to 0"),
        ({"objective": {"terms": {"margin": 3}}}, r"terms\.margin: "),
        ({"data": "cifar10:x", "run": {"sead": 1}}, r"run\.sead: Extra inputs"),
    ],
)
def test_a_bad_setting_is_named(flags: dict[str, object], message: str) -> None:
    """The error gives the setting, its value and what it may be."""
    with pytest.raises(ConfigError, match=message):
        load_settings({"data": "cifar10:x", **flags})


@pytest.mark.parametrize(
    ("flags", "length"),
    [
        ({}, (30, None)),
        ({"time": "30m"}, (0, 1800)),
        ({"time": "1.5h", "preset": "fast"}, (0, 5400)),
        ({"time": 90, "epochs": 7}, (7, 90)),
        ({"preset": "fast"}, (8, None)),
    ],
)
def test_epochs_limit_a_run_by_time_only_where_they_are_given(
    flags: dict[str, object], length: tuple[int, float | None]
) -> None:
    """Neither the default nor a preset ends it; a number beside it does."""
    optimiser = load_settings({"data": "cifar10:x", **flags}).optimiser

    assert (optimiser.epochs, optimiser.time) == length


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    """The path stands in the message."""
    config = tmp_path / "settings.toml"
    config.write_text("epochs = = 3")

    with pytest.raises(ConfigError, match=r"cannot read settings from .*settings\.toml"):
        load_settings({}, config)
