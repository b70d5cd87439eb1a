"""A service at work that a real Prometheus watches: a trial, a refused version, early answers."""

import io
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

import httpx
import numpy as np
import torch
from PIL import Image

from benchmarks.forms import message
from benchmarks.mixed import Ask, mixed
from benchmarks.pictures import KINDS, draw_all
from benchmarks.prometheus import Prometheus, scraping
from benchmarks.servers import HOST, ROOT, Running, ours, running
from model.artifact.anytime import softmax
from model.artifact.labels import Canary
from model.artifact.manifest import Manifest
from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.runtime import OnnxStage
from model.artifact.version import VersionId
from service.engine import decoder
from service.settings import Settings
from training.data.dataset import Split
from training.publish.anytime import cut_in_two

NAME, WHOLE = "cifar10", "whole"
FLAGS = "--workers 2 --anytime 0.9"
_CALLERS, _PAUSE_S = 3, 0.02
_ROW = 1 + 3 * 32 * 32


def pictures(data: Path | None, count: int = 48) -> list[bytes]:
    """Give PNGs: the first images of a batch file of CIFAR-10, or drawn ones."""
    if data is None:
        return draw_all(KINDS["png32"])
    rows = np.fromfile(data, np.uint8, count * _ROW).reshape(count, _ROW)
    images = rows[:, 1:].reshape(count, 3, 32, 32).transpose(0, 2, 3, 1)
    return [_png(image) for image in images]


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def watched_repository(root: Path, files: Sequence[bytes]) -> ModelRepository:
    """Publish the bundled model so that half of the files are answered early; try another version.

    The third version's golden scores are not what it computes. `WHOLE` has the bundled model as it
    is: what may stop early does not say how familiar an image is.
    """
    bundled, repository = ModelRepository(BUNDLED_REPOSITORY), ModelRepository(root)
    latest = bundled.active()
    assert latest is not None  # noqa: S101  the bundled repository has one
    stored = bundled.read(latest)
    pixels = decoder(Settings())(files, 32, 32)
    drawn = Split(torch.from_numpy(pixels), torch.arange(len(pixels)) % 10)
    cut = cut_in_two(stored, drawn, prefix_layers=2)
    assert cut.manifest.anytime is not None  # noqa: S101  it was just cut
    described = cut.manifest.anytime.model_dump()
    scores = OnnxStage(cut.graphs["prefix.onnx"], "cpu")(pixels)["contributions"].sum(axis=1)
    sure = float(np.median(softmax(scores, described["temperature"]).max(axis=1)))
    anytime = {**described, "thresholds": [{"confidence": 0.9, "probability": sure}]}
    manifest = Manifest.model_validate({**cut.manifest.model_dump(), "anytime": anytime})
    repository.activate(repository.publish(NAME, stored.model, manifest, cut.graphs))
    repository.activate(repository.publish(WHOLE, stored.model, stored.manifest, stored.graphs))
    repository.publish(NAME, stored.model, stored.manifest, stored.graphs)
    repository.publish(NAME, stored.model, _wrong(stored.manifest), stored.graphs)
    repository.begin_canary(NAME, Canary(version="2", percent=40, since=datetime.now(UTC)))
    return repository


def _wrong(manifest: Manifest) -> Manifest:
    """Change a manifest's golden scores."""
    described = manifest.model_dump()
    for golden in described["golden"]:
        golden["scores"] = [score + 1 for score in golden["scores"]]
    return Manifest.model_validate(described)


@contextmanager
def watched(root: Path, files: Sequence[bytes]) -> Iterator[tuple[Running, Prometheus]]:
    """Serve, ask without pause and scrape for as long as the block lasts.

    Raises:
        ServerError: service or Prometheus does not start.
    """
    repository = watched_repository(root, files)
    spec = ours("observed", ROOT, f"--repository {root} {FLAGS}")
    probe = message("raw", list(files[:1]), "image/png")
    with (
        running(spec, probe) as server,
        scraping([f"{HOST}:{server.port}"]) as prometheus,
        asking(f"http://{HOST}:{server.port}", mixed(files, WHOLE)),
    ):
        repository.activate(VersionId(NAME, "3"))  # which is refused
        yield server, prometheus


@contextmanager
def asking(url: str, asks: Sequence[Ask]) -> Iterator[None]:
    """Have a few callers send requests in turn, whatever comes back."""
    is_over = threading.Event()

    def ask(first: int) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            for each in islice(cycle(asks), first, None):
                if is_over.wait(_PAUSE_S):
                    return
                try:
                    client.post(
                        each.path, content=each.body, headers={"Content-Type": each.content_type}
                    )
                except httpx.TransportError:
                    continue

    with ThreadPoolExecutor(_CALLERS) as pool:
        callers = [pool.submit(ask, 7 * number) for number in range(_CALLERS)]
        try:
            yield
        finally:
            is_over.set()
    for caller in callers:
        caller.result()
