"""Settings that runs of older formats stored, in today's words."""

from typing import Any

from training.settings.section import merged

_BEFORE_MUON = 3
# What runs of format 3 had no names for: they learned their stem, by AdamW.
_AS_BEFORE_MUON = {
    "network": {"stem": "learned"},
    "optimiser": {"optimizer": "adamw"},
}
_BEFORE_RESIZING = 5
_BEFORE_PATHS = 6
_PICTURES = ("folder", "csv", "jsonl")


def as_of_today(settings: Any, written: int) -> Any:  # noqa: ANN401  of a file that may be damaged
    """Say what stored settings meant when they were written.

    Args:
        settings: as a run's file has them; what is no mapping is given back.
        written: the format of that file.

    Raises:
        KeyError, TypeError, ValueError: they are damaged.
    """
    if written > _BEFORE_PATHS or not isinstance(settings, dict):
        return settings
    # Pictures were drawn for validation and test by their places.
    settings = merged(settings, {"data": {"split_rule": 2}})
    if written > _BEFORE_RESIZING:
        return settings
    if written <= _BEFORE_MUON:
        settings = merged(_AS_BEFORE_MUON, settings)
    data, optimiser = dict(settings["data"]), dict(settings["optimiser"])
    if str(data["source"]).partition(":")[0] not in _PICTURES:
        data["image_size"] = None  # it did not hold for authors' files
    if "freeze_after" in optimiser:  # what named layers that are not there was passed over
        optimiser["freeze_after"] = optimiser["freeze_after"][: len(settings["network"]["widths"])]
    return {**settings, "data": data, "optimiser": optimiser}
