"""Fakes of our own Protocols: a session that sees colours, and what a test needs to hold it."""

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from model.artifact.image import Pixels
from model.artifact.manifest import Accuracy, Golden, Layer, Manifest
from model.artifact.outputs import (
    CONTRIBUTIONS,
    PROBABILITIES,
    SCORES,
    Outputs,
    input_spec,
    output_specs,
)
from model.artifact.repository import ModelRepository
from model.artifact.version import VersionId
from service.predict.decode import LargePictureError
from service.predict.lane import Lane, LaneParts
from service.predict.loading import LoadedVersion
from service.predict.worker import Crew

LABELS = ("blue", "green", "red")
_COLOUR_OF_LABEL = [2, 1, 0]
_WAIT_S = 60


class FakeSession:
    """Scores colours by how strong they are: a picture's own answer, whatever runs beside it.

    `run`, if given, is called with each batch before it is answered: it may wait, or raise.
    """

    def __init__(self, run: Callable[[Pixels], None] = lambda _pixels: None) -> None:
        """Count the runs from nothing."""
        self.batches: list[int] = []
        self.wanted: list[Sequence[str] | None] = []
        self.run = run

    def check(self, manifest: Manifest) -> None:
        """Agree with every manifest."""

    def __call__(self, pixels: Pixels, wanted: Sequence[str] | None = None) -> Outputs:
        """Answer as a network of two layers would."""
        self.batches.append(len(pixels))
        self.wanted.append(wanted)
        self.run(pixels)
        strength = pixels.mean(axis=(1, 2))[:, _COLOUR_OF_LABEL] / 25
        scores = (strength - strength.mean(axis=1, keepdims=True)).astype(np.float32)
        powers = np.exp(scores)
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        contributions = np.stack([0.25 * scores, 0.75 * scores], axis=1)
        values = {SCORES: scores, PROBABILITIES: probabilities, CONTRIBUTIONS: contributions}
        return Outputs.named({n: values[n] for n in (values if wanted is None else wanted)})


class Gate:
    """Holds whoever passes until it is let through, and tells that somebody came."""

    def __init__(self) -> None:
        """Begin closed."""
        self._entered = threading.Semaphore(0)
        self._open = threading.Semaphore(0)

    def __call__(self, _: object = None) -> None:
        """Pass, when allowed."""
        self._entered.release()
        assert self._open.acquire(timeout=_WAIT_S)

    def wait_until_entered(self) -> None:
        """Wait until somebody has come."""
        assert self._entered.acquire(timeout=_WAIT_S)

    def let(self, number: int = 1) -> None:
        """Let so many through."""
        self._open.release(number)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def fake_manifest(size: int = 16, labels: Sequence[str] = LABELS, model: bytes = b"") -> Manifest:
    """Write a manifest that a fake session fulfils."""
    pixels = np.random.default_rng(size).integers(0, 256, (2, size, size, 3), np.uint8)
    scores = FakeSession()(pixels).scores
    layer = {"channels": 8, "weight": 0.5, "validation_loss": 1.0, "test_accuracy": 0.5}
    return Manifest(
        created=datetime(2026, 1, 1, tzinfo=UTC),
        labels=tuple(labels),
        image_height=size,
        image_width=size,
        input=input_spec(size, size),
        outputs=output_specs(2, len(labels)),
        layers=tuple(Layer(name=name, **layer) for name in ("stem", "block2")),
        temperature=1.0,
        accuracy=Accuracy(value=0.5, n=30, per_class=(0.5,) * len(labels)),
        training={},
        software={},
        data_sha256="0" * 64,
        model_sha256=hashlib.sha256(model).hexdigest(),
        model_size_bytes=max(1, len(model)),
        golden=tuple(Golden.of(p, s) for p, s in zip(pixels, scores, strict=True)),
    )


def fake_repository(
    root: Path, versions: int = 1, labels: Sequence[str] = LABELS
) -> ModelRepository:
    """Publish versions that only a fake session can open, and activate the first."""
    repository = ModelRepository(root)
    for number in range(1, versions + 1):
        model = f"fake model {number}".encode()
        repository.publish("colours", model, fake_manifest(labels=labels, model=model))
    repository.activate(VersionId("colours", "1"))
    return repository


def loaded(
    session: FakeSession | None = None,
    size: int = 16,
    version: str = "1",
    name: str = "colours",
) -> LoadedVersion:
    """Give a version that is ready to answer."""
    session = session or FakeSession()
    return LoadedVersion(VersionId(name, version), fake_manifest(size), session, session)


class FakeDecode:
    """Makes a picture of one colour for each file, its first byte, or the error it is told to.

    `large` files raise where only quick ones are wanted; `aside` is called when one of them is
    decoded all the same.
    """

    def __init__(
        self,
        errors: Mapping[int, Exception] | None = None,
        large: Collection[int] = (),
        aside: Callable[[], None] = lambda: None,
    ) -> None:
        """Decode everything, but for what is named."""
        self._errors = errors or {}
        self._large = large
        self._aside = aside

    def __call__(
        self, files: Sequence[bytes], height: int, width: int, *, quick: bool = False
    ) -> Pixels:
        """Decode, or raise."""
        value = files[0][0]
        if value in self._large:
            if quick:
                raise LargePictureError
            self._aside()
        if value in self._errors:
            raise self._errors[value]
        return np.stack([np.full((height, width, 3), file[0], np.uint8) for file in files])


def open_lane(
    version: LoadedVersion | None = None,
    *,
    num_workers: int = 1,
    max_batch_size: int = 4,
    clock: Callable[[], float] = time.monotonic,
    **parts: Any,
) -> Lane:
    """Open a lane of fakes on the running event loop."""
    given: dict[str, Any] = {
        "decode": FakeDecode(),
        "aside": ThreadPoolExecutor(1),
        "crew": Crew(num_workers, max_batch_size, clock),
        "stall_timeout_s": 30.0,
    }
    return Lane(version or loaded(), LaneParts(**{**given, **parts}))
