"""The bundled model is as good as its manifest says, on the real test images."""

from pathlib import Path

import numpy as np
import pytest

from model.artifact.checks import SUM_TOLERANCE
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.runtime import OnnxSession

CHUNK = 500


def read_test_split(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read CIFAR-10's test batch: `(10000, 32, 32, 3)` uint8 and `(10000,)` labels."""
    path = folder / "cifar-10-batches-bin" / "test_batch.bin"
    rows = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 3073)
    images = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), rows[:, 0]


def test_it_reaches_its_accuracy_and_explains_every_answer(real_data: Path) -> None:
    """All 10,000 test images: the manifest's accuracy, per layer and class, sums exact."""
    repository = ModelRepository(BUNDLED_REPOSITORY)
    active = repository.active()
    assert active is not None
    stored = repository.read(active)
    session = OnnxSession(stored.model, "cpu", intra_op_threads=2)
    images, labels = read_test_split(real_data)

    scores, contributions = [], []
    for start in range(0, len(images), CHUNK):
        some_scores, _, some_contributions, _ = session(images[start : start + CHUNK])
        scores.append(some_scores)
        assert some_contributions is not None
        contributions.append(some_contributions)

    found, parts = np.concatenate(scores), np.concatenate(contributions)
    right = found.argmax(1) == labels
    manifest = stored.manifest
    assert manifest.accuracy is not None
    assert right.mean() >= 0.84
    assert right.mean() == pytest.approx(manifest.accuracy.value, abs=1e-3)
    for label, expected in enumerate(manifest.accuracy.per_class):
        assert right[labels == label].mean() == pytest.approx(expected, abs=5e-3)
    for layer, told in enumerate(manifest.layers):
        alone = (parts[:, layer].argmax(1) == labels).mean()
        assert alone == pytest.approx(told.test_accuracy, abs=5e-3)
    limit = SUM_TOLERANCE * np.abs(parts).sum(1)
    assert (np.abs(parts.sum(1) - found) <= limit).all()
