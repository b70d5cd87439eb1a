"""Whether layers that a run starts from may have learned from what it validates and tests on."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.artifact.repository import MANIFEST_FILE
from training.data.dataset import Dataset
from training.settings.fit import FitSettings, flat
from training.settings.initial import REPORT_FILE, SETTINGS_FILE

# Together with the data's fingerprint they decide which image is in which split.
_SPLIT_BY = ("seed", "validation_fraction", "test_fraction")


def overlap_warning(
    initial: Path, settings: FitSettings, dataset: Dataset, fingerprint: str
) -> str | None:
    """Say that images which validate or test may have been learned from before.

    A split is drawn anew where the seed or the rule is another one: then most of the images that
    validate or test now were among those learned from. Where a picture was added, a few may be.

    Args:
        initial: the folder of the run or of the version that the layers are of.
        settings: of the run that starts from it.
        dataset: that run's.
        fingerprint: of that.

    Returns:
        None where the data have other classes, or are split as they were, or where nothing is
        known of the former ones.
    """
    try:
        labels, known, split = _learned_from(initial)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    mine = flat(settings)
    is_same = known == fingerprint and all(split.get(n) == mine[n] for n in _SPLIT_BY)
    if tuple(labels) != dataset.labels or is_same:
        return None
    return (
        f"{initial} learned from images of the same classes, split otherwise: if some of these are "
        "among those that validate or test here, all figures are too high; keep a test split apart "
        "(folders train, val and test), or the data and the seed as they were"
    )


def _learned_from(folder: Path) -> tuple[Sequence[str], str, Mapping[str, Any]]:
    """Give the labels, the fingerprint and the settings that layers were learned by."""
    if (folder / REPORT_FILE).exists():
        report = json.loads((folder / REPORT_FILE).read_bytes())
        stored = json.loads((folder / SETTINGS_FILE).read_bytes())["settings"]
        split = {**stored["data"], **stored["run"]}
        return report["labels"], report["data_sha256"], split
    manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
    return manifest["labels"], manifest["data_sha256"], manifest["training"]
