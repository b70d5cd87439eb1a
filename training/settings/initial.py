"""Where a run's first layers come from: a published version or a trained run, and its shape."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.artifact.repository import BUNDLED_REPOSITORY, MANIFEST_FILE
from training.errors import ConfigError
from training.settings.former import as_of_today
from training.settings.section import merged
from training.settings.sections import NetworkSettings

# Of a run's folder.
MODEL_FILE, SETTINGS_FILE, REPORT_FILE = "model.pt", "settings.json", "report.json"

# Of authors' files that no run resized.
_AUTHORS_SIDES = {"cifar10": 32, "cifar100": 32, "mnist": 28, "fashion-mnist": 28}

# What these say holds for one number of classes, and how images are read is asked for anew.
_NOT_TAKEN_OVER = {"initial", "width_factor", "mirrored"}


def initial_folder(initial: str) -> Path:
    """Find what `--from` names.

    Args:
        initial: the folder of a trained run, of an export or of a published version, or
            NAME/VERSION of a bundled one.

    Raises:
        ConfigError: there is nothing of that kind.
    """
    for folder in (Path(initial).expanduser(), BUNDLED_REPOSITORY / initial):
        if any((folder / file).exists() for file in (MANIFEST_FILE, MODEL_FILE)):
            return folder.resolve()
    message = (
        f"cannot start from {initial!r}: it names no folder of a trained run or of a published "
        f"version, nor a bundled version"
    )
    raise ConfigError(message)


def initial_settings(folder: Path) -> dict[str, Any]:
    """Give the settings that a network needs to take over the layers in a folder.

    Raises:
        ConfigError: the folder's files are damaged.
    """
    try:
        trained = _of_run(folder) if (folder / SETTINGS_FILE).exists() else _of_version(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"cannot start from {folder}: its settings cannot be read ({error})"
        raise ConfigError(message) from error
    network, image_size, num_classes = trained
    shape = {
        name: value
        for name, value in network.items()
        if name in NetworkSettings.model_fields and name not in _NOT_TAKEN_OVER
    }
    widths = NetworkSettings.model_validate(network).widths_for(num_classes)
    return {
        "network": shape | {"widths": widths},
        "data": {} if image_size is None else {"image_size": image_size},
    }


def with_initial(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Look up what the given settings start from.

    Returns:
        Settings to lay under the given ones, and the given ones with the folder's whole path.

    Raises:
        ConfigError: they start from something that is not there, or damaged.
    """
    initial = given.get("network", {}).get("initial")
    if not isinstance(initial, str):
        return {}, dict(given)
    folder = initial_folder(initial)
    return initial_settings(folder), merged(given, {"network": {"initial": str(folder)}})


def _of_run(folder: Path) -> tuple[Mapping[str, Any], int | None, int]:
    content = json.loads((folder / SETTINGS_FILE).read_bytes())
    settings = as_of_today(content["settings"], content["format"])
    report = json.loads((folder / REPORT_FILE).read_bytes())
    kind = settings["data"]["source"].partition(":")[0]
    image_size = settings["data"]["image_size"] or _AUTHORS_SIDES.get(kind)
    return settings["network"], image_size, len(report["labels"])


def _of_version(folder: Path) -> tuple[Mapping[str, Any], int | None, int]:
    manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
    known = NetworkSettings.model_fields
    network = {name: v for name, v in manifest["training"].items() if name in known}
    return network, manifest["image_height"], len(manifest["labels"])
