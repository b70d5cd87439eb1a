"""From what was asked of `fit` to settings: of a new run, or of one that goes on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.errors import CheckpointError, ConfigError
from training.settings.fit import FitSettings, nested
from training.settings.load import Count, differing, load_settings, read_config
from training.settings.section import merged

# How long a run is, and how it is read; all else decides what it learns, and stays.
_CHANGEABLE = ("epochs", "time", "patience", "mirrored")


def new_settings(
    flags: Mapping[str, Any], config: Path | None, count: Count = lambda _source: None
) -> FitSettings:
    """Validate the settings of a new run.

    Args:
        flags: by flat name or by section.
        config: a TOML file, or none.
        count: tells how many pictures a source has, by which some defaults go.

    Raises:
        ConfigError: no data are named, or a setting is unknown or out of range.
    """
    if "data" not in flags and config is None:
        message = "name the data: goodserve-train fit KIND:PATH --run FOLDER"
        raise ConfigError(message)
    return _with_absolute_path(load_settings(flags, config, count))


def resumed_settings(
    stored: FitSettings, flags: Mapping[str, Any], config: Path | None
) -> FitSettings:
    """Give a run that goes on its settings: as stored, but for its length and views.

    Raises:
        CheckpointError: other settings differ; the message names them.
        ConfigError: a setting is unknown or out of range.
    """
    given = merged(read_config(config) if config is not None else {}, nested(flags))
    whole = merged(_stored(stored, given), given)
    initial = whole["network"]["initial"]
    if initial == stored.network.initial:  # it was taken over long ago, and need not be there
        whole = merged(whole, {"network": {"initial": None}})
    asked = _with_absolute_path(load_settings(whole))
    if initial == stored.network.initial:
        network = asked.network.model_copy(update={"initial": initial})
        asked = asked.model_copy(update={"network": network})
    # What `auto` meant was settled when the run began: asked for again, it is no change.
    settled = {n: getattr(stored.run, n) for n, v in dict(asked.run).items() if v == "auto"}
    asked = asked.model_copy(update={"run": asked.run.model_copy(update=settled)})
    changed = [name for name in differing(asked, stored) if name not in _CHANGEABLE]
    if changed:
        message = (
            f"a resumed run keeps its settings, but {', '.join(changed)} differ; only "
            f"{', '.join(_CHANGEABLE)} may change"
        )
        raise CheckpointError(message)
    return asked


def of_equal_length(settings: FitSettings) -> FitSettings:
    """Let every variant of a comparison train for the same epochs, and count as it ends.

    Raises:
        ConfigError: a time or a patience would end some earlier than others, or some would start
            from trained layers and others from none.
    """
    optimiser = settings.optimiser
    if settings.network.initial is not None or optimiser.freeze:
        message = "a comparison trains every variant from the start: name no --from and no --freeze"
        raise ConfigError(message)
    if optimiser.time is not None or optimiser.patience is not None:
        message = "a comparison trains every variant for the same epochs: name no time or patience"
        raise ConfigError(message)
    return settings.model_copy(update={"optimiser": optimiser.model_copy(update={"keep": "last"})})


def _stored(stored: FitSettings, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the stored settings; of epochs and time, one that is named alone replaces the other."""
    length = given.get("optimiser", {})
    if "time" in length and "epochs" not in length:
        return merged(stored.model_dump(), {"optimiser": {"epochs": 0}})
    if "epochs" in length and "time" not in length:
        return merged(stored.model_dump(), {"optimiser": {"time": None}})
    return stored.model_dump()


def _with_absolute_path(settings: FitSettings) -> FitSettings:
    """Name the data so that the run can be resumed or exported from another folder."""
    data = settings.data
    path = str(Path(data.path).expanduser().resolve()) if data.path else ""
    source = data.source.removesuffix(data.path) + path
    return settings.model_copy(update={"data": data.model_copy(update={"source": source})})
