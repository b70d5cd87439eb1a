"""The images that a published version was validated on, found again in its data."""

from typing import Any

from model.artifact.manifest import Manifest
from training.data.dataset import Dataset, Split
from training.data.former import FORMER_RULE, former_fingerprint, former_validation
from training.data.load import load_dataset
from training.data.split import PATH_RULE, PLACE_RULE, split_validation
from training.errors import DataError
from training.settings.data import DataOptions, DataSettings


def validation_images(manifest: Manifest, source: str) -> Split:
    """Give the images that were set aside for validation when the version was trained.

    Args:
        manifest: of the version; its settings say how the data were split, and by which rule.
        source: the data, as KIND:PATH.

    Raises:
        DataError: as `trained_on` does.
    """
    dataset, settings = trained_on(manifest, source), _data_settings(manifest, source)
    if _rule(manifest) == FORMER_RULE:
        return former_validation(dataset.train, settings.validation_fraction, _seed(manifest))
    return split_validation(dataset, settings.validation_fraction, _seed(manifest))[1]


def trained_on(manifest: Manifest, source: str) -> Dataset:
    """Give the data that a version was trained on.

    Raises:
        DataError: the data cannot be read, or are others, or were split by a rule unknown here.
    """
    rule = _rule(manifest)
    if rule not in (FORMER_RULE, PLACE_RULE, PATH_RULE):
        message = (
            f"the version was trained when images were set aside by rule {rule!r}, which this "
            "goodserve does not know: images it learned from could count as validation images; "
            "upgrade goodserve"
        )
        raise DataError(message)
    dataset = split_as(manifest, source)
    is_former = rule == FORMER_RULE
    found = former_fingerprint(dataset) if is_former else dataset.fingerprint()
    if found != manifest.data_sha256:
        message = (
            f"{source} are not the data that the version was trained on: images it learned from "
            "could count as validation images; name those data"
        )
        raise DataError(message)
    return dataset


def split_as(manifest: Manifest, source: str) -> Dataset:
    """Give any data, split and resized as those that a version was trained on.

    Raises:
        DataError: the data cannot be read.
    """
    return load_dataset(_data_settings(manifest, source), _seed(manifest))


def _data_settings(manifest: Manifest, source: str) -> DataSettings:
    known = {n: manifest.training[n] for n in DataOptions.model_fields if n in manifest.training}
    # What older versions name as the size did not hold for authors' files.
    changes = {"image_size": manifest.image_height, "source": source}
    if _rule(manifest) == FORMER_RULE:  # tests were set aside as by the next one
        changes["split_rule"] = PLACE_RULE
    return DataSettings.model_validate({**known, **changes})


def _rule(manifest: Manifest) -> Any:  # noqa: ANN401  what a manifest holds
    return manifest.training.get("split_rule", FORMER_RULE)


def _seed(manifest: Manifest) -> int:
    return int(manifest.training.get("seed", 0))
