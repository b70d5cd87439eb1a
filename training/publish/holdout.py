"""Validation images that a version keeps, so that a service can hold the next one against it."""

import hashlib

import numpy as np
import torch

from model.artifact.holdout import HOLDOUT_FILE, Holdout, Labels, pack, unpack
from model.artifact.image import Pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import PROBABILITIES, SCORES, Session
from model.artifact.repository import StoredVersion
from training.data.dataset import Split, at_once
from training.publish.runtime import onnx_session

_BATCH = 250


def with_holdout(stored: StoredVersion, validation: Split, images: int) -> StoredVersion:
    """Give a version that keeps some of its validation images, in place of those it kept.

    Args:
        stored: the version.
        validation: images that it did not learn from.
        images: how many to keep, drawn evenly; all, where there are fewer.
    """
    order = torch.randperm(len(validation), generator=torch.Generator().manual_seed(0))
    kept = validation.take(order[:images])
    return _keeping(stored, kept.images.numpy(), kept.labels.numpy().astype(np.uint16))


def handed_on(stored: StoredVersion, before: StoredVersion) -> StoredVersion:
    """Give a version that keeps the images of the one before it, where it keeps none.

    Only where both have the same classes and image size.
    """
    old, new = before.manifest, stored.manifest
    if new.holdout is not None or old.holdout is None:
        return stored
    if (old.labels, old.image_height, old.image_width) != (
        new.labels,
        new.image_height,
        new.image_width,
    ):
        return stored
    content = before.graphs[HOLDOUT_FILE]
    pixels, labels = unpack(content, old.holdout.n, old.image_height, old.image_width)
    return _keeping(stored, pixels, labels)


def _keeping(stored: StoredVersion, pixels: Pixels, labels: Labels) -> StoredVersion:
    content = pack(pixels, labels)
    holdout = Holdout(
        n=len(labels),
        correct=_count_correct(onnx_session(stored.model), pixels, labels),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    manifest = Manifest.model_validate({**stored.manifest.model_dump(), "holdout": holdout})
    files = {**stored.graphs, HOLDOUT_FILE: content}
    return StoredVersion(stored.id, manifest, stored.model, files)


def _count_correct(session: Session, pixels: Pixels, labels: Labels) -> int:
    _, height, width, _ = pixels.shape
    correct, size = 0, at_once(height, width, _BATCH)
    for start in range(0, len(labels), size):
        scores = session(pixels[start : start + size], (SCORES, PROBABILITIES)).scores
        correct += int((scores.argmax(axis=1) == labels[start : start + size]).sum())
    return correct
