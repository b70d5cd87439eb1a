"""From a TOML file and flags to validated settings, and errors in one line."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from training.errors import ConfigError
from training.settings.by_size import by_size
from training.settings.fit import FitSettings, flat, nested
from training.settings.initial import with_initial
from training.settings.presets import preset_named
from training.settings.section import merged


def read_config(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file, with sections or flat names; not validated yet.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return nested(tomllib.loads(path.read_text()))
    except (OSError, ValueError) as error:
        message = f"cannot read settings from {path}: {error}"
        raise ConfigError(message) from error


# Counts the pictures to learn from of a source; None where it is no folder or list of pictures.
Count = Callable[[str], int | None]


def load_settings(
    flags: Mapping[str, Any], config: Path | None = None, count: Count = lambda _source: None
) -> FitSettings:
    """Lay flags over a TOML file over a preset over the defaults, and validate the whole once.

    Args:
        flags: by flat name or by section; `preset` names a preset, as it may in the file.
        config: a TOML file, or none.
        count: tells how many pictures a source has, by which some defaults go.

    Raises:
        ConfigError: the file cannot be read, there is no such preset, or a setting is unknown or
            out of range.
    """
    given = merged(read_config(config) if config is not None else {}, nested(flags))
    initial, given = with_initial(given)
    under = merged(initial, merged(preset_named(given.get("preset")), _without_epochs(given)))
    pictures = count(str(given.get("data", {}).get("source")))
    if pictures is not None:
        under = merged(by_size(pictures), under)
    try:
        return FitSettings.model_validate(merged(under, given))
    except ValidationError as error:
        raise ConfigError(describe(error) + _preset_hint(error, given.get("preset"))) from error


def _preset_hint(error: ValidationError, preset: object) -> str:
    """Where settings contradict each other, say that some of them may be a preset's."""
    contradicts = any(not each["loc"] for each in error.errors(include_url=False))
    return f"; what is not named is the preset {preset}'s" if contradicts and preset else ""


def _without_epochs(given: Mapping[str, Any]) -> dict[str, Any]:
    """Where a time is given, take back the number of epochs that a default or a preset sets."""
    optimiser = given.get("optimiser")
    has_time = isinstance(optimiser, Mapping) and optimiser.get("time") is not None
    return {"optimiser": {"epochs": 0}} if has_time else {}


def differing(one: FitSettings, other: FitSettings) -> list[str]:
    """Name the settings that differ, by their flat names."""
    left, right = flat(one), flat(other)
    return [name for name in left | right if left.get(name) != right.get(name)]


def describe(error: ValidationError) -> str:
    """Put pydantic's errors into one line: each setting, what is wrong, and its value."""
    return "; ".join(_worded(each) for each in error.errors(include_url=False))


def _worded(error: Mapping[str, Any]) -> str:
    """One fault of one setting, or of several that contradict each other."""
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return str(message)
    where = ".".join(map(str, error["loc"]))
    # Where a value is missing, pydantic's input is the whole mapping around it.
    value = "" if error["type"] == "missing" else f" (got {error['input']!r})"
    return f"{where}: {message}{value}"
