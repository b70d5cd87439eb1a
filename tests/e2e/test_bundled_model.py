"""The bundled model is as good as its manifest says, on the real test images."""

import re
from pathlib import Path

import numpy as np
import pytest

from model.artifact.checks import SUM_TOLERANCE
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.runtime import OnnxSession
from tests.conftest import ROOT

CHUNK = 500
ASKED = ("scores", "probabilities")
# | confidence | coverage | classes in a set | one alone | per class, least and most |
DOCUMENTED = re.compile(r"^\| (0\.\d+) \| (0\.\d+ \|.*%.*) \|$", re.MULTILINE)


def read_test_split(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read CIFAR-10's test batch: `(10000, 32, 32, 3)` uint8 and `(10000,)` labels."""
    path = folder / "cifar-10-batches-bin" / "test_batch.bin"
    rows = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 3073)
    images = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), rows[:, 0]


def test_its_sets_hold_the_true_class_as_documented(real_data: Path) -> None:
    """Coverage, size and the extreme classes, as docs/explanations.md says of each confidence."""
    repository = ModelRepository(BUNDLED_REPOSITORY)
    active = repository.active()
    assert active is not None
    stored = repository.read(active)
    scale = stored.manifest.conformal
    assert scale is not None
    assert scale.n == 5000
    session = OnnxSession(stored.model, "cpu", intra_op_threads=2)
    images, labels = read_test_split(real_data)

    starts = range(0, len(images), CHUNK)
    found = [session(images[start : start + CHUNK], ASKED).probabilities for start in starts]
    probabilities = np.concatenate(found)

    rows = dict(DOCUMENTED.findall((ROOT / "docs" / "explanations.md").read_text()))
    assert set(rows) == {"0.8", "0.9", "0.95", "0.99"}
    for confidence, row in rows.items():
        members = scale.members(probabilities, float(confidence))
        holds = members[np.arange(len(labels)), labels]
        per_class = [holds[labels == label].mean() for label in range(10)]
        told = [float(number) for number in re.findall(r"\d\.\d+(?![\d%])", row)]
        coverage, size, least, most = told
        assert holds.mean() == pytest.approx(coverage, abs=1e-3)
        assert members.sum(axis=1).mean() == pytest.approx(size, abs=2e-3)
        assert (min(per_class), max(per_class)) == pytest.approx((least, most), abs=5e-3)
        # Test images are a little harder than validation images: hence a point of slack.
        assert holds.mean() >= float(confidence) - 0.01


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
    assert right.mean() >= 0.89
    assert right.mean() == pytest.approx(manifest.accuracy.value, abs=1e-3)
    for label, expected in enumerate(manifest.accuracy.per_class):
        assert right[labels == label].mean() == pytest.approx(expected, abs=5e-3)
    for layer, told in enumerate(manifest.layers):
        alone = (parts[:, layer].argmax(1) == labels).mean()
        assert alone == pytest.approx(told.test_accuracy, abs=5e-3)
    limit = SUM_TOLERANCE * np.abs(parts).sum(1)
    assert (np.abs(parts.sum(1) - found) <= limit).all()
